# Whether `import workbench` is built (python/): where Python's headers and pybind11 are found.
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
  endif()
endif()
# Everything is compiled for a shared object, whether or not one is built: what is compiled for the
# main job stays good when Python's headers come later. Calls stay as direct as in an executable. For
# executables, too (CMake's own switch gives them -fPIE): one precompiled header for all.
add_compile_options(-fPIC -fno-semantic-interposition)
message(STATUS "Python module: ${WORKBENCH_HAS_PYTHON}")
