# Programs whose instructions are any; mutants of compiled ones, and who judges them.
add_library(pulp_test_support STATIC support/pulp_dataflow.cpp support/pulp_mutants.cpp support/random_pulp.cpp)
target_link_libraries(pulp_test_support PUBLIC workbench::isa_pulp PRIVATE workbench_options)

workbench_test(pulp_isa_test LABEL unit
  SOURCES unit/pulp_footprint_test.cpp unit/pulp_loops_test.cpp unit/pulp_machine_test.cpp unit/pulp_malformed_test.cpp unit/pulp_mutants_test.cpp
          unit/pulp_program_file_test.cpp
  LIBRARIES pulp_test_support)
workbench_test(pulp_isa_property_test LABEL property
  SOURCES property/pulp_footprint_test.cpp property/pulp_program_test.cpp
  LIBRARIES pulp_test_support)
workbench_test(pulp_mutation_test LABEL property SYSTEMC
  SOURCES property/pulp_mutation_test.cpp
  LIBRARIES pulp_test_support pulp_random_graphs workbench::pulp_compiler workbench::sim_pulp
            workbench::golden workbench::verdict)
