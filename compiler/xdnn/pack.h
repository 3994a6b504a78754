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

// Image, and per op the byte address of its slabs (0 where it has none).
std::string pack_constants(const Lowered& lowered, const Machine& machine,
                           std::vector<std::int64_t>& addresses);

}  // namespace workbench::xdnn
