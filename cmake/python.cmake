# Whether `import workbench` is built (python/): where Python's headers and pybind11 are found. All
# libraries are then compiled for a shared object; calls among them stay as direct as they are in an
# executable.
option(WORKBENCH_PYTHON "Python module, where Python's headers and pybind11 are found" ON)
set(WORKBENCH_HAS_PYTHON OFF)
if(WORKBENCH_PYTHON AND NOT WORKBENCH_SANITIZE AND NOT WORKBENCH_COVERAGE)
  if(NOT DEFINED Python_ROOT_DIR AND EXISTS /usr/bin/python3)
    set(Python_ROOT_DIR /usr)  # another one may come first in PATH, without headers or NumPy
    set(Python_FIND_STRATEGY LOCATION)
  endif()
  find_package(Python COMPONENTS Interpreter Development.Module QUIET)
  find_package(pybind11 CONFIG QUIET)
  if(Python_Development.Module_FOUND AND pybind11_FOUND)
    set(WORKBENCH_HAS_PYTHON ON)
    # For executables, too (CMake's own switch gives them -fPIE): one precompiled header for all.
    add_compile_options(-fPIC -fno-semantic-interposition)
  endif()
endif()
message(STATUS "Python module: ${WORKBENCH_HAS_PYTHON}")
