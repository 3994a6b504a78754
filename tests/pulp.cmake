# The PULP target: instructions, kernels, compiler, tiling, simulator.
set(pulp_libraries test_programs workbench::sim_pulp workbench::verdict yaml-cpp
                   nlohmann_json::nlohmann_json)
# The C kernels of emitted applications, for this machine; their cores are threads of the tests'.
enable_language(C)
file(GLOB pulp_nn_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/runtime/pulp/kernels/*.c)
add_library(pulp_nn_host STATIC ${pulp_nn_sources}
            ${PROJECT_SOURCE_DIR}/runtime/pulp/network/pulp_nn_calls.c support/pulp_team.cpp)
set_target_properties(pulp_nn_host PROPERTIES C_STANDARD 11)
target_include_directories(pulp_nn_host PRIVATE
  ${PROJECT_SOURCE_DIR}/runtime/pulp/kernels ${PROJECT_SOURCE_DIR}/runtime/pulp/host)
target_compile_options(pulp_nn_host PRIVATE -Wall -Wextra)
target_compile_definitions(pulp_nn_host PRIVATE PULP_NN_CALLS)
target_link_libraries(pulp_nn_host PUBLIC workbench_options workbench::pulp_compiler)

workbench_test(pulp_unit_test LABEL unit SYSTEMC
  SOURCES support/gvsoc_kernels.cpp unit/pulp_c_size_test.cpp unit/pulp_cost_test.cpp unit/pulp_dma_test.cpp unit/pulp_emit_c_test.cpp unit/pulp_footprint_test.cpp
          unit/pulp_gvsoc_kernels_test.cpp unit/pulp_gvsoc_test.cpp
          unit/pulp_icache_test.cpp unit/pulp_kernel_tiles_test.cpp unit/pulp_kernels_test.cpp
          unit/pulp_layers_test.cpp unit/pulp_loops_test.cpp unit/pulp_machine_test.cpp
          unit/pulp_malformed_test.cpp unit/pulp_mutants_test.cpp unit/pulp_program_file_test.cpp
          unit/pulp_requantize_test.cpp unit/pulp_share_rows_test.cpp unit/pulp_simulate_test.cpp unit/pulp_tcdm_test.cpp
          unit/pulp_tiling_test.cpp
  LIBRARIES ${pulp_libraries})
workbench_test(pulp_property_test LABEL property SYSTEMC
  SOURCES property/pulp_compile_test.cpp property/pulp_cost_test.cpp
          property/pulp_footprint_test.cpp property/pulp_kernels_test.cpp
          property/pulp_mutation_test.cpp property/pulp_network_test.cpp
          property/pulp_program_test.cpp property/pulp_race_test.cpp
          property/pulp_fabric_test.cpp
          property/pulp_requantize_test.cpp property/pulp_schedule_test.cpp
          property/pulp_effort_test.cpp property/pulp_search_steps_test.cpp
          property/pulp_tiling_test.cpp property/riscv_cluster_test.cpp
          property/riscv_instructions_test.cpp reference/xpulp.cpp
  LIBRARIES ${pulp_libraries} workbench::sim_riscv pulp_nn_host)
