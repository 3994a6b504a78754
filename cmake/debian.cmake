# `cpack -G DEB` in the build tree: the packages workbench and libworkbench-dev.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME workbench)
set(CPACK_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_PACKAGE_CONTACT "The workbench developers <workbench@users.noreply.github.com>")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
  OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_COMPONENTS_ALL command development)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_COMMAND_PACKAGE_NAME workbench)
set(CPACK_DEBIAN_COMMAND_PACKAGE_SECTION science)
set(CPACK_COMPONENT_COMMAND_DESCRIPTION
  "compiler and simulator for neural networks on integer hardware
Compiles quantized networks (ONNX, Caffe, TensorFlow) for xDNN overlays and
PULP clusters, runs the program on a SystemC model of the machine, compares
every value with a golden model and attributes every cycle to a cause.")
set(CPACK_DEBIAN_COMMAND_PACKAGE_SUGGESTS "chromium, gcc-riscv64-unknown-elf, graphviz, make, picolibc-riscv64-unknown-elf, slurm-wlm")
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_NAME libworkbench-dev)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SECTION libdevel)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_DEVELOPMENT_PACKAGE_DEPENDS
  "workbench (= ${PROJECT_VERSION}), libfmt-dev, libonnx-dev, libprotobuf-dev, libyaml-cpp-dev, nlohmann-json3-dev, zlib1g-dev, libssl-dev, libsqlite3-dev, libmuparser-dev, libpagmo-dev, libsystemc-dev, pkg-config")
set(CPACK_COMPONENT_DEVELOPMENT_DESCRIPTION
  "compiler and simulator for neural networks, as C++ libraries
Static libraries, headers and the CMake package: find_package(workbench).")

# What Debian's policy asks of every package: its licence and a change log.
set(debian ${PROJECT_BINARY_DIR}/debian)
file(WRITE ${debian}/copyright
"Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: workbench

Files: *
Copyright: 2026 the workbench developers
License: Apache-2.0
 On Debian systems the text is in /usr/share/common-licenses/Apache-2.0.
")
file(WRITE ${debian}/changelog
"workbench (${PROJECT_VERSION}) unstable; urgency=medium

  * As built by cpack from the source tree.

 -- The workbench developers <workbench@users.noreply.github.com>  Sun, 22 Nov 2026 00:00:00 +0000
")
execute_process(COMMAND gzip -9nfk ${debian}/changelog)
foreach(pair "command workbench" "development libworkbench-dev")
  separate_arguments(pair)
  list(GET pair 0 component)
  list(GET pair 1 name)
  install(FILES ${debian}/copyright ${debian}/changelog.gz
          DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/${name} COMPONENT ${component})
endforeach()
include(CPack)
