# Attune as part of another project: nothing of it leaks there, and kernels work. The command is the one already built (ATTUNE_EXECUTABLE), as in
# a cross build; with the generator as part of the project, configuring alone is tried (compiling it again would take minutes).
. "$(dirname "$0")/common.sh"
common=(-S "$here/subproject" -G Ninja -DCMAKE_MAKE_PROGRAM="$NINJA" -DCMAKE_BUILD_TYPE=Release -DATTUNE_SOURCE_DIR="$SOURCE_DIR")
for way in add_subdirectory FetchContent; do
    run "$CMAKE" "${common[@]}" -B "$WORK/$way" -DWAY=$way -DATTUNE_BUILD_GENERATOR=OFF -DATTUNE_EXECUTABLE="$ATTUNE"
    run "$CMAKE" --build "$WORK/$way"
    run "$WORK/$way/app"
done
"$CMAKE" --build "$WORK/add_subdirectory" | grep -qF 'no work to do' || fail "the second build had work to do"

run "$CMAKE" "${common[@]}" -B "$WORK/with_generator" -DWAY=add_subdirectory -DHalide_DIR="$HALIDE_DIR" -DLLVM_DIR="$LLVM_DIR"
