# The order of the layers.
workbench_test(xdnn_order_test LABEL unit SYSTEMC
  SOURCES unit/xdnn_order_test.cpp
  LIBRARIES xdnn_test_programs workbench::pipeline)
workbench_test(xdnn_schedule_property_test LABEL property
  SOURCES property/xdnn_schedule_test.cpp
  LIBRARIES workbench::xdnn_compiler)
workbench_test(xdnn_order_property_test LABEL property SYSTEMC
  SOURCES property/xdnn_order_test.cpp support/random_machine.cpp
  LIBRARIES workbench_random_graph passes_test_support workbench::passes workbench::quantize
            workbench::xdnn_compiler workbench::sim_xdnn workbench::golden workbench::verdict)
