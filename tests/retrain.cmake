# Retraining, where libtorch is (WORKBENCH_RETRAIN).
workbench_test(retrain_test LABEL retrain SYSTEMC
  SOURCES retrain/network_test.cpp retrain/quantizer_test.cpp retrain/training_test.cpp
  LIBRARIES workbench::train test_graphs)
workbench_script_test(search_bits_retrain ${DEBIAN_PYTHON3} "WORKBENCH=$<TARGET_FILE:workbench>")
set_tests_properties(e2e_search_bits_retrain PROPERTIES LABELS retrain)
