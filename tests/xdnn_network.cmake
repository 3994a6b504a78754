# The whole chain on the xDNN target: random networks, and timing by hand.
workbench_test(xdnn_network_test LABEL property SYSTEMC
  SOURCES property/xdnn_network_test.cpp support/random_machine.cpp
  LIBRARIES workbench_random_graph workbench::passes workbench::quantize workbench::xdnn_compiler
            workbench::sim_xdnn workbench::golden workbench::verdict workbench::report)
workbench_test(xdnn_timing_test LABEL timing SYSTEMC
  SOURCES timing/xdnn_card_test.cpp timing/xdnn_timeline_test.cpp timing/xdnn_v2_timeline_test.cpp
  LIBRARIES workbench::sim_xdnn)
workbench_test(xdnn_card_property_test LABEL property SYSTEMC
  SOURCES property/xdnn_card_test.cpp support/random_machine.cpp
  LIBRARIES workbench_random_graph workbench::passes workbench::quantize workbench::xdnn_compiler
            workbench::sim_xdnn workbench::golden workbench::verdict passes_test_support)
workbench_test(xdnn_mutation_test LABEL property SYSTEMC
  SOURCES property/xdnn_mutation_test.cpp support/random_machine.cpp support/xdnn_mutants.cpp
  LIBRARIES workbench_random_graph workbench::passes workbench::quantize workbench::xdnn_compiler
            workbench::sim_xdnn workbench::golden workbench::verdict)
workbench_test(xdnn_tight_test LABEL property SYSTEMC
  SOURCES property/xdnn_tight_test.cpp support/random_machine.cpp
  LIBRARIES workbench_random_graph workbench::passes workbench::quantize workbench::xdnn_compiler
            workbench::sim_xdnn workbench::golden workbench::verdict)
# Programs that the vendor shipped, on our machines.
workbench_test(xdnn_replay_e2e_test LABEL e2e SYSTEMC
  SOURCES e2e/xdnn_replay_test.cpp
  LIBRARIES workbench::pipeline)
