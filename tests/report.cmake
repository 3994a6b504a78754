workbench_test(report_test LABEL unit
  SOURCES unit/report_engines_test.cpp unit/report_waterfall_test.cpp unit/report_writers_test.cpp unit/report_table_test.cpp
  LIBRARIES workbench::report)
workbench_test(report_property_test LABEL property
  SOURCES property/report_property_test.cpp
  LIBRARIES workbench::report)
