# Report pages, looked at in a headless Chromium where there is one.
add_executable(accuracy_page_sample support/accuracy_page_sample.cpp)
target_link_libraries(accuracy_page_sample PRIVATE workbench::html)

workbench_test(html_page_test LABEL unit SYSTEMC
  SOURCES unit/html_page_test.cpp
  LIBRARIES workbench::html)

add_test(NAME e2e_accuracy_page
  COMMAND ${DEBIAN_PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/e2e/accuracy_page_test.py
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
set_tests_properties(e2e_accuracy_page PROPERTIES LABELS e2e TIMEOUT 600
  ENVIRONMENT "ACCURACY_PAGE_SAMPLE=$<TARGET_FILE:accuracy_page_sample>")

workbench_test(run_page_test LABEL unit SYSTEMC
  SOURCES unit/run_page_test.cpp unit/sweep_report_test.cpp
  LIBRARIES workbench::html)

add_test(NAME e2e_run_page
  COMMAND ${DEBIAN_PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/e2e/run_page_test.py
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
set_tests_properties(e2e_run_page PROPERTIES LABELS e2e TIMEOUT 600
  ENVIRONMENT "WORKBENCH=$<TARGET_FILE:workbench>")

add_executable(explore_pages_sample support/explore_pages_sample.cpp)
target_link_libraries(explore_pages_sample PRIVATE workbench::html workbench::track)
foreach(page sweep track)
  add_test(NAME e2e_${page}_page
    COMMAND ${DEBIAN_PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/e2e/${page}_page_test.py
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(e2e_${page}_page PROPERTIES LABELS e2e TIMEOUT 600
    ENVIRONMENT "EXPLORE_PAGES_SAMPLE=$<TARGET_FILE:explore_pages_sample>")
endforeach()

add_test(NAME e2e_sweep_run
  COMMAND ${DEBIAN_PYTHON3} ${CMAKE_CURRENT_SOURCE_DIR}/e2e/sweep_run_test.py
  WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
set_tests_properties(e2e_sweep_run PROPERTIES LABELS e2e TIMEOUT 600
  ENVIRONMENT "WORKBENCH=$<TARGET_FILE:workbench>")
