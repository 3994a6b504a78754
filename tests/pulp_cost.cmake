workbench_test(pulp_cost_test LABEL unit SYSTEMC
  SOURCES unit/pulp_cost_test.cpp unit/pulp_kernel_tiles_test.cpp unit/pulp_tcdm_test.cpp
  LIBRARIES workbench::sim_pulp yaml-cpp)
workbench_test(pulp_cost_property_test LABEL property SYSTEMC
  SOURCES property/pulp_cost_test.cpp
  LIBRARIES workbench::sim_pulp)
