# Small integer networks.
add_library(pulp_test_graphs STATIC support/integer_graphs.cpp)
target_link_libraries(pulp_test_graphs PUBLIC workbench::core PRIVATE workbench_options)

workbench_test(pulp_compiler_test LABEL unit
  SOURCES unit/pulp_layers_test.cpp unit/pulp_requantize_test.cpp
  LIBRARIES pulp_test_graphs workbench::pulp_compiler)
workbench_test(pulp_requantize_property_test LABEL property
  SOURCES property/pulp_requantize_test.cpp
  LIBRARIES workbench::pulp_compiler)
workbench_test(pulp_compile_test LABEL property SYSTEMC
  SOURCES property/pulp_compile_test.cpp
  LIBRARIES pulp_test_graphs workbench::pulp_compiler workbench::sim_pulp workbench::golden)
workbench_test(pulp_emit_c_test LABEL e2e
  SOURCES e2e/pulp_emit_c_test.cpp
  LIBRARIES pulp_test_graphs workbench::pulp_compiler)
