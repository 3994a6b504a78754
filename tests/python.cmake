# import workbench, where it is built.
if(WORKBENCH_HAS_PYTHON)
  add_test(NAME e2e_python
    COMMAND ${Python_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/e2e/python_test.py
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(e2e_python PROPERTIES LABELS e2e TIMEOUT 600
    ENVIRONMENT "WORKBENCH=$<TARGET_FILE:workbench>;WORKBENCH_PYTHON=${PROJECT_BINARY_DIR}/python")
endif()
