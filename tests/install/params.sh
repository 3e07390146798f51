# Kernels with run-time arguments in a C program, and a block pattern in a file that the kernel depends on.
. "$(dirname "$0")/common.sh"
cp -r "$here/params" "$WORK/source"
build=$WORK/build
# write_pattern BYTES: an .npy of 2 x 2 bools.
write_pattern() {
    { printf '\x93NUMPY\x01\x00\x76\x00%-117s\n' "{'descr': '|b1', 'fortran_order': False, 'shape': (2, 2), }"; printf "$1"; } >"$WORK/source/pattern.npy"
}
write_pattern '\1\0\1\1'
configure_consumer "$WORK/source" "$build"
run "$CMAKE" --build "$build"
run "$build/app"
"$CMAKE" --build "$build" | grep -qF 'ninja: no work to do' || fail "the second build had work to do"

echo "# another pattern remakes its own kernel only"
write_pattern '\1\1\1\1'
output=$("$CMAKE" --build "$build")
grep -qF 'kernel lower_blocks' <<<"$output" || fail "a changed pattern was not looked at: $output"
! grep -qF 'kernel packed_documents' <<<"$output" || fail "another kernel was made again: $output"
expect_failure 'lower_blocks: off by at most' "$build/app"
