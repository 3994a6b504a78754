# Studies: parameters, values, conditions, objectives, fronts, search.
workbench_test(sweep_study_unit_test LABEL unit SYSTEMC
  SOURCES unit/sweep_study_test.cpp unit/sweep_values_test.cpp
  LIBRARIES workbench::study)
workbench_test(sweep_study_property_test LABEL property SYSTEMC
  SOURCES property/sweep_study_test.cpp
  LIBRARIES workbench::study)
