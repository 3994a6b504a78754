# The driver that scripts/fuzz runs, one door at a time; each run of the tests has some inputs for each.
add_executable(fuzz fuzz/doors.cpp fuzz/fuzz.cpp fuzz/mutate.cpp fuzz/mutate_onnx.cpp)
target_link_libraries(fuzz PRIVATE workbench_options workbench::energy workbench::pipeline workbench::store
                                   workbench::sweep workbench::track workbench::validate
                                   workbench::memory workbench::data test_graphs
                                   onnx onnx_proto SystemC::systemc)

add_test(NAME fuzz
  COMMAND ${DEBIAN_PYTHON3} scripts/fuzz --inputs 50 --build ${PROJECT_BINARY_DIR}
          --findings ${PROJECT_BINARY_DIR}/fuzz-findings
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
set_tests_properties(fuzz PROPERTIES LABELS e2e TIMEOUT 900)
