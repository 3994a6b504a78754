# Regression tracking.
workbench_test(track_test LABEL unit SYSTEMC
  SOURCES unit/track_baseline_test.cpp unit/track_compare_test.cpp unit/track_history_test.cpp
          unit/track_suite_test.cpp
  LIBRARIES workbench::track)
workbench_test(track_property_test LABEL property SYSTEMC
  SOURCES property/track_test.cpp
  LIBRARIES workbench::track)
workbench_test(track_record_test LABEL e2e SYSTEMC
  SOURCES e2e/track_record_test.cpp
  LIBRARIES workbench::track)

# The project's own figures (docs/track.md): any that differs fails.
add_test(NAME track_self
  COMMAND workbench track compare tests/track/baseline.json tests/track/suite.yaml --strict
          --per-layer
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
set_tests_properties(track_self PROPERTIES LABELS e2e TIMEOUT 300)

add_test(NAME e2e_track
  COMMAND ${DEBIAN_PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/e2e/track_test.py
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
set_tests_properties(e2e_track PROPERTIES LABELS e2e TIMEOUT 600
  ENVIRONMENT "WORKBENCH=$<TARGET_FILE:workbench>")
