# Two kernels of one application: nothing is done twice, and a changed specification remakes its own kernel only.
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
