workbench_test(core_test LABEL unit
  SOURCES unit/fields_test.cpp unit/file_test.cpp unit/graph_test.cpp unit/parallel_test.cpp
          unit/shapes_test.cpp unit/tensor_test.cpp unit/units_test.cpp
  LIBRARIES workbench::core workbench::eval)
workbench_test(evaluate_test LABEL unit
  SOURCES unit/evaluate_conv_test.cpp unit/evaluate_elementwise_test.cpp
          unit/evaluate_graph_test.cpp unit/evaluate_movement_test.cpp unit/evaluate_pool_test.cpp
          unit/evaluate_quantize_test.cpp unit/evaluate_sums_test.cpp
  LIBRARIES workbench::eval)
workbench_test(evaluate_property_test LABEL property
  SOURCES property/evaluate_test.cpp
  LIBRARIES workbench::eval)
