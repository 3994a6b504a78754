# Points of sweeps: evaluating and executing them.
workbench_test(sweep_evaluate_test LABEL property SYSTEMC
  SOURCES property/sweep_evaluate_test.cpp
  LIBRARIES workbench::evaluate)
workbench_test(sweep_executor_test LABEL property SYSTEMC
  SOURCES unit/sweep_executor_test.cpp unit/sweep_worker_test.cpp
  LIBRARIES workbench::executor)
