# attune_add_kernel(<target> [SPEC file|preset] [NAME n] [DTYPE f32] [COMPUTE_DTYPE f32] [HEAD_DIM n] [HEAD_DIM_V n] [GROUP n|any]
#                   [SCALE x] [MASK "…"] [SCORE "…"] [PARAMS "n: type" …] [NORMALIZER n] [FEATURE_MAP f] [DECAY param] [BETA param] [SINK param] [OUTPUTS …] [BLOCK_MASK csr] [BLOCK_SIZE q kv] [PHASES …]
#                   [KV_DTYPE i8|i4] [KV_QUANTIZATION q] [KV_LAYOUT l] [PAGE_SIZE n] [ROPE "style=…,…"] [ALGORITHM a] [TARGETS …] [TUNED db] [DEVICE class] [DETERMINISM D0])
#
# An attention kernel as a library: compiled when <target> is built, for every instruction set in TARGETS, and chosen by the CPU at run time.
#   attune_add_kernel(causal_d64 DTYPE f32 HEAD_DIM 64 MASK causal)
#   target_link_libraries(app PRIVATE causal_d64)            # and #include "causal_d64.h" in a source of app
# SPEC is a TOML file, or a name of `attune list --presets`, such as llama3_8b; the other arguments are its keys in capitals, and win over
# it. NAME, the function's name, is <target> where not given.
# TUNED is a file or folder of rows that `attune tune --db` wrote; DEVICE the class of CPUs whose rows are taken, this machine's where not given,
# "any" for the nearest. A row may hold several schedules, of which each call takes one by its seq_lens; DETERMINISM D0 allows rows whose schedules give
# a row of the result other bits.
# The arguments go to `attune build` as they are: its validator says what is wrong, at build time, with the cure.
# <target> is global, links Attune::runtime, and puts the kernel into the program even where only attune::find() looks for it.
# Its properties ATTUNE_ARCHIVE, ATTUNE_HEADER and ATTUNE_METADATA name the files, for install(FILES).
# A kernel is made anew when its specification, its tuned rows, its arguments or the attune command change. What comes out with the same
# content keeps its time, so that nothing downstream is rebuilt.
cmake_policy(PUSH)
cmake_policy(VERSION 3.28)

function(attune_add_kernel target)
  set(values SPEC NAME DTYPE COMPUTE_DTYPE HEAD_DIM HEAD_DIM_V GROUP MASK SCORE SCALE NORMALIZER FEATURE_MAP DECAY BETA SINK BLOCK_MASK KV_DTYPE KV_QUANTIZATION
      KV_LAYOUT PAGE_SIZE ROPE ALGORITHM TUNED DEVICE DETERMINISM)
  set(lists OUTPUTS BLOCK_SIZE PHASES PARAMS TARGETS)
  cmake_parse_arguments(PARSE_ARGV 1 kernel "" "${values}" "${lists}")
  set(where "attune_add_kernel(${target})")
  if(kernel_UNPARSED_ARGUMENTS)
    list(JOIN kernel_UNPARSED_ARGUMENTS "', '" found)
    list(JOIN values " " expected)
    list(JOIN lists " " expected_lists)
    message(FATAL_ERROR "${where}: unknown argument '${found}'; known are ${expected} ${expected_lists}")
  endif()
  if(kernel_KEYWORDS_MISSING_VALUES)
    list(JOIN kernel_KEYWORDS_MISSING_VALUES ", " found)
    message(FATAL_ERROR "${where}: ${found} has no value; give one or leave the word out")
  endif()
  if(NOT TARGET Attune::attune)
    message(FATAL_ERROR "${where}: there is no attune command; set ATTUNE_BUILD_GENERATOR to ON, or ATTUNE_EXECUTABLE to a built attune")
  endif()

  if(NOT DEFINED kernel_NAME)
    set(kernel_NAME ${target})
  endif()
  if(NOT kernel_NAME MATCHES "^[A-Za-z_][A-Za-z0-9_]*$")  # it also names the files that CMake has to know
    message(FATAL_ERROR "${where}: NAME is '${kernel_NAME}' but must be a C identifier; give NAME where the target's name is none")
  endif()

  # Arguments to flags: HEAD_DIM 64 -> --head-dim=64. The form with = lets a value start with a minus.
  set(flags "")
  set(depends Attune::attune)
  if(kernel_SPEC MATCHES "^[A-Za-z0-9_]+$" AND NOT EXISTS ${CMAKE_CURRENT_SOURCE_DIR}/${kernel_SPEC})
    list(APPEND flags ${kernel_SPEC})  # a preset: attune knows where it is, and the depfile tells
    set(kernel_SPEC)
  endif()
  foreach(file IN ITEMS SPEC TUNED)
    if(DEFINED kernel_${file})
      cmake_path(ABSOLUTE_PATH kernel_${file} BASE_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR} NORMALIZE)
      cmake_path(IS_PREFIX CMAKE_BINARY_DIR ${kernel_${file}} is_built)
      if(NOT EXISTS ${kernel_${file}} AND NOT is_built)
        message(FATAL_ERROR "${where}: ${file} is '${kernel_${file}}', which does not exist")
      endif()
      list(APPEND depends ${kernel_${file}})
    endif()
  endforeach()
  if(DEFINED kernel_SPEC)
    list(APPEND flags ${kernel_SPEC})
    set(kernel_SPEC)
  endif()
  list(JOIN kernel_OUTPUTS "," kernel_OUTPUTS)
  list(JOIN kernel_BLOCK_SIZE "," kernel_BLOCK_SIZE)
  list(JOIN kernel_PHASES "," kernel_PHASES)
  foreach(key IN ITEMS NAME DTYPE COMPUTE_DTYPE HEAD_DIM HEAD_DIM_V GROUP MASK SCORE SCALE NORMALIZER FEATURE_MAP DECAY BETA SINK BLOCK_MASK KV_DTYPE
          KV_QUANTIZATION KV_LAYOUT PAGE_SIZE ROPE ALGORITHM TUNED DEVICE DETERMINISM OUTPUTS BLOCK_SIZE PHASES)
    if(NOT "${kernel_${key}}" STREQUAL "")
      string(TOLOWER ${key} flag)
      string(REPLACE "_" "-" flag ${flag})
      string(REPLACE ";" "\\;" value "${kernel_${key}}")
      list(APPEND flags "--${flag}=${value}")
    endif()
  endforeach()
  foreach(param IN LISTS kernel_PARAMS)
    list(APPEND flags "--params=${param}")
  endforeach()
  foreach(name IN LISTS kernel_TARGETS)
    list(APPEND flags "--target=${name}")
  endforeach()

  # A stamp is the command's output: it is new after every run, while files with the same content keep their time.
  set(directory ${CMAKE_CURRENT_BINARY_DIR}/${target}.attune)
  set(file ${directory}/${kernel_NAME})
  file(MAKE_DIRECTORY ${directory})
  add_custom_command(
    OUTPUT ${file}.stamp
    BYPRODUCTS ${file}.a ${file}.h ${file}.json
    COMMAND Attune::attune build ${flags} -o ${directory} --depfile ${file}.d
    COMMAND ${CMAKE_COMMAND} -E touch ${file}.stamp
    DEPENDS ${depends}
    DEPFILE ${file}.d
    WORKING_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}  # where MASK looks for blocks("pattern.npy", …); SPEC looks beside itself
    COMMENT "Generating attention kernel ${kernel_NAME}"
    VERBATIM)
  add_custom_target(${target}.generate ALL DEPENDS ${file}.stamp)

  add_library(${target} STATIC IMPORTED GLOBAL)
  add_dependencies(${target} ${target}.generate)
  target_include_directories(${target} INTERFACE ${directory})
  # The kernel registers itself in a constructor; a linker takes that from an archive only if some symbol of it is wanted.
  target_link_libraries(${target} INTERFACE -Wl,-u,${kernel_NAME} Attune::runtime)
  set_target_properties(${target} PROPERTIES
    IMPORTED_LOCATION ${file}.a
    ATTUNE_ARCHIVE ${file}.a
    ATTUNE_HEADER ${file}.h
    ATTUNE_METADATA ${file}.json)
endfunction()

cmake_policy(POP)
