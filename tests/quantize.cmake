workbench_test(quantize_test LABEL unit
  SOURCES unit/quantize_graph_test.cpp unit/quantize_parameters_test.cpp
          unit/quantize_samples_test.cpp unit/quantize_scale_test.cpp
          unit/quantize_statistics_test.cpp unit/quantize_table_test.cpp unit/quantize_target_test.cpp
          unit/quantize_threshold_test.cpp
  LIBRARIES workbench::quantize)
workbench_test(quantizer_files_test LABEL golden
  SOURCES golden/quantizer_files_test.cpp
  LIBRARIES workbench::import workbench::passes workbench::quantize)

workbench_test(quantize_property_test LABEL property
  SOURCES property/quantize_conv_test.cpp property/quantize_files_test.cpp
          property/quantize_graph_test.cpp property/quantize_threshold_choice_test.cpp
          property/quantize_threshold_test.cpp support/plain_divergence.cpp
  LIBRARIES workbench::quantize)
