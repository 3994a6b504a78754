# NEMO's stages FQ, QD, ID, and its ONNX convention there and back.
workbench_test(quantize_nemo_stages_test LABEL unit
  SOURCES unit/quantize_nemo_stages_test.cpp support/graph_builder.cpp
  LIBRARIES workbench::quantize workbench::golden workbench::import)
workbench_test(quantize_nemo_stages_property_test LABEL property
  SOURCES property/quantize_nemo_stages_test.cpp support/graph_builder.cpp
          support/nemo_checks.cpp
  LIBRARIES workbench::quantize workbench::golden workbench::import)
workbench_test(quantize_nemo_scales_test LABEL property SYSTEMC
  SOURCES property/quantize_nemo_scales_test.cpp support/graph_builder.cpp
          support/nemo_checks.cpp
  LIBRARIES workbench::quantize workbench::golden workbench::import workbench::pulp_compiler
            workbench::sim_pulp workbench::verdict)
