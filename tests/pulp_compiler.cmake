# Small integer networks.
add_library(pulp_test_graphs STATIC support/integer_graphs.cpp)
target_link_libraries(pulp_test_graphs PUBLIC workbench::core PRIVATE workbench_options)

workbench_test(pulp_compile_test LABEL property SYSTEMC
  SOURCES e2e/pulp_compile_test.cpp
  LIBRARIES pulp_test_graphs workbench::pulp_compiler workbench::sim_pulp workbench::golden)
