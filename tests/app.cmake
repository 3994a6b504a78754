# The built binary, driven as a user drives it. Debian's python3: another one may come first in PATH.
find_program(DEBIAN_PYTHON3 python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)

foreach(name cli bad_input determinism quantize_cli readme citations)
  add_test(NAME e2e_${name}
    COMMAND ${DEBIAN_PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/e2e/${name}_test.py
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(e2e_${name} PROPERTIES LABELS e2e TIMEOUT 600
    ENVIRONMENT "WORKBENCH=$<TARGET_FILE:workbench>")
endforeach()

workbench_test(app_unit_test LABEL unit
  SOURCES unit/inputs_test.cpp
  LIBRARIES workbench::inputs)
workbench_test(drawing_test LABEL unit SYSTEMC
  SOURCES unit/drawing_test.cpp
  LIBRARIES workbench::pipeline xdnn_test_programs)
workbench_test(optimized_export_test LABEL property
  SOURCES property/optimized_export_test.cpp
  LIBRARIES workbench::import workbench::passes workbench_random_graph passes_test_support)
