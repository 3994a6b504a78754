# Points of sweeps: evaluating and executing them.
workbench_test(sweep_evaluate_test LABEL property SYSTEMC
  SOURCES property/sweep_evaluate_test.cpp
  LIBRARIES workbench::evaluate)
