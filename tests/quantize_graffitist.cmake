workbench_test(quantize_graffitist_test LABEL unit
  SOURCES unit/quantize_graffitist_test.cpp support/graph_builder.cpp
  LIBRARIES workbench::quantize)
