workbench_test(golden_test LABEL unit
  SOURCES unit/golden_integer_test.cpp unit/golden_float_test.cpp unit/golden_movement_test.cpp
  LIBRARIES workbench::golden)
workbench_test(golden_property_test LABEL property
  SOURCES property/golden_conv_test.cpp property/golden_host_ops_test.cpp
  LIBRARIES workbench::golden workbench::eval)
workbench_test(verdict_test LABEL unit
  SOURCES unit/verdict_test.cpp
  LIBRARIES workbench::verdict)
workbench_test(architecture_test LABEL unit
  SOURCES unit/architecture_test.cpp
  LIBRARIES workbench::core)
