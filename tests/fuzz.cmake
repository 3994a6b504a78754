# The driver that scripts/fuzz runs, one door at a time.
add_executable(fuzz fuzz/doors.cpp fuzz/fuzz.cpp fuzz/mutate.cpp)
target_link_libraries(fuzz PRIVATE workbench_options workbench::pipeline workbench::store
                                   workbench::sweep workbench::track workbench::validate
                                   workbench::memory workbench::data SystemC::systemc)
set_target_properties(fuzz PROPERTIES EXCLUDE_FROM_ALL ON)
