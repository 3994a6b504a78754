# Layers without constants.
add_library(pulp_test_layers STATIC support/pulp_layers.cpp)
target_link_libraries(pulp_test_layers PUBLIC workbench::pulp_compiler PRIVATE workbench_options)

workbench_test(pulp_tiling_test LABEL unit
  SOURCES unit/pulp_tiling_test.cpp
  LIBRARIES pulp_test_layers nlohmann_json::nlohmann_json)
workbench_test(pulp_tiling_property_test LABEL property
  SOURCES property/pulp_tiling_test.cpp
  LIBRARIES pulp_test_layers)
