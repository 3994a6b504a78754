// Published golden tensors of integer networks, and which layer each belongs to (docs/facts/pulp.md
// section 5): DORY's input.txt and out_layer<i>.txt, Deeploy's inputs.npz, outputs.npz and
// activations.npz. Files go to layers by name where names match, else by order and shape, never by
// value.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/graph.h"
#include "explore/flow/signal_to_noise.h"
#include "explore/report/difference.h"

namespace workbench {

struct GoldenFile {
  enum class Kind {
    Memory,       // codes in modelled memory: value `value` of the quantized graph
    Accumulator,  // of `node`, before it rescales: exists in the golden model alone
    Operand,      // number `operand` of the sum `node`, rescaled: likewise
  };
  std::string file;   // "out_layer3.txt", "activations.npz:NAME"
  std::string value;  // of the quantized graph: the one meant, or the one `node` writes
  std::string node;   // name of the node whose it is
  Kind kind = Kind::Memory;
  std::size_t operand = 0;
  Tensor tensor;    // int64, shape of the network's value, channels first
  std::string how;  // "by name" or "by order", and how the elements were reordered
};

// Whether `path` is a folder with such files.
bool is_golden_folder(const std::filesystem::path& path);

// All golden tensors of a folder, in file order; `quantized` is what integer_network() gave.
//  - out_layer<i>.txt: the layer whose node or value the header names, if no other header names it;
//    else layer i: convolutions, pools, sums and matrix products in execution order, each with the
//    rescaling behind it. Elements as golden_text.h says.
//  - activations.npz: results of the exporter's modules (convolutions and matrix products before
//    they are rescaled, rescalings, pools) in the order it numbered its nodes.
//  - outputs.npz: graph outputs.
// Throws Error for a file without layer, another shape or element count.
std::vector<GoldenFile> read_golden_folder(const std::filesystem::path& path,
                                           const Graph& quantized);

// "out_layer3.txt -> layer 'Conv_37', value '124' (by order, pixels first)"
std::string mapping_line(const GoldenFile& golden);

// Codes are compared with `computed` (the modelled memories), the rest with the golden model's
// `values` (golden::run of the same inputs); exactly, element by element. Throws Error when a value
// was not computed.
std::vector<Difference> compare(const std::vector<GoldenFile>& files, const Graph& quantized,
                                const NamedTensors& computed, std::span<const Tensor> values);

struct GoldenStage {
  GoldenFile::Kind kind = GoldenFile::Kind::Memory;
  std::size_t node = 0, operand = 0;  // in Graph::nodes
  ValueId value = kNoValue;           // the result; kind Memory: what is meant
  Shape shape;
  std::vector<std::string> names;      // under which a file may know it
  std::optional<std::int64_t> number;  // the exporter's number of the node it comes from
};

// DORY's layers (docs/facts/pulp.md 3.2): one per convolution, pool, sum and matrix product, its
// result after the rescaling behind it.
std::vector<GoldenStage> dory_layers(const Graph& quantized);

// What Deeploy's exporter records: convolutions and matrix products before they are rescaled,
// rescalings (those of a sum's operands included), pools; not plain sums, not reshapes. In the
// order of the exporter's numbers ("Conv_15") where every node has one, else of the graph.
std::vector<GoldenStage> deeploy_modules(const Graph& quantized);

// The codes that a graph output has in memory; the output itself where none are.
ValueId codes_of_output(const Graph& quantized, ValueId output);

}  // namespace workbench
