// Random small float CNNs for property tests: every one is legal (verify() finds nothing), and
// together they use what the accelerator has and, now and then, what only a host can do.
#pragma once

#include <cstdint>
#include <random>

#include "core/graph.h"

namespace workbench {

// Probabilities are in [0, 1]. Limits are aims: a layer that must have as many channels as its wide
// input (residual, depthwise) may exceed them, up to threefold.
struct RandomGraphOptions {
  int min_layers = 3, max_layers = 12;   // steps; a residual or concat is one step
  std::int64_t max_input_channels = 40;  // of most graphs
  std::int64_t max_channels = 72;        // of most convolutions
  std::int64_t max_elements = 40'000;    // of one value
  std::int64_t max_macs = 3'000'000;     // of one convolution
  double wide = 0.08;  // a convolution has 97 to 260 channels, the input up to 200
  double residual = 0.14, concat = 0.14;  // per step
  double split = 0;                       // per step: channels cut in two, each read alone
  double activation = 0.6;                // behind a convolution
  double batch_norm = 0.2;                // behind a convolution
  double host_op = 0.04;                  // per step: an op no engine has
  double host_tail = 0.15;                // classifier: Gemm or softmax
  double second_output = 0.15;
};

// One input "data" [1, C, H, W] with H, W in 3..24, meant for data of zero mean and a deviation of
// about 64; one or two outputs. Every node reaches an output. The same graph for the same state of
// `random` on every machine.
Graph random_graph(std::mt19937_64& random, const RandomGraphOptions& options = {});

}  // namespace workbench
