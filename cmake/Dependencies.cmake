# Halide and LLVM: what the generator stands on. Both are needed to build the attune command, and neither by an application.

# Halide comes as a Python wheel. Halide_ROOT says where, as `python -c "import halide; print(halide.install_dir())"` prints it; without
# Halide_ROOT the .venv that ./dev makes is looked into. The folder is spelled out because Debian's CMake conventions skip lib64, and the
# wheel's other entry (share/cmake) would want Python's headers. The version is given because Debian's own Halide 14 would be taken else.
file(GLOB attune_halide_wheel LIST_DIRECTORIES TRUE ${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/halide)
list(TRANSFORM attune_halide_wheel APPEND /lib64/cmake/Halide)
find_package(Halide 21 CONFIG QUIET COMPONENTS Halide shared
  HINTS ${Halide_ROOT}/lib64/cmake/Halide $ENV{Halide_ROOT}/lib64/cmake/Halide ${attune_halide_wheel})
if(NOT Halide_FOUND)
  message(FATAL_ERROR "attune: Halide 21 not found. Run ./dev build, or pip install halide==21.0.0 and give "
    "-DHalide_ROOT=$(python3 -c 'import halide; print(halide.install_dir())'), or build the runtime alone with -DATTUNE_BUILD_GENERATOR=OFF")
endif()

# No version here: LLVM's package takes 22 for 22.0 and refuses 22.1.
set(CMAKE_MESSAGE_LOG_LEVEL WARNING)  # it also looks for libraries that nobody here needs, and says so
find_package(LLVM CONFIG QUIET HINTS /usr/lib/llvm-22/lib/cmake/llvm)
unset(CMAKE_MESSAGE_LOG_LEVEL)
if(NOT LLVM_FOUND OR NOT LLVM_VERSION_MAJOR EQUAL 22)
  message(FATAL_ERROR "attune: LLVM 22 not found (found: '${LLVM_PACKAGE_VERSION}' in '${LLVM_DIR}'). Run ./dev build, or install "
    "llvm-22-dev, or give -DLLVM_DIR=<prefix>/lib/cmake/llvm")
endif()
message(STATUS "Halide ${Halide_VERSION} (${Halide_DIR}), LLVM ${LLVM_PACKAGE_VERSION} (${LLVM_DIR})")
