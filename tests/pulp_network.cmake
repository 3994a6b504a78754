# The whole chain on the PULP target.
add_library(pulp_random_graphs STATIC support/random_integer_graph.cpp)
target_link_libraries(pulp_random_graphs PUBLIC workbench::core PRIVATE workbench_options)
workbench_test(pulp_network_test LABEL property SYSTEMC
  SOURCES property/pulp_network_test.cpp
  LIBRARIES pulp_random_graphs workbench::pulp_compiler workbench::sim_pulp workbench::golden
            workbench::verdict)
workbench_test(pulp_schedule_property_test LABEL property SYSTEMC
  SOURCES property/pulp_schedule_test.cpp
  LIBRARIES pulp_random_graphs workbench::pulp_compiler workbench::sim_pulp)
workbench_test(pulp_tiers_test LABEL timing SYSTEMC
  SOURCES timing/pulp_tiers_test.cpp
  LIBRARIES workbench::pipeline)
workbench_test(pulp_networks_e2e_test LABEL e2e SYSTEMC
  SOURCES e2e/pulp_networks_test.cpp
  LIBRARIES workbench::pipeline)
