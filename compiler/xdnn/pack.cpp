#include "compiler/xdnn/pack.h"

#include <algorithm>

#include "core/parallel.h"
#include "isa/xdnn/filters.h"

namespace workbench::xdnn {

namespace {

// Weights [out][in][kh][kw] of one instruction: those of the node, or for a block of a grouped (or
// transposed) convolution a dense copy with zeros where groups do not meet.
std::vector<std::int8_t> dense_weights(const Lowered& lowered, const LoweredOp& op) {
  const Node& node = lowered.graph->nodes[static_cast<std::size_t>(op.node)];
  const auto* forward = std::get_if<workbench::Conv>(&node.op);
  const std::int64_t groups =
      forward != nullptr ? forward->groups : std::get<ConvTranspose>(node.op).groups;
  const Tensor& tensor = *lowered.graph->value(node.inputs[1]).constant;
  const auto w = tensor.values<std::int8_t>();
  const std::int64_t area = tensor.dim(2) * tensor.dim(3);
  const std::int64_t in_all = lowered.graph->value(node.inputs[0]).shape[1];
  const std::int64_t out_all = lowered.graph->value(node.outputs[0]).shape[1];
  const std::int64_t in_group = in_all / groups, out_group = out_all / groups;
  const GroupBlock& b = op.block;
  const std::int64_t ins = b.in_end - b.in_begin;
  std::vector<std::int8_t> dense(static_cast<std::size_t>((b.out_end - b.out_begin) * ins * area));
  for (std::int64_t o = b.out_begin; o < b.out_end; ++o) {
    const std::int64_t first_in = o / out_group * in_group;
    for (std::int64_t i = 0; i < in_group; ++i) {
      const std::int64_t from = forward != nullptr
                                    ? (o * in_group + i) * area
                                    : ((first_in + i) * out_group + o % out_group) * area;
      const std::int64_t to = ((o - b.out_begin) * ins + first_in + i - b.in_begin) * area;
      std::copy_n(w.begin() + from, area, dense.begin() + to);
    }
  }
  return dense;
}

std::vector<ChannelConfig> channel_configs(const Lowered& lowered, const LoweredOp& op) {
  const Node& node = lowered.graph->nodes[static_cast<std::size_t>(op.node)];
  CHECK(node.requantize.has_value(), "'{}' has no scale", node.name);
  const Requantize& r = *node.requantize;
  const auto at = [](const std::vector<std::int32_t>& list, std::int64_t channel) {
    return std::int64_t{list[list.size() == 1 ? 0 : static_cast<std::size_t>(channel)]};
  };
  const bool biased = node.inputs.size() > 2 && node.inputs[2] != kNoValue;
  std::vector<ChannelConfig> configs;
  for (std::int64_t c = op.block.out_begin; c < op.block.out_end; ++c) {
    ChannelConfig config{.enable = true, .scale = at(r.scale, c), .postshift = at(r.shift, c)};
    if (!r.negative_scale.empty()) config.scale |= at(r.negative_scale, c) << 8;
    if (biased) {
      const Tensor& bias = *lowered.graph->value(node.inputs[2]).constant;
      config.bias = bias.values<std::int32_t>()[static_cast<std::size_t>(c)];
    }
    configs.push_back(config);
  }
  return configs;
}

}  // namespace

std::string pack_constants(const Lowered& lowered, const Machine& machine,
                           std::vector<std::int64_t>& addresses) {
  const auto count = static_cast<std::int64_t>(lowered.ops.size());
  std::vector<std::string> parts(lowered.ops.size());
  parallel_for(count, 0, [&](std::int64_t i) {
    const LoweredOp& op = lowered.ops[static_cast<std::size_t>(i)];
    if (op.kind != LoweredKind::Conv) return;
    const Instruction instruction = instruction_of(lowered, op, machine);
    const auto* fused = std::get_if<ConvPool>(&instruction);
    const Conv& conv = fused != nullptr ? fused->conv : std::get<Conv>(instruction);
    pack_filters(filter_shape(conv), dense_weights(lowered, op), channel_configs(lowered, op),
                 machine, parts[static_cast<std::size_t>(i)]);
  });
  std::string image;
  std::size_t total = 0;
  for (const std::string& part : parts) total += part.size();
  image.reserve(total);
  for (const std::string& part : parts) {
    addresses.push_back(part.empty() ? 0 : static_cast<std::int64_t>(image.size()));
    image += part;
  }
  return image;
}

}  // namespace workbench::xdnn
