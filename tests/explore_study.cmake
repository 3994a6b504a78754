# Studies: parameters, values, conditions, objectives, fronts, search.
workbench_test(sweep_study_unit_test LABEL unit SYSTEMC
  SOURCES unit/sweep_study_test.cpp unit/sweep_values_test.cpp
  LIBRARIES workbench::study workbench::track)
workbench_test(sweep_study_property_test LABEL property SYSTEMC
  SOURCES property/sweep_study_test.cpp
  LIBRARIES workbench::study)
workbench_test(sweep_front_test LABEL unit SYSTEMC
  SOURCES unit/sweep_front_test.cpp
  LIBRARIES workbench::sweep)

add_test(NAME e2e_sweep
  COMMAND ${DEBIAN_PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/e2e/sweep_test.py
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
set_tests_properties(e2e_sweep PROPERTIES LABELS e2e TIMEOUT 600
  ENVIRONMENT "WORKBENCH=$<TARGET_FILE:workbench>")
