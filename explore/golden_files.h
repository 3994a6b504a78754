// Published golden tensors of integer networks, and which layer each belongs to (pulp.md section
// 5): DORY's input.txt and out_layer<i>.txt, Deeploy's inputs.npz, outputs.npz and activations.npz.
// Files go to layers by name where names match, else by order and shape, never by value.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "core/graph.h"
#include "explore/accuracy.h"
#include "explore/difference.h"

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
  std::string how;  // "by name" or "by order", and what was done with the elements
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

struct IntegerInput {
  std::vector<Tensor> tensors;     // float32, one per graph input, whole numbers
  std::vector<std::string> notes;  // one line per array: where it went
};
// input.txt (networks of one input) or inputs.npz: arrays go to inputs by name, those that match
// none in order. Surplus arrays must equal a constant of the network, or it is an Error.
IntegerInput read_integer_input(const std::filesystem::path& path, const Graph& graph);

}  // namespace workbench
