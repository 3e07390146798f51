# Installs into one folder and moves it: everything must work from the new place.
. "$(dirname "$0")/common.sh"
rm -rf "$PREFIX"
run "$CMAKE" --install "$BINARY_DIR" --prefix "$WORK/before_move"
mv "$WORK/before_move" "$PREFIX"

for file in bin/attune include/attune/attention.h include/attune/attention.hpp include/attune/kernel.h include/attune/layer.h include/attune/layer.hpp lib/libattune_runtime.a \
    lib/cmake/Attune/AttuneConfig.cmake lib/cmake/Attune/AttuneConfigVersion.cmake lib/cmake/Attune/AttuneTargets.cmake \
    lib/cmake/Attune/AttuneAddKernel.cmake lib/pkgconfig/attune.pc share/attune/specs/gallery/longformer.toml; do
    [[ -s $PREFIX/$file ]] || fail "$file is not installed"
done
! grep -rIlF -e "$BINARY_DIR" -e "$SOURCE_DIR" "$PREFIX/lib/cmake" "$PREFIX/lib/pkgconfig" "$PREFIX/include" || fail "the files above name the build's folders"
run "$PREFIX/bin/attune" --version
presets=$("$PREFIX/bin/attune" list --presets --json)  # those of the moved prefix, not of the source tree
[[ $presets == *"$(readlink -f "$PREFIX")/share/attune/specs/models/llama3_8b.toml"* && $presets != *"$SOURCE_DIR/specs"* ]] || fail "presets: $presets"
size=$(stat -c %s "$PREFIX/lib/libattune_runtime.a")
((size <= 384 * 1024)) || fail "libattune_runtime.a has $size bytes, more than 384 KiB"
