// The tensors of an integer network that a golden file may hold: results of its layers in execution
// order, and what they compute on the way there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "explore/golden_files.h"

namespace workbench {

struct GoldenStage {
  GoldenFile::Kind kind = GoldenFile::Kind::Memory;
  std::size_t node = 0, operand = 0;  // in Graph::nodes
  ValueId value = kNoValue;           // the result; kind Memory: what is meant
  Shape shape;
  std::vector<std::string> names;      // under which a file may know it
  std::optional<std::int64_t> number;  // the exporter's number of the node it comes from
};

// DORY's layers (pulp.md 3.2): one per convolution, pool, sum and matrix product, its result after
// the rescaling behind it.
std::vector<GoldenStage> dory_layers(const Graph& quantized);

// What Deeploy's exporter records: convolutions and matrix products before they are rescaled,
// rescalings (those of a sum's operands included), pools; not plain sums, not reshapes. In the
// order of the exporter's numbers ("Conv_15") where every node has one, else of the graph.
std::vector<GoldenStage> deeploy_modules(const Graph& quantized);

// The codes that a graph output has in memory; the output itself where none are.
ValueId codes_of_output(const Graph& quantized, ValueId output);

}  // namespace workbench
