# `cmake --install`: the command with its man page, completion, shipped machines and the runtime of
# PULP programs (component command), and the libraries with their headers for find_package(workbench) (development). Headers
# keep their folders: #include "core/graph.h" works in both trees.
include(CMakePackageConfigHelpers)

set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME command)
install(TARGETS workbench RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
install(DIRECTORY configs DESTINATION ${CMAKE_INSTALL_DATADIR}/workbench)
# What programs of the detailed tier are compiled with, and an example of one.
install(DIRECTORY runtime/pulp DESTINATION ${CMAKE_INSTALL_DATADIR}/workbench/runtime)
install(DIRECTORY docs/examples/kernel DESTINATION ${CMAKE_INSTALL_DATADIR}/workbench/examples)
install(FILES ${PROJECT_BINARY_DIR}/workbench.revision
        DESTINATION ${CMAKE_INSTALL_DATADIR}/workbench OPTIONAL)
set(documents ${PROJECT_BINARY_DIR}/documents)
install(FILES ${documents}/workbench.1.gz DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 OPTIONAL)
install(FILES ${documents}/workbench
        DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions OPTIONAL)
install(FILES ${documents}/_workbench
        DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/vendor-completions OPTIONAL)

set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME development)
foreach(folder core data isa compiler sim explore workloads)
  install(DIRECTORY ${folder} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/workbench
          FILES_MATCHING PATTERN "*.h")
endforeach()

set(package ${CMAKE_INSTALL_LIBDIR}/cmake/workbench)
install(TARGETS workbench_options EXPORT workbench)
install(EXPORT workbench NAMESPACE workbench:: DESTINATION ${package} FILE workbenchTargets.cmake)
configure_package_config_file(cmake/workbenchConfig.cmake.in
  ${PROJECT_BINARY_DIR}/workbenchConfig.cmake INSTALL_DESTINATION ${package}
  PATH_VARS CMAKE_INSTALL_DATADIR)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/workbenchConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/workbenchConfig.cmake
              ${PROJECT_BINARY_DIR}/workbenchConfigVersion.cmake cmake/FindSystemC.cmake
        DESTINATION ${package})
