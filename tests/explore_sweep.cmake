# Points of sweeps: evaluating and executing them.
workbench_test(sweep_evaluate_test LABEL property SYSTEMC
  SOURCES property/sweep_evaluate_test.cpp
  LIBRARIES workbench::evaluate)
workbench_test(sweep_executor_test LABEL property SYSTEMC
  SOURCES unit/sweep_executor_test.cpp unit/sweep_worker_test.cpp
  LIBRARIES workbench::executor)
foreach(name sweep_kill sweep_slurm)
  add_test(NAME e2e_${name}
    COMMAND ${DEBIAN_PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/e2e/${name}_test.py -v
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(e2e_${name} PROPERTIES LABELS e2e TIMEOUT 600
    ENVIRONMENT "WORKBENCH=$<TARGET_FILE:workbench>")
endforeach()
