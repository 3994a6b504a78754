# Debian ships SystemC without a CMake package and built as C++17: C++20 code must ask for the
# C++17 API symbol (SC_CPLUSPLUS), or it does not link.
find_package(PkgConfig QUIET)
pkg_check_modules(PC_SystemC QUIET IMPORTED_TARGET systemc)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(SystemC REQUIRED_VARS PC_SystemC_LIBRARIES VERSION_VAR PC_SystemC_VERSION)
if(SystemC_FOUND AND NOT TARGET SystemC::systemc)
  add_library(SystemC::systemc INTERFACE IMPORTED)
  target_link_libraries(SystemC::systemc INTERFACE PkgConfig::PC_SystemC)
  target_compile_definitions(SystemC::systemc INTERFACE SC_CPLUSPLUS=201703L)
endif()
