# Naive arithmetic to compare with.
add_library(xdnn_test_support STATIC support/naive_xdnn.cpp)
target_link_libraries(xdnn_test_support PUBLIC workbench::isa_xdnn PRIVATE workbench_options)
# Small compiled programs.
add_library(xdnn_test_programs STATIC support/xdnn_program.cpp)
target_link_libraries(xdnn_test_programs
  PUBLIC passes_test_support workbench::passes workbench::quantize workbench::workloads
         workbench::xdnn_compiler)

workbench_test(allocate_test LABEL unit
  SOURCES unit/allocate_test.cpp
  LIBRARIES workbench::memory)
workbench_test(allocate_property_test LABEL property
  SOURCES property/allocate_test.cpp
  LIBRARIES workbench::memory)

workbench_test(xdnn_isa_test LABEL unit
  SOURCES unit/xdnn_cost_test.cpp unit/xdnn_families_test.cpp unit/xdnn_footprint_test.cpp
          unit/xdnn_layout_test.cpp unit/xdnn_machine_test.cpp unit/xdnn_memory_test.cpp
          unit/xdnn_overrides_test.cpp unit/xdnn_semantics_test.cpp
  LIBRARIES xdnn_test_support workbench::xdnn_compiler)
workbench_test(xdnn_isa_property_test LABEL property
  SOURCES property/int8_matrix_test.cpp property/xdnn_codec_test.cpp property/xdnn_cost_test.cpp
          property/xdnn_lines_test.cpp
          property/xdnn_semantics_test.cpp property/xdnn_wide_codes_test.cpp
  LIBRARIES xdnn_test_support)

workbench_test(xdnn_compiler_test LABEL unit
  SOURCES unit/xdnn_compile_test.cpp unit/xdnn_support_test.cpp unit/xdnn_waits_test.cpp
  LIBRARIES xdnn_test_programs)
workbench_test(minimum_memory_test LABEL unit
  SOURCES unit/minimum_memory_test.cpp
  LIBRARIES xdnn_test_programs)
workbench_test(minimum_memory_property_test LABEL property
  SOURCES property/minimum_memory_test.cpp
  LIBRARIES xdnn_test_programs workbench_random_graph)
workbench_test(xdnn_program_file_test LABEL unit
  SOURCES unit/xdnn_program_file_test.cpp
  LIBRARIES xdnn_test_programs)
workbench_test(xdnn_program_file_property_test LABEL property
  SOURCES property/xdnn_program_file_test.cpp
  LIBRARIES xdnn_test_programs)
workbench_test(xdnn_listing_test LABEL unit
  SOURCES unit/xdnn_listing_test.cpp unit/xdnn_shipped_listing_test.cpp
  LIBRARIES xdnn_test_programs)
workbench_test(xdnn_listing_property_test LABEL property
  SOURCES property/xdnn_listing_test.cpp
  LIBRARIES xdnn_test_programs)
workbench_test(disassembly_test LABEL golden
  SOURCES golden/disassembly_test.cpp golden/shipped_instructions_test.cpp
  LIBRARIES xdnn_test_programs)
workbench_test(host_steps_test LABEL golden
  SOURCES golden/host_steps_test.cpp
  LIBRARIES workbench::passes workbench::workloads workbench::xdnn_compiler)

workbench_test(sim_common_test LABEL unit SYSTEMC
  SOURCES unit/xdnn_arbiter_test.cpp unit/xdnn_recorder_test.cpp
  LIBRARIES workbench::sim_common)
workbench_test(xdnn_replay_test LABEL unit SYSTEMC
  SOURCES unit/xdnn_replay_test.cpp
  LIBRARIES xdnn_test_programs workbench::sim_xdnn workbench::golden workbench::verdict)
workbench_test(xdnn_simulate_test LABEL unit SYSTEMC
  SOURCES unit/xdnn_address_test.cpp unit/xdnn_hazard_test.cpp unit/xdnn_simulate_test.cpp unit/xdnn_throughput_test.cpp
  LIBRARIES xdnn_test_programs workbench::sim_xdnn workbench::golden workbench::verdict)
