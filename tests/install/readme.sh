# The README's two programs, taken out of its text and built against the installed package: each prints the line that the README shows under it.
. "$(dirname "$0")/common.sh"
# The Nth block fenced as LANGUAGE under the heading, without its fences.
block() {  # HEADING LANGUAGE N
    awk -v heading="## $1" -v fence='```'"$2" -v wanted="$3" '
        /^## / { here = $0 == heading }
        /^```/ && inside { inside = 0; next }
        /^```/ && here { inside = 1; printing = $0 == fence && ++count == wanted; next }
        inside && printing' "$SOURCE_DIR/README.md"
}
build_and_compare() {  # FOLDER EXPECTED
    [[ -s $1/CMakeLists.txt && -s $1/main.cpp && -n $2 ]] || fail "the README has no such program"
    configure_consumer "$1" "$1/build"
    run "$CMAKE" --build "$1/build"
    local found
    found=$(run "$1/build/app" | tail -1)
    [[ $found == "$2" ]] || fail "the README says '$2', the program '$found'"
}

mkdir "$WORK/kernel" "$WORK/layer"
block 'A complete example' cmake 1 >"$WORK/kernel/CMakeLists.txt"
block 'A complete example' cpp 1 >"$WORK/kernel/main.cpp"
build_and_compare "$WORK/kernel" "$(block 'A complete example' '' 1 | tail -1)"

# The layer's is the same project with another line for the kernel.
sed 's/^attune_add_kernel(.*/attune_add_kernel(encoder SPEC encoder.toml)/; s/causal_d64/encoder/' "$WORK/kernel/CMakeLists.txt" >"$WORK/layer/CMakeLists.txt"
block 'Whole layers' toml 1 >"$WORK/layer/encoder.toml"
block 'Whole layers' cpp 1 >"$WORK/layer/main.cpp"
build_and_compare "$WORK/layer" "$(block 'Whole layers' '' 1)"
