# What aarch64 machines need of Attune, built beside it where a cross compiler is found: the runtime, and what trials of 'attune tune --runner' are
# linked from. In build/aarch64: runtime/libattune_runtime.a and libattune_trial_main.a.
find_program(ATTUNE_AARCH64_CXX aarch64-linux-gnu-g++ DOC "Cross compiler for aarch64 (Debian: g++-aarch64-linux-gnu)")
if(NOT ATTUNE_AARCH64_CXX)
  return()
endif()
include(ExternalProject)
set(passed_on)
# Headers serve every machine, and a cross build does not look where this machine's packages are.
foreach(name IN ITEMS CLI11_DIR fmt_DIR nlohmann_json_DIR ATTUNE_TOMLPLUSPLUS_INCLUDE_DIR CMAKE_C_COMPILER_LAUNCHER CMAKE_CXX_COMPILER_LAUNCHER)
  if(${name})
    list(APPEND passed_on -D${name}=${${name}})
  endif()
endforeach()
ExternalProject_Add(attune_aarch64
  SOURCE_DIR ${PROJECT_SOURCE_DIR}
  BINARY_DIR ${PROJECT_BINARY_DIR}/aarch64
  PREFIX ${PROJECT_BINARY_DIR}/aarch64/prefix
  CMAKE_ARGS
    -DCMAKE_TOOLCHAIN_FILE=${PROJECT_SOURCE_DIR}/cmake/aarch64-linux-gnu.cmake -DCMAKE_BUILD_TYPE=Release
    -DATTUNE_BUILD_GENERATOR=OFF -DATTUNE_BUILD_TRIALS=ON -DATTUNE_BUILD_TESTS=OFF -DATTUNE_BUILD_BENCH=OFF -DATTUNE_BUILD_EXAMPLES=OFF -DATTUNE_INSTALL=OFF
    ${passed_on}
  BUILD_ALWAYS ON  # which files have changed, its own build knows
  INSTALL_COMMAND ""
  USES_TERMINAL_BUILD ON)
