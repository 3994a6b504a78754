# Headers that nearly every source file reads, parsed once. Several sets, because g++ takes a
# precompiled header only for the flags it was made with. Sources that use vector intrinsics skip
# them: at -O0 fmt's headers leave __OPTIMIZE__ defined in a precompiled header (a "GCC optimize"
# pragma that is not undone there), and g++'s intrinsics then do not compile.

# add_precompiled(name header FLAGS...): a library without code whose header others reuse.
function(add_precompiled name header)
  file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/precompiled/${name}.cpp CONTENT "" @ONLY)
  add_library(${name} OBJECT ${PROJECT_BINARY_DIR}/precompiled/${name}.cpp)
  target_link_libraries(${name} PRIVATE workbench_options fmt::fmt)
  target_compile_options(${name} PRIVATE ${ARGN})
  target_precompile_headers(${name} PRIVATE ${PROJECT_SOURCE_DIR}/${header})
endfunction()

add_precompiled(precompiled core/precompiled.h)
set(runs_once "$<$<CONFIG:Release>:-O1>")
add_precompiled(precompiled_runs_once core/precompiled.h ${runs_once})

# Optimizes a target for the time it takes to compile.
function(workbench_runs_once target)
  target_compile_options(${target} PRIVATE ${runs_once})
  target_precompile_headers(${target} REUSE_FROM precompiled_runs_once)
endfunction()

if(BUILD_TESTING)
  find_package(GTest REQUIRED)
  foreach(level 0 1)  # how much tests are optimized
    add_precompiled(precompiled_test_O${level} tests/support/precompiled.h -O${level})
    target_link_libraries(precompiled_test_O${level} PRIVATE GTest::gtest)
  endforeach()
endif()
