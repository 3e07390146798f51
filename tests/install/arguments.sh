# Wrong arguments of attune_add_kernel: a word it does not know stops CMake, a value that makes no sense stops the build.
. "$(dirname "$0")/common.sh"
project() {
    printf 'cmake_minimum_required(VERSION 3.28)\nproject(arguments LANGUAGES C)\nfind_package(Attune CONFIG REQUIRED)\n%s\n' "$1" >"$WORK/CMakeLists.txt"
}
configure() { "$CMAKE" -S "$WORK" -B "$WORK/build" -G Ninja -DCMAKE_MAKE_PROGRAM="$NINJA" -DAttune_ROOT="$PREFIX"; }

expect_configure_error() {
    project "$1"
    expect_failure "$2" configure
}
expect_configure_error 'attune_add_kernel(k HEADDIM 64)' "attune_add_kernel(k): unknown argument 'HEADDIM', '64'; known are SPEC NAME DTYPE COMPUTE_DTYPE HEAD_DIM"
expect_configure_error 'attune_add_kernel(k HEAD_DIM)' 'attune_add_kernel(k): HEAD_DIM has no value'
expect_configure_error 'attune_add_kernel(k MASK causal TARGETS)' 'attune_add_kernel(k): TARGETS has no value'
expect_configure_error 'attune_add_kernel(my-kernel)' "NAME is 'my-kernel' but must be a C identifier"
expect_configure_error 'attune_add_kernel(k SPEC missing.toml)' 'missing.toml'"', which does not exist"

expect_build_error() {
    project "$1"
    configure >/dev/null || fail "cmake refused $1"
    expect_failure "$2" "$CMAKE" --build "$WORK/build"
    [[ -z $(find "$WORK/build/k.attune" -type f) ]] || fail "files were left behind: $(find "$WORK/build/k.attune" -type f)"
}
expect_build_error 'attune_add_kernel(k HEAD_DIM 1025)' '--head-dim is 1025'
expect_build_error 'attune_add_kernel(k DTYPE f31)' '--dtype is f31'
expect_build_error 'attune_add_kernel(k KV_DTYPE i9 PHASES decode)' '--kv-dtype is i9'
expect_build_error 'attune_add_kernel(k KV_LAYOUT paged PAGE_SIZE 17 PHASES decode)' '--page-size is 17'
expect_build_error 'attune_add_kernel(k ROPE style=whole PHASES decode)' '--rope has style = whole'
expect_build_error 'attune_add_kernel(k MASK "causal &&")' '--mask:10: the expression ends too early'
expect_build_error 'attune_add_kernel(k TARGETS avx3)' '--target has avx3'
expect_build_error 'attune_add_kernel(k OUTPUTS out lses)' '--outputs has lses'
expect_build_error 'attune_add_kernel(k SPEC lama3_8b)' 'did you mean llama3_8b'
