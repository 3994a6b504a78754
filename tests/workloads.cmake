# Random legal networks for the property tests of every area: link workbench_random_graph.
add_library(workbench_random_graph STATIC support/random_graph.cpp)
target_link_libraries(workbench_random_graph PUBLIC workbench::workloads)

add_library(workbench_activations STATIC support/activations.cpp)
target_link_libraries(workbench_activations PUBLIC workbench::workloads workbench::eval)

workbench_test(workloads_test LABEL unit
  SOURCES unit/workloads_test.cpp
  LIBRARIES workbench_activations)
workbench_test(random_graph_test LABEL property
  SOURCES property/random_graph_test.cpp
  LIBRARIES workbench_random_graph workbench_activations)
workbench_test(workloads_e2e_test LABEL e2e
  SOURCES e2e/workloads_test.cpp
  LIBRARIES workbench_activations)
