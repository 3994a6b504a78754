# Naive arithmetic to compare with.
add_library(pulp_kernel_test_support STATIC support/naive_pulp.cpp)
target_link_libraries(pulp_kernel_test_support PUBLIC workbench::isa_pulp PRIVATE workbench_options)

workbench_test(pulp_kernels_test LABEL unit
  SOURCES unit/pulp_kernels_test.cpp
  LIBRARIES pulp_kernel_test_support)
workbench_test(pulp_kernels_property_test LABEL property
  SOURCES property/pulp_kernels_test.cpp
  LIBRARIES pulp_kernel_test_support)
