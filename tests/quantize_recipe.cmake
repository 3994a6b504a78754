# Recipes: the steps from a float network to an annotated one.
workbench_test(quantize_recipe_test LABEL unit
  SOURCES unit/quantize_recipe_test.cpp
  LIBRARIES workbench::quantize)
workbench_test(quantize_recipe_property_test LABEL property
  SOURCES property/quantize_recipe_test.cpp
  LIBRARIES workbench::quantize passes_test_support)
workbench_test(statistics_cache_test LABEL unit
  SOURCES unit/statistics_cache_test.cpp
  LIBRARIES workbench::quantize)
# On trained networks, which stay outside the repository (WORKBENCH_SHARED).
workbench_test(quantize_recipe_accuracy_test LABEL e2e
  SOURCES e2e/quantize_recipe_test.cpp
  LIBRARIES workbench::quantize workbench::import)
