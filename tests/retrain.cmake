# Retraining, where libtorch is (WORKBENCH_RETRAIN).
workbench_test(retrain_test LABEL retrain SYSTEMC
  SOURCES retrain/network_test.cpp retrain/quantizer_test.cpp retrain/training_test.cpp
  LIBRARIES workbench::train test_graphs)
foreach(name retrain_killed search_bits_retrain)
  workbench_script_test(${name} ${DEBIAN_PYTHON3} "WORKBENCH=$<TARGET_FILE:workbench>")
  set_tests_properties(e2e_${name} PROPERTIES LABELS retrain)
endforeach()
