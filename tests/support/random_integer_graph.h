// Random small integer networks as compiler/quantize/integer_network.h describes them, for property
// tests of the PULP target: every one is legal, and together they use every kernel.
#pragma once

#include <cstdint>
#include <random>
#include <vector>

#include "core/graph.h"

namespace workbench {

struct RandomIntegerOptions {
  int min_layers = 1, max_layers = 4;
  std::int64_t max_channels = 40, max_side = 20;
  bool one_row = false;               // the input's map, of up to max_side columns
  std::int64_t max_macs = 1'500'000;  // of one convolution
  double signed_codes = 0.25;         // of a result
  double wide_output = 0.15;          // the last layer leaves int32 accumulators
  bool power_of_two = true;           // divisors
  bool mixed_widths = false;          // convolutions alone, codes and weights of 8, 4 or 2 bits
};

// One input "data" [1, C, H, W], one output. The same graph for the same state of `random` on every
// machine.
Graph random_integer_graph(std::mt19937_64& random, const RandomIntegerOptions& options = {});

// Codes as float tensors, over the whole range of each input.
std::vector<Tensor> random_codes(const Graph& graph, std::mt19937_64& random);

}  // namespace workbench
