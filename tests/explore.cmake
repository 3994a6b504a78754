# Reports, pages, energy, results store, sweeps, tracking.
set(explore_libraries test_programs workbench::bits workbench::energy workbench::executor workbench::goldens
                      workbench::html workbench::inputs workbench::pipeline workbench::report
                      workbench::store workbench::sweep workbench::track workbench::validate
                      nlohmann_json::nlohmann_json SQLite::SQLite3 ZLIB::ZLIB)
workbench_test(explore_unit_test LABEL unit SYSTEMC
  SOURCES unit/accuracy_test.cpp unit/bit_selection_test.cpp unit/drawing_test.cpp unit/energy_test.cpp unit/flow_test.cpp
          unit/expectation_test.cpp unit/golden_files_test.cpp unit/html_page_test.cpp unit/inputs_test.cpp
          unit/memory_need_test.cpp
          unit/metrics_test.cpp
          unit/options_test.cpp unit/point_key_test.cpp unit/report_engines_test.cpp unit/report_table_test.cpp
          unit/report_waterfall_test.cpp unit/report_writers_test.cpp unit/result_table_test.cpp
          unit/run_page_test.cpp unit/store_test.cpp unit/sweep_front_test.cpp
          unit/sweep_report_test.cpp unit/sweep_study_test.cpp unit/sweep_values_test.cpp
          unit/track_baseline_test.cpp unit/track_compare_test.cpp unit/track_history_test.cpp
          unit/track_suite_test.cpp unit/validation_test.cpp
  LIBRARIES ${explore_libraries} onnx onnx_proto)
workbench_test(explore_property_test LABEL property SYSTEMC
  SOURCES property/energy_accesses_test.cpp property/host_networks_test.cpp
          property/partition_test.cpp property/report_property_test.cpp
          property/store_property_test.cpp property/sweep_evaluate_test.cpp
          property/sweep_study_test.cpp property/track_test.cpp unit/sweep_executor_test.cpp
          unit/sweep_worker_test.cpp
  LIBRARIES ${explore_libraries})
workbench_test(tensorflow_property_test LABEL property SYSTEMC
  SOURCES property/tensorflow_fuzz_test.cpp
  LIBRARIES ${explore_libraries})
