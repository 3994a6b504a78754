# Quantized networks as QDQ files and back.
workbench_test(quantize_qdq_property_test LABEL property
  SOURCES property/quantize_qdq_test.cpp
  LIBRARIES workbench_random_graph workbench::import workbench::passes workbench::quantize
    workbench::golden)
