# Generators, builders, naive references and mutants that tests share.

# On graphs.
add_library(test_graphs STATIC
  support/host_nodes.cpp
  support/activations.cpp support/graph_builder.cpp support/hostile_graph.cpp
  support/integer_graphs.cpp support/plain_divergence.cpp support/random_float_graph.cpp
  support/random_graph.cpp support/random_integer_graph.cpp support/same_network.cpp)
target_link_libraries(test_graphs
  PUBLIC workbench_options workbench::eval workbench::quantize workbench::workloads GTest::gtest)

# On machines, programs and compiled networks of both families.
add_library(test_programs STATIC
  support/host_ops.cpp support/naive_pulp.cpp support/naive_xdnn.cpp support/nemo_checks.cpp support/pulp_dataflow.cpp
  support/pulp_layers.cpp support/pulp_mutants.cpp support/random_machine.cpp
  support/random_pulp.cpp support/vendor_program.cpp support/xdnn_mutants.cpp support/xdnn_program.cpp)
target_link_libraries(test_programs
  PUBLIC test_graphs workbench::golden workbench::import workbench::passes
         workbench::pulp_compiler workbench::xdnn_compiler)

# Write the pages that browser tests look at.
add_executable(accuracy_page_sample support/accuracy_page_sample.cpp)
target_link_libraries(accuracy_page_sample PRIVATE workbench::html)
add_executable(explore_pages_sample support/explore_pages_sample.cpp)
target_link_libraries(explore_pages_sample PRIVATE workbench::html workbench::track)

foreach(library test_graphs test_programs)
  target_compile_options(${library} PRIVATE -O1)
  target_precompile_headers(${library} REUSE_FROM precompiled_test_O1)
endforeach()
