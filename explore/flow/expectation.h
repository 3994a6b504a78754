// External golden tensors: reading them and comparing a run with them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/graph.h"
#include "explore/flow/signal_to_noise.h"
#include "explore/report/difference.h"

namespace workbench {

struct Expectation {
  std::string value;  // name in the quantized graph
  Tensor tensor;
};

// One file (.npy, .pb: the network's only output; .npz: by value name), or a folder of NAME.npy,
// NAME.pb (`/` in names written as `_`). Output I may be called output_I, as ONNX's test data and
// many tools have it. Throws Error when a name stands for no
// value of the graph, or nothing is there.
std::vector<Expectation> read_expectations(const std::filesystem::path& path,
                                           const Graph& quantized);

// "conv1/7x7_s2" as a file name: conv1_7x7_s2. Of a long one the beginning and twelve digits of its
// SHA-256.
std::string file_name_of(const std::string& value);

// Where a value is computed in the network; others are behind them in the order that they have.
std::vector<Difference> in_network_order(std::vector<Difference> differences, const Graph& graph);

// "12 of 14 tensors are equal" and, of a difference, which layer is the first with one.
std::string summary(const std::vector<Difference>& in_network_order, const Graph& graph);

// Integer expectations are compared with the value's codes, exactly; float ones with its real
// numbers, within `tolerance`. Throws Error when a value was not computed (merged into another
// layer) or has another shape, dimensions of 1 aside.
std::vector<Difference> compare(const std::vector<Expectation>& expectations,
                                const Graph& quantized, const NamedTensors& computed,
                                const Tolerance& tolerance);

}  // namespace workbench
