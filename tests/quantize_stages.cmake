# Networks that came quantized: QOperator import, and what a target cannot take of their codes.
workbench_test(came_quantized_test LABEL unit
  SOURCES unit/import_qlinear_test.cpp unit/requantized_codes_test.cpp
  LIBRARIES workbench::import workbench::eval workbench::quantize onnx onnx_proto)
workbench_test(qlinear_property_test LABEL property
  SOURCES property/qlinear_test.cpp
  LIBRARIES workbench::import workbench::eval workbench::golden onnx onnx_proto)
