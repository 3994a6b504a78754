# Quantization: thresholds, recipes, NEMO's and Graffitist's schemes, networks that came quantized.
workbench_test(quantize_unit_test LABEL unit
  SOURCES unit/channels_test.cpp unit/image_set_test.cpp unit/quantize_code_bits_test.cpp unit/quantize_graffitist_test.cpp
          unit/quantize_graph_test.cpp
          unit/quantize_nemo_stages_test.cpp unit/quantize_nemo_test.cpp
          unit/quantize_parameters_test.cpp unit/quantize_qdq_test.cpp
          unit/quantize_recipe_test.cpp unit/quantize_reconstruct_test.cpp unit/quantize_samples_test.cpp
          unit/quantize_saturation_test.cpp
          unit/quantize_scale_test.cpp unit/quantize_statistics_test.cpp
          unit/quantize_table_test.cpp unit/quantize_target_test.cpp
          unit/quantize_threshold_test.cpp unit/quantize_unlike_scales_test.cpp
          unit/quantize_zero_points_test.cpp unit/statistics_cache_test.cpp
  LIBRARIES test_graphs workbench::golden workbench::import ZLIB::ZLIB)
workbench_test(quantize_property_test LABEL property SYSTEMC
  SOURCES property/image_set_test.cpp property/quantize_conv_test.cpp
          property/quantize_fake_test.cpp property/quantize_files_test.cpp
          property/quantize_graph_test.cpp property/quantize_nemo_scales_test.cpp
          property/quantize_nemo_stages_test.cpp property/quantize_nemo_test.cpp
          property/quantize_noise_test.cpp
          property/quantize_qdq_test.cpp property/quantize_recipe_test.cpp
          property/quantize_schemes_test.cpp property/quantize_threshold_choice_test.cpp
          property/quantize_threshold_test.cpp
  LIBRARIES test_programs workbench::sim_pulp workbench::sim_xdnn workbench::verdict ZLIB::ZLIB)
