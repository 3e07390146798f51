# Two kernels of one application: nothing is done twice, and a changed specification or tuned row remakes its own kernel only.
. "$(dirname "$0")/common.sh"
cp -r "$here/rebuild" "$WORK/source"
cp -a "$PREFIX" "$WORK/prefix"  # its own: a touched command there makes kernels anew, and tests beside this one expect no work
PREFIX=$WORK/prefix
build=$WORK/build
configure_consumer "$WORK/source" "$build"

times() { stat -c '%n %y' "$build"/kernels/*.attune/*.[ah] "$build"/app; }
expect_no_work() {
    output=$("$CMAKE" --build "$build")
    grep -qF 'ninja: no work to do' <<<"$output" || fail "$1: the next build had work to do: $output"
}

run "$CMAKE" --build "$build"
run "$build/app"
expect_no_work "the first build"

echo "# a comment"
before=$(times)
echo '# a comment more' >>"$WORK/source/first.toml"
output=$("$CMAKE" --build "$build")
grep -qF 'Generating attention kernel first' <<<"$output" || fail "a changed file was not looked at: $output"
! grep -qF 'kernel second' <<<"$output" || fail "the other kernel was made again: $output"
[[ $(times) == "$before" ]] || fail "a comment in the specification changed files: before $before after $(times)"
expect_no_work "a comment"

echo "# another mask"
sed -i 's/causal/causal_top_left/' "$WORK/source/first.toml"
output=$("$CMAKE" --build "$build")
! grep -qF 'kernel second' <<<"$output" || fail "the other kernel was made again: $output"
changed=$(diff <(echo "$before") <(times) | sed -n 's/^> \([^ ]*\) .*/\1/p' || true)
for file in first.attune/first.a app; do
    grep -qF "$file" <<<"$changed" || fail "$file should be new; new are: $changed"
done
! grep -qF second <<<"$changed" || fail "files of the other kernel are new: $changed"
run "$build/app"
expect_no_work "another mask"

echo "# another attune command: all kernels are looked at"
touch "$PREFIX/bin/attune"
output=$("$CMAKE" --build "$build")
grep -qF 'kernel first' <<<"$output" && grep -qF 'kernel second' <<<"$output" || fail "a new attune command made no kernel anew: $output"
expect_no_work "a touched command"

# tuned_row BLOCK_Q: the file gets one row, for first
tuned_row() {
    local key
    key=$("$PREFIX/bin/attune" explain --json --target sse41 "$WORK/source/first.toml" | sed -n 's/.*"spec_hash": "\([0-9a-f]*\)".*/\1/p')
    printf '{"schema":1,"spec":"%s","target":"sse41","device":"generic","family":"cpu_query_lanes","parameters":{"block_q":%s},"shapes":{"b=1":{"median_ms":1,"default_ms":2,"spread":0}},"share_of_limit":0.5,"determinism":"D1","provenance":{"date":"2026-01-01T00:00:00Z","cpu":"any","attune":"0","halide":"0","llvm":"0","command":"by hand"}}\n' \
        "$key" "$1" >"$WORK/source/tuned.jsonl"
}
# ruled_row: the same with another schedule for short calls
ruled_row() {
    tuned_row 64
    sed -i 's/"schema":1/"schema":2/; s/"parameters"/"rules":[{"most_seq_len_q":32,"parameters":{"block_q":16}}],&/' "$WORK/source/tuned.jsonl"
}
untuned=$(cksum <"$build/kernels/first.attune/first.a")

echo "# a tuned row"
before=$(times)
tuned_row 64
output=$("$CMAKE" --build "$build")
changed=$(diff <(echo "$before") <(times) | sed -n 's/^> \([^ ]*\) .*/\1/p' || true)
for file in first.attune/first.a app; do
    grep -qF "$file" <<<"$changed" || fail "$file should be new; new are: $changed; $output"
done
! grep -qF second <<<"$changed" || fail "files of the other kernel are new: $changed"
grep -qF '"block_q": 64' "$build/kernels/first.attune/first.json" || fail "first has another schedule"
grep -qF '"file": "tuned.jsonl"' "$build/kernels/first.attune/first.json" || fail "first's metadata do not name the row"
! grep -qF '"tuned"' "$build/kernels/second.attune/second.json" || fail "second has the row of another kernel"
run "$build/app"
expect_no_work "a tuned row"

echo "# a row with two schedules"
ruled_row
output=$("$CMAKE" --build "$build" 2>&1)
grep -qF 'where seq_len_q <= 32: block_q=16 ' "$build/kernels/first.attune/first.h" || fail "first's header tells no rule: $output"
run "$build/app"
told=$(ATTUNE_VERBOSE=2 "$build/app" 2>&1)
grep -qF 'otherwise: block_q=64 ' <<<"$told" && grep -qE 'first with seq_len_q [0-9]+, seq_len_kv [0-9]+ runs sse41: block_q=' <<<"$told" || fail "the rule is not told: $told"
expect_no_work "a row with two schedules"

echo "# an illegal row: told by line, and the default"
tuned_row 63
output=$("$CMAKE" --build "$build" 2>&1)
grep -qF 'tuned.jsonl:1: first on sse41' <<<"$output" && grep -qF 'using the default schedule' <<<"$output" || fail "nothing was said: $output"
[[ $(cksum <"$build/kernels/first.attune/first.a") == "$untuned" ]] || fail "an illegal row changed the kernel"
run "$build/app"
expect_no_work "an illegal row"
