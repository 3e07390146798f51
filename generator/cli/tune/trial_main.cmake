# Random problems, kernels' calls and their measuring, without a compiler: for attune itself, and for programs that runners send elsewhere. What those
# are linked from needs neither Halide nor LLVM, so that a cross compiler can build it (ATTUNE_BUILD_TRIALS).
find_package(CLI11 REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(Threads REQUIRED)
set(cli ${PROJECT_SOURCE_DIR}/generator/cli)

add_library(attune_measure STATIC
  ${cli}/awkward_shapes.cpp
  ${cli}/block_lists.cpp
  ${cli}/check_shape.cpp
  ${cli}/kv_cache.cpp
  ${cli}/machine_facts.cpp
  ${cli}/params.cpp
  ${cli}/peak.cpp
  ${cli}/peak_loops.cpp
  ${cli}/problem.cpp
  ${cli}/run_kernel.cpp
  ${cli}/schedule_text.cpp
  ${cli}/shape.cpp
  ${cli}/tune/measure.cpp
  ${cli}/tune/messages.cpp
  ${cli}/tune/trial_job.cpp)
target_include_directories(attune_measure PUBLIC ${PROJECT_SOURCE_DIR})
target_compile_features(attune_measure PUBLIC cxx_std_20)
target_compile_options(attune_measure PRIVATE -Wall -Wextra)
# A debug build's peak would be no peak.
set_source_files_properties(${cli}/peak.cpp ${cli}/peak_loops.cpp PROPERTIES COMPILE_OPTIONS -O2)
target_link_libraries(attune_measure PUBLIC
  attune_reference
  attune_spec
  Attune::runtime
  CLI11::CLI11
  fmt::fmt
  nlohmann_json::nlohmann_json
  Threads::Threads)
if(ATTUNE_BUILD_GENERATOR)
  target_link_libraries(attune_measure PUBLIC attune_autotune attune_backend)
endif()

# What such a program is linked from, beside its kernels: one archive, which brings all but the C and C++ libraries.
add_library(attune_trial_main STATIC
  ${cli}/tune/trial_fmt.cpp
  ${cli}/tune/trial_main.cpp
  ${PROJECT_SOURCE_DIR}/generator/backend/call_range.cpp
  ${PROJECT_SOURCE_DIR}/generator/backend/params_struct.cpp
  ${PROJECT_SOURCE_DIR}/generator/backend/target.cpp
  ${PROJECT_SOURCE_DIR}/schedules/tuned_db/device_class.cpp
  $<TARGET_OBJECTS:attune_error>
  $<TARGET_OBJECTS:attune_measure>
  $<TARGET_OBJECTS:attune_npy>
  $<TARGET_OBJECTS:attune_reference>
  $<TARGET_OBJECTS:attune_runtime>
  $<TARGET_OBJECTS:attune_spec>)
target_include_directories(attune_trial_main PRIVATE ${PROJECT_SOURCE_DIR})
target_compile_options(attune_trial_main PRIVATE -Wall -Wextra)
target_link_libraries(attune_trial_main PRIVATE attune_measure)  # its headers
# Else what its functions call is inlined into them, and missing for others.
set_source_files_properties(${cli}/tune/trial_fmt.cpp PROPERTIES COMPILE_OPTIONS -O0)
