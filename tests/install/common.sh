# Sourced by the tests of this folder. Environment: SOURCE_DIR, BINARY_DIR (the built tree), PREFIX (where package.sh installs it), WORK (this test's
# own folder, emptied here), CMAKE, NINJA, CC, CXX, ATTUNE (the built command), HALIDE_DIR, LLVM_DIR, SANITIZE.
set -euo pipefail
exec 2>&1
here=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
rm -rf "$WORK"
mkdir -p "$WORK"
export CC CXX
[[ $SANITIZE != ON ]] || { echo "skipped: the applications built here do not link the sanitizers' run time"; exit 77; }

fail() {
    echo "FAILED: $*"
    exit 1
}
run() {
    echo "+ $*"
    "$@" || fail "the command above ended with $?"
}
# expect_failure PATTERN COMMAND...: it must fail and say PATTERN.
expect_failure() {
    local pattern=$1 output
    shift
    echo "+ $*   (must fail)"
    if output=$("$@" 2>&1); then
        fail "it succeeded: $output"
    fi
    # CMake wraps its messages: compare with all white space as one blank
    grep -qF -e "$pattern" <<<"$(tr -s '[:space:]' ' ' <<<"$output")" || fail "it does not say '$pattern' but: $output"
}
# A consumer must not need Halide or LLVM.
configure_consumer() {  # SOURCE BUILD [ARG...]
    local source=$1 build=$2
    shift 2
    run "$CMAKE" -S "$source" -B "$build" -G Ninja -DCMAKE_MAKE_PROGRAM="$NINJA" -DCMAKE_BUILD_TYPE=Release -DAttune_ROOT="$PREFIX" \
        -DCMAKE_DISABLE_FIND_PACKAGE_Halide=ON -DCMAKE_DISABLE_FIND_PACKAGE_LLVM=ON "$@"
}
# The one program built in a folder.
program_in() {
    local found
    found=$(find "$1" -maxdepth 2 -type f -perm -u+x ! -name '*.so*' ! -name '*.a' ! -path '*/CMakeFiles/*')
    [[ -n $found && $(wc -l <<<"$found") == 1 ]] || fail "expected one program in $1, found: ${found:-none}" >&2
    printf '%s\n' "$found"
}
expect_self_contained() {
    local libraries
    libraries=$(ldd "$1")
    ! grep -E 'Halide|LLVM|clang' <<<"$libraries" || fail "$1 needs the libraries above at run time"
}
