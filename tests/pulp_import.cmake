set(integer_test_libraries workbench::import workbench::passes workbench::quantize workbench::golden
                           workbench::isa onnx onnx_proto)
workbench_test(integer_network_test LABEL unit
  SOURCES unit/integer_network_error_test.cpp unit/integer_network_files_test.cpp
          unit/integer_network_test.cpp
  LIBRARIES ${integer_test_libraries})
workbench_test(integer_network_property_test LABEL property
  SOURCES property/integer_chain_test.cpp
  LIBRARIES ${integer_test_libraries})
