# Networks that came quantized: QDQ files and back, QOperator import, and what a target cannot take
# of their codes.
workbench_test(quantize_qdq_test LABEL unit
  SOURCES unit/quantize_qdq_test.cpp
  LIBRARIES workbench::quantize)
workbench_test(quantize_qdq_property_test LABEL property
  SOURCES property/quantize_qdq_test.cpp
  LIBRARIES workbench_random_graph workbench::import workbench::passes workbench::quantize
    workbench::golden)
workbench_test(came_quantized_test LABEL unit
  SOURCES unit/import_qlinear_test.cpp unit/requantized_codes_test.cpp
  LIBRARIES workbench::import workbench::eval workbench::quantize onnx onnx_proto)
workbench_test(qlinear_property_test LABEL property
  SOURCES property/qlinear_test.cpp
  LIBRARIES workbench::import workbench::eval workbench::golden onnx onnx_proto)
# Networks written in QOperator form.
workbench_test(qoperator_test LABEL unit
  SOURCES unit/qoperator_test.cpp
  LIBRARIES workbench::import workbench::eval onnx onnx_proto)
workbench_test(qoperator_property_test LABEL property
  SOURCES property/qoperator_test.cpp
  LIBRARIES workbench_random_graph workbench::import workbench::passes workbench::quantize
    workbench::golden)

# The whole chain: random networks by every recipe on every target.
workbench_test(quantize_schemes_test LABEL property SYSTEMC
  SOURCES property/quantize_schemes_test.cpp support/activations.cpp
  LIBRARIES workbench_random_graph workbench::passes workbench::quantize workbench::xdnn_compiler
            workbench::pulp_compiler workbench::sim_xdnn workbench::sim_pulp workbench::golden
            workbench::verdict workbench::eval)
