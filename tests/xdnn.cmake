# The xDNN target: instructions, compiler, replayed programs, simulator.
set(xdnn_libraries test_programs workbench::pipeline)
workbench_test(xdnn_unit_test LABEL unit SYSTEMC
  SOURCES unit/minimum_memory_test.cpp unit/xdnn_address_test.cpp unit/xdnn_arbiter_test.cpp
          unit/xdnn_bounds_test.cpp unit/xdnn_compile_test.cpp unit/xdnn_cost_test.cpp unit/xdnn_families_test.cpp
          unit/xdnn_footprint_test.cpp unit/xdnn_hazard_test.cpp unit/xdnn_layout_test.cpp
          unit/xdnn_listing_test.cpp unit/xdnn_machine_test.cpp unit/xdnn_memory_test.cpp
          unit/xdnn_order_test.cpp unit/xdnn_overrides_test.cpp unit/xdnn_program_file_test.cpp
          unit/xdnn_recorder_test.cpp unit/xdnn_replay_test.cpp unit/xdnn_semantics_test.cpp
          unit/xdnn_shipped_listing_test.cpp unit/xdnn_simulate_test.cpp
          unit/xdnn_support_test.cpp unit/xdnn_throughput_test.cpp unit/xdnn_waits_test.cpp
  LIBRARIES ${xdnn_libraries})
workbench_test(xdnn_replays_test LABEL golden SYSTEMC
  SOURCES golden/shipped_replays_test.cpp
  LIBRARIES ${xdnn_libraries})
workbench_test(xdnn_property_test LABEL property SYSTEMC
  SOURCES property/int8_matrix_test.cpp property/minimum_memory_test.cpp
          reference/systolic_array.cpp property/xdnn_array_test.cpp property/xdnn_card_test.cpp property/xdnn_codec_test.cpp property/xdnn_cost_test.cpp property/xdnn_fields_test.cpp
          property/xdnn_lines_test.cpp property/xdnn_listing_test.cpp
          property/xdnn_mutation_test.cpp property/xdnn_network_test.cpp
          property/xdnn_order_test.cpp property/xdnn_program_file_test.cpp
          property/xdnn_schedule_test.cpp property/xdnn_search_steps_test.cpp
          property/xdnn_semantics_test.cpp property/xdnn_storable_test.cpp
          property/xdnn_tight_test.cpp property/xdnn_vendor_program_test.cpp property/xdnn_wide_codes_test.cpp
  LIBRARIES ${xdnn_libraries})
