# The meaning of PULP's integer networks, and published values of some.
workbench_test(golden_affine_test LABEL unit
  SOURCES unit/golden_affine_test.cpp
  LIBRARIES workbench::golden)
