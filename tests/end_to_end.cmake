# Whole networks and recorded texts, cycles derived by hand, and the built binary driven as a user
# drives it.
workbench_test(golden_text_test LABEL golden
  SOURCES golden/disassembly_test.cpp golden/host_steps_test.cpp
          golden/quantizer_files_test.cpp golden/shipped_instructions_test.cpp
  LIBRARIES test_programs)
workbench_test(caffe_corpus_test LABEL golden
  SOURCES golden/caffe_corpus_test.cpp
  LIBRARIES workbench::import workbench::eval workbench::data nlohmann_json::nlohmann_json)
workbench_test(caffe_property_test LABEL property SYSTEMC
  SOURCES property/caffe_test.cpp
  LIBRARIES workbench::pipeline)
workbench_test(timing_test LABEL timing SYSTEMC
  SOURCES timing/energy_published_test.cpp timing/pulp_tiers_test.cpp timing/xdnn_card_test.cpp
          timing/xdnn_timeline_test.cpp timing/xdnn_v2_timeline_test.cpp
  LIBRARIES test_programs workbench::energy workbench::pipeline)
workbench_test(networks_test LABEL e2e SYSTEMC
  SOURCES e2e/pulp_emit_c_test.cpp e2e/pulp_golden_test.cpp e2e/pulp_networks_test.cpp
          e2e/quantize_recipe_test.cpp e2e/real_models_test.cpp e2e/track_record_test.cpp
          e2e/workloads_test.cpp e2e/xdnn_replay_test.cpp
  LIBRARIES test_programs workbench::goldens workbench::pipeline workbench::track)

# Debian's python3: another one may come first in PATH.
find_program(DEBIAN_PYTHON3 python3 PATHS /usr/bin NO_DEFAULT_PATH REQUIRED)

# e2e_NAME runs e2e/NAME_test.py, which finds in its environment what it drives.
function(workbench_script_test name interpreter)
  add_test(NAME e2e_${name}
    COMMAND ${interpreter} ${CMAKE_CURRENT_SOURCE_DIR}/e2e/${name}_test.py
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(e2e_${name} PROPERTIES LABELS e2e TIMEOUT 600 ENVIRONMENT "${ARGN}")
endfunction()

foreach(name api_reference bad_input calls citations cli command_line deploy determinism execute faults hostile_names kernels one_definition pages quantize_cli reliability run_page sdk search_bits store sweep sweep_kill
             sweep_run sweep_slurm track)
  workbench_script_test(${name} ${DEBIAN_PYTHON3} "WORKBENCH=$<TARGET_FILE:workbench>")
endforeach()
workbench_script_test(accuracy_page ${DEBIAN_PYTHON3}
  "ACCURACY_PAGE_SAMPLE=$<TARGET_FILE:accuracy_page_sample>")
foreach(name sweep_page track_page)
  workbench_script_test(${name} ${DEBIAN_PYTHON3}
    "EXPLORE_PAGES_SAMPLE=$<TARGET_FILE:explore_pages_sample>"
    "WORKBENCH=$<TARGET_FILE:workbench>")
endforeach()
workbench_script_test(install ${DEBIAN_PYTHON3} "WORKBENCH_BUILD=${PROJECT_BINARY_DIR}")
if(WORKBENCH_HAS_PYTHON)
  workbench_script_test(python ${Python_EXECUTABLE} "WORKBENCH=$<TARGET_FILE:workbench>"
    "WORKBENCH_PYTHON=${PROJECT_BINARY_DIR}/python")
endif()

# The project's own figures (docs/track.md): any that differs fails.
add_test(NAME track_self
  COMMAND workbench track compare tests/track/baseline.json tests/track/suite.yaml --strict
          --per-layer
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
set_tests_properties(track_self PROPERTIES LABELS e2e TIMEOUT 300)

# The TensorFlow Lite front end: files made by the tests, damaged ones, and published ones.
workbench_test(tflite_test LABEL property SYSTEMC
  SOURCES golden/tflite_corpus_test.cpp golden/tflite_integers_test.cpp
          property/tflite_fuzz_test.cpp
          unit/tflite_reference_test.cpp unit/tflite_test.cpp
  LIBRARIES test_programs workbench::inputs workbench::pipeline)
add_dependencies(tflite_test tflite_schema)
target_include_directories(tflite_test SYSTEM PRIVATE ${CMAKE_BINARY_DIR}/generated)
