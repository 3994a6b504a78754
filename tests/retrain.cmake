# Retraining, where libtorch is (WORKBENCH_RETRAIN).
workbench_test(retrain_test LABEL retrain SYSTEMC
  SOURCES retrain/network_test.cpp retrain/quantizer_test.cpp retrain/training_test.cpp
  LIBRARIES workbench::train test_graphs)
