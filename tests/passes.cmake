add_library(passes_test_support STATIC
  support/graph_builder.cpp support/random_float_graph.cpp support/same_network.cpp)
target_link_libraries(passes_test_support
  PUBLIC workbench_options workbench::core workbench::eval GTest::gtest)

workbench_test(passes_unit_test LABEL unit
  SOURCES unit/passes_data_movement_test.cpp unit/passes_driver_test.cpp
          unit/passes_fold_constants_test.cpp unit/passes_fold_scale_test.cpp
          unit/passes_fuse_activation_test.cpp unit/passes_gemm_test.cpp
          unit/passes_padding_test.cpp unit/passes_pool_test.cpp unit/passes_qdq_test.cpp
          unit/passes_widen_test.cpp
  LIBRARIES workbench::passes passes_test_support)

workbench_test(passes_property_test LABEL property
  SOURCES property/passes_test.cpp property/rewrite_passes_test.cpp
  LIBRARIES workbench::passes passes_test_support)

# What the limits of an xDNN machine make necessary.
workbench_test(fit_limits_property_test LABEL property
  SOURCES property/fit_limits_test.cpp support/hostile_graph.cpp
  LIBRARIES workbench::xdnn_compiler workbench::passes passes_test_support)
