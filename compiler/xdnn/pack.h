// The DDR image of a program: filters and per-channel parameters of every convolution.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "compiler/xdnn/lowered.h"
#include "isa/xdnn/filters.h"

namespace workbench::xdnn {

// The bytes of a tensor of codes (CHECKed), as they go into filter slabs.
std::span<const std::int8_t> code_bytes(const Tensor& tensor);

// Parameters of output channels [begin, end) of a quantized convolution.
std::vector<ChannelConfig> channel_configs(const Graph& graph, const Node& node, std::int64_t begin,
                                           std::int64_t end);

// Where the filter slabs of an op lie in the image.
struct FilterPlace {
  FilterShape shape;
  std::int64_t begin = 0, bytes = 0;
};
// Per op, one behind the other; those without filters have 0 bytes there.
std::vector<FilterPlace> place_filters(const Lowered& lowered, const Machine& machine);

// The image.
std::string pack_constants(const Lowered& lowered, std::span<const FilterPlace> places,
                           const Machine& machine);

}  // namespace workbench::xdnn
