# Trained networks on real photos, which stay outside the repository (WORKBENCH_SHARED).
workbench_test(image_set_test LABEL unit
  SOURCES unit/image_set_test.cpp
  LIBRARIES workbench::quantize ZLIB::ZLIB)
workbench_test(image_set_property_test LABEL property
  SOURCES property/image_set_test.cpp
  LIBRARIES workbench::quantize ZLIB::ZLIB)
workbench_test(real_models_test LABEL e2e SYSTEMC
  SOURCES e2e/real_models_test.cpp
  LIBRARIES workbench::pipeline)
