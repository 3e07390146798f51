# cmake --install build --prefix P:  bin/attune, lib/libattune_runtime.a, include/attune, share/attune (specs, tune's report and bridges,
# the schema of tuned rows), and the packages for CMake and pkg-config.
# Neither package names an absolute path of P, so that P may be moved. bin/attune keeps the paths of libHalide.so and LLVM it was built with.
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)
set(attune_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Attune)

set_target_properties(attune_runtime PROPERTIES EXPORT_NAME runtime)
install(TARGETS attune_runtime EXPORT AttuneTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY runtime/include/attune DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h" PATTERN "*.hpp")

if(TARGET attune)
  # Said in full: INSTALL_RPATH_USE_LINK_PATH leaves out what lies inside this tree, and .venv does.
  set_target_properties(attune PROPERTIES EXPORT_NAME attune INSTALL_RPATH "$<TARGET_FILE_DIR:Halide::Halide>;${LLVM_LIBRARY_DIR}")
  install(TARGETS attune EXPORT AttuneTargets RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  install(DIRECTORY specs/ DESTINATION share/attune/specs FILES_MATCHING PATTERN "*.toml" PATTERN "pictures" EXCLUDE)  # attune looks in bin/../share
  install(DIRECTORY schedules/autotune/report schedules/autotune/bridges DESTINATION share/attune FILES_MATCHING PATTERN "*.py" PATTERN "*.html")
  install(FILES schedules/tuned_db/tuned.schema.json DESTINATION share/attune)
  install(DIRECTORY schedules/tuned DESTINATION share/attune FILES_MATCHING PATTERN "*.jsonl")
  install(FILES $<TARGET_FILE:attune_trial_main> DESTINATION lib/attune)  # attune tune --runner looks in bin/../lib/attune
  if(TARGET attune_aarch64)  # and, for the target neon, in aarch64 there; applications for such machines link the runtime
    install(FILES ${PROJECT_BINARY_DIR}/aarch64/libattune_trial_main.a ${PROJECT_BINARY_DIR}/aarch64/runtime/libattune_runtime.a DESTINATION lib/attune/aarch64)
  endif()
endif()

configure_package_config_file(generator/cmake/AttuneConfig.cmake.in ${PROJECT_BINARY_DIR}/package/AttuneConfig.cmake
  INSTALL_DESTINATION ${attune_package_dir} NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/AttuneConfigVersion.cmake COMPATIBILITY SameMajorVersion)
install(EXPORT AttuneTargets NAMESPACE Attune:: DESTINATION ${attune_package_dir})
install(FILES
  ${PROJECT_BINARY_DIR}/package/AttuneConfig.cmake
  ${PROJECT_BINARY_DIR}/package/AttuneConfigVersion.cmake
  generator/cmake/AttuneAddKernel.cmake
  DESTINATION ${attune_package_dir})

cmake_path(RELATIVE_PATH CMAKE_INSTALL_FULL_LIBDIR BASE_DIRECTORY ${CMAKE_INSTALL_PREFIX} OUTPUT_VARIABLE attune_pc_libdir)
string(REGEX REPLACE "[^/]+" ".." attune_pc_up ${attune_pc_libdir})  # lib -> .., lib/x86_64-linux-gnu -> ../..
configure_file(generator/cmake/attune.pc.in ${PROJECT_BINARY_DIR}/package/attune.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/attune.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
