// Networks of a fixed batch above 1, whose images do not meet: the same network of one image.
#pragma once

#include <string>

#include "core/graph.h"

namespace workbench {

struct OneImage {
  Graph graph;             // of batch 1; as it was where there is nothing to do
  std::int64_t batch = 1;  // images that the file computes at once
  std::string obstacle;    // why it stays as it is: the node that sees more than one image
};

// The batch is the first dimension that all inputs of the network, maps or sequences, have in
// common (of a matrix it may be anything), if above 1. Each node must compute its result's image i
// from image i of its operands and from constants alone.
OneImage one_image(Graph graph);

}  // namespace workbench
