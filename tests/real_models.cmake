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
workbench_test(accuracy_test LABEL unit SYSTEMC
  SOURCES unit/accuracy_test.cpp
  LIBRARIES workbench::pipeline nlohmann_json::nlohmann_json)
