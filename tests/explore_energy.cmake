# Energy and area.
workbench_test(energy_test LABEL unit SYSTEMC
  SOURCES unit/energy_test.cpp
  LIBRARIES workbench::energy workbench::pipeline)
workbench_test(energy_published_test LABEL timing SYSTEMC
  SOURCES timing/energy_published_test.cpp
  LIBRARIES workbench::energy workbench::pipeline)
workbench_test(energy_accesses_test LABEL property SYSTEMC
  SOURCES property/energy_accesses_test.cpp
  LIBRARIES workbench::energy workbench::pipeline)
