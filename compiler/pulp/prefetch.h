// When constants arrive from L3 and what layers wait for them: a model of the one queue of
// transfers between L3 and L2, by which the memory plan decides how far ahead constants are asked
// for and in how many slices they come.
#pragma once

#include <cstdint>
#include <span>

#include "isa/pulp/machine.h"

namespace workbench::pulp {

// A layer as the queue sees it.
struct ConstantLoad {
  double cycles = 0;        // of the layer if it waits for nothing
  std::int64_t bytes = 0;   // of its constants; 0: it has none
  std::int64_t parts = 1;   // slices that they come in, one after the other, each computed with
  std::int64_t pieces = 1;  // transfers of the only part; computing begins with the first
  // Pieces of the map that all channels pass over, one after the other: during the first of them
  // all constants are needed. 1: each channel is done when the next one's constants are.
  std::int64_t turns = 1;
  std::int64_t ahead = 0;  // the first part is asked for so many layers before; 0: in this one
  bool twice = true;       // the next part is asked for while one is computed with
  bool maps = false;       // activations pass through the queue as well, all the time
};

// Most layers ahead.
inline constexpr std::int64_t kMostAhead = 3;

// From the first layer's start to the last one's end.
double cycles_with_loads(std::span<const ConstantLoad> layers, const Machine& machine);

}  // namespace workbench::pulp
