# Trained networks on real photos, which stay outside the repository (WORKBENCH_SHARED).
add_library(workbench_labelled_images STATIC support/labelled_images.cpp)
target_link_libraries(workbench_labelled_images PUBLIC workbench::quantize ZLIB::ZLIB)

workbench_test(labelled_images_test LABEL unit
  SOURCES unit/labelled_images_test.cpp
  LIBRARIES workbench_labelled_images)
workbench_test(real_models_test LABEL e2e SYSTEMC
  SOURCES e2e/real_models_test.cpp
  LIBRARIES workbench_labelled_images workbench::pipeline)
