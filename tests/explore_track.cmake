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
