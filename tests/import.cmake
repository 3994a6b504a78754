set(import_test_libraries workbench::import workbench::eval onnx onnx_proto)

workbench_test(import_test LABEL unit
  SOURCES unit/export_test.cpp unit/import_error_test.cpp unit/import_fold_test.cpp
          unit/import_networks_test.cpp unit/import_tensor_test.cpp unit/import_version_test.cpp
          unit/import_window_test.cpp
  LIBRARIES ${import_test_libraries})

workbench_test(import_property_test LABEL property
  SOURCES property/import_fuzz_test.cpp property/import_round_trip_test.cpp
  LIBRARIES ${import_test_libraries} workbench::quantize workbench_random_graph passes_test_support)

# The standard's node tests are written at build time where Debian's python3-onnx is.
set(onnx_node_tests ${CMAKE_BINARY_DIR}/onnx_node_tests)
execute_process(COMMAND /usr/bin/python3 -c "import onnx" RESULT_VARIABLE no_python_onnx
                OUTPUT_QUIET ERROR_QUIET)
workbench_test(onnx_node_test LABEL golden
  SOURCES golden/onnx_node_test.cpp
  LIBRARIES workbench::import workbench::eval)
target_compile_definitions(onnx_node_test PRIVATE WORKBENCH_ONNX_NODE_TESTS="${onnx_node_tests}")
if(no_python_onnx EQUAL 0)
  set(generator ${CMAKE_CURRENT_LIST_DIR}/../scripts/generate_onnx_node_tests.py)
  add_custom_command(OUTPUT ${onnx_node_tests}/stamp
    COMMAND ${generator} ${onnx_node_tests}
    COMMAND ${CMAKE_COMMAND} -E touch ${onnx_node_tests}/stamp
    DEPENDS ${generator})
  add_custom_target(onnx_node_tests DEPENDS ${onnx_node_tests}/stamp)
  add_dependencies(onnx_node_test onnx_node_tests)
endif()
