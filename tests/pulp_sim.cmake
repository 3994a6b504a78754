workbench_test(pulp_dma_test LABEL unit SYSTEMC
  SOURCES unit/pulp_dma_test.cpp
  LIBRARIES workbench::sim_pulp)
workbench_test(pulp_gvsoc_test LABEL unit SYSTEMC
  SOURCES unit/pulp_gvsoc_test.cpp
  LIBRARIES workbench::sim_pulp)
workbench_test(pulp_simulate_test LABEL unit SYSTEMC
  SOURCES unit/pulp_simulate_test.cpp
  LIBRARIES workbench::sim_pulp)
workbench_test(pulp_race_property_test LABEL property SYSTEMC
  SOURCES property/pulp_race_test.cpp
  LIBRARIES workbench::sim_pulp)
