# examples/pkg_config_app with nothing but pkg-config, a compiler and make.
. "$(dirname "$0")/common.sh"
export PKG_CONFIG_PATH=$PREFIX/lib/pkgconfig
run pkg-config --print-errors --exists attune
[[ $(readlink -f "$(pkg-config --variable=attune attune)") == $(readlink -f "$PREFIX/bin/attune") ]] || fail "attune.pc names another attune"
cp -r "$SOURCE_DIR/examples/pkg_config_app" "$WORK/app"
run make -C "$WORK/app"
app=$(program_in "$WORK/app")
run "$app"
expect_self_contained "$app"
