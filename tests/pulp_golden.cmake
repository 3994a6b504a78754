# The meaning of PULP's integer networks, and published values of some.
workbench_test(golden_affine_test LABEL unit
  SOURCES unit/golden_affine_test.cpp
  LIBRARIES workbench::golden)
workbench_test(quantize_nemo_test LABEL unit
  SOURCES unit/quantize_nemo_test.cpp
  LIBRARIES workbench::quantize workbench::golden)
workbench_test(quantize_nemo_property_test LABEL property
  SOURCES property/quantize_fake_test.cpp property/quantize_nemo_test.cpp
  LIBRARIES workbench_random_graph workbench::passes workbench::quantize workbench::golden)
workbench_test(golden_files_test LABEL unit
  SOURCES unit/golden_files_test.cpp
  LIBRARIES workbench::goldens ZLIB::ZLIB)
workbench_test(pulp_golden_e2e_test LABEL e2e
  SOURCES e2e/pulp_golden_test.cpp
  LIBRARIES workbench::import workbench::goldens)
