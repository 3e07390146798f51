# examples/find_package_app against the installed package.
. "$(dirname "$0")/common.sh"
configure_consumer "$SOURCE_DIR/examples/find_package_app" "$WORK/build"
run "$CMAKE" --build "$WORK/build"
app=$(program_in "$WORK/build")
run "$app"
expect_self_contained "$app"

# Another major version is refused.
mkdir "$WORK/version"
printf 'cmake_minimum_required(VERSION 3.28)\nproject(v LANGUAGES C)\nfind_package(Attune 99 CONFIG REQUIRED)\n' >"$WORK/version/CMakeLists.txt"
expect_failure 'compatible with requested version "99"' "$CMAKE" -S "$WORK/version" -B "$WORK/version/build" -G Ninja -DCMAKE_MAKE_PROGRAM="$NINJA" -DAttune_ROOT="$PREFIX"
