# Content addresses of points, and the store of their results.
workbench_test(point_key_test LABEL unit
  SOURCES unit/point_key_test.cpp
  LIBRARIES workbench::points onnx onnx_proto)
workbench_test(store_test LABEL unit
  SOURCES unit/store_test.cpp
  LIBRARIES workbench::store SQLite::SQLite3)
workbench_test(store_property_test LABEL property
  SOURCES property/store_property_test.cpp
  LIBRARIES workbench::store SQLite::SQLite3)
workbench_test(result_table_test LABEL unit
  SOURCES unit/result_table_test.cpp
  LIBRARIES workbench::store)

add_test(NAME e2e_store
  COMMAND ${DEBIAN_PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/e2e/store_test.py
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
set_tests_properties(e2e_store PROPERTIES LABELS e2e TIMEOUT 600
  ENVIRONMENT "WORKBENCH=$<TARGET_FILE:workbench>")
