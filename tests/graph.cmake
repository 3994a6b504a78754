# Graphs: core, the evaluator, the golden model, import, passes, allocation.
set(graph_libraries test_graphs workbench::golden workbench::import workbench::memory
                    workbench::passes workbench::verdict onnx onnx_proto)
workbench_test(graph_unit_test LABEL unit
  SOURCES unit/allocate_test.cpp unit/architecture_test.cpp unit/evaluate_conv_test.cpp
          unit/evaluate_elementwise_test.cpp unit/evaluate_graph_test.cpp
          unit/evaluate_movement_test.cpp unit/evaluate_pool_test.cpp
          unit/evaluate_quantize_test.cpp unit/evaluate_sums_test.cpp unit/fields_test.cpp
          unit/file_test.cpp unit/golden_affine_test.cpp unit/golden_float_test.cpp
          unit/golden_integer_test.cpp unit/golden_movement_test.cpp unit/graph_test.cpp
          unit/host_operators_test.cpp unit/host_steps_test.cpp unit/math_test.cpp unit/parallel_test.cpp unit/shapes_test.cpp unit/tensor_test.cpp unit/units_test.cpp
          unit/verdict_test.cpp unit/workloads_test.cpp
  LIBRARIES ${graph_libraries} workbench::isa)
workbench_test(compiler_unit_test LABEL unit
  SOURCES unit/export_test.cpp unit/import_caffe_test.cpp unit/import_container_test.cpp
          unit/import_error_test.cpp unit/import_fold_test.cpp
          unit/import_loop_test.cpp unit/import_networks_test.cpp unit/import_qlinear_test.cpp unit/import_qonnx_test.cpp unit/import_sizes_test.cpp unit/import_tensor_test.cpp
          unit/import_version_test.cpp unit/import_window_test.cpp
          unit/integer_network_error_test.cpp unit/integer_network_files_test.cpp
          unit/integer_network_test.cpp unit/passes_data_movement_test.cpp
          unit/passes_driver_test.cpp unit/passes_fold_constants_test.cpp
          unit/passes_fold_scale_test.cpp unit/passes_fuse_activation_test.cpp
          unit/passes_gemm_test.cpp unit/passes_one_image_test.cpp unit/passes_padding_test.cpp unit/passes_pool_test.cpp
          unit/passes_qdq_test.cpp unit/passes_widen_test.cpp unit/qoperator_test.cpp
          unit/real_network_test.cpp
          unit/requantized_codes_test.cpp
  LIBRARIES ${graph_libraries} workbench::isa)
workbench_test(graph_property_test LABEL property
  SOURCES property/allocate_test.cpp property/evaluate_test.cpp property/fit_limits_test.cpp
          property/golden_conv_test.cpp property/golden_host_ops_test.cpp
          property/import_external_test.cpp property/import_fuzz_test.cpp
          property/import_round_trip_test.cpp
          property/integer_chain_test.cpp property/optimized_export_test.cpp
          property/passes_test.cpp property/qlinear_test.cpp property/qoperator_test.cpp
          property/random_graph_test.cpp property/rewrite_passes_test.cpp property/vectors_test.cpp
  LIBRARIES ${graph_libraries} workbench::isa workbench::xdnn_compiler)

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

workbench_test(tensorflow_test LABEL unit
  SOURCES unit/tensorflow_corpus_test.cpp unit/tensorflow_loop_test.cpp
          unit/tensorflow_test.cpp
          unit/tensorflow_window_test.cpp
  LIBRARIES workbench::import workbench::eval workbench::data nlohmann_json::nlohmann_json)
