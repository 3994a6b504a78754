#include "compiler/xdnn/pack.h"

#include <algorithm>
#include <span>

#include "core/parallel.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/slice.h"

namespace workbench::xdnn {

namespace {

// Bytes of the weights [out][in][kh][kw] of one instruction: those of the node, or for a block of a
// grouped (or transposed) convolution a dense copy with zeros where groups do not meet.
class DenseWeights {
 public:
  DenseWeights(const Lowered& lowered, const LoweredOp& op) {
    const Node& node = lowered.graph->nodes[static_cast<std::size_t>(op.node)];
    const Tensor& tensor = *lowered.graph->value(node.inputs[1]).constant;
    const auto* forward = std::get_if<workbench::Conv>(&node.op);
    const std::int64_t groups =
        forward != nullptr ? forward->groups : std::get<ConvTranspose>(node.op).groups;
    const std::int64_t out_all = lowered.graph->value(node.outputs[0]).shape[1];
    const std::int64_t in_all = lowered.graph->value(node.inputs[0]).shape[1];
    if (forward != nullptr && groups == 1) {  // the block's filters lie together
      const std::int64_t filter = tensor.size() / out_all;
      const std::int64_t bytes = filter * element_bytes(tensor.type());
      values_ = code_bytes(tensor).subspan(
          static_cast<std::size_t>(op.block.out_begin * bytes),
          static_cast<std::size_t>((op.block.out_end - op.block.out_begin) * bytes));
    } else {
      copy(tensor, forward == nullptr, in_all / groups, out_all / groups, op.block);
    }
  }
  std::span<const std::int8_t> values() const { return values_; }

 private:
  void copy(const Tensor& tensor, bool transposed, std::int64_t in_group, std::int64_t out_group,
            const GroupBlock& b) {
    const std::span<const std::int8_t> w = code_bytes(tensor);
    // Bytes of a filter's kernel for one input channel.
    const std::int64_t area = tensor.dim(2) * tensor.dim(3) * element_bytes(tensor.type());
    const std::int64_t ins = b.in_end - b.in_begin;
    dense_.resize(static_cast<std::size_t>((b.out_end - b.out_begin) * ins * area));
    for (std::int64_t o = b.out_begin; o < b.out_end; ++o) {
      const std::int64_t first_in = o / out_group * in_group;
      const auto to = dense_.begin() + ((o - b.out_begin) * ins + first_in - b.in_begin) * area;
      if (!transposed) {
        std::copy_n(w.begin() + o * in_group * area, in_group * area, to);
        continue;
      }
      for (std::int64_t i = 0; i < in_group; ++i) {
        const std::int64_t from = (first_in + i) * out_group + o % out_group;
        std::copy_n(w.begin() + from * area, area, to + i * area);
      }
    }
    values_ = dense_;
  }

  std::vector<std::int8_t> dense_;
  std::span<const std::int8_t> values_;
};

}  // namespace

std::span<const std::int8_t> code_bytes(const Tensor& tensor) {
  CHECK(is_code(tensor.type()), "{} are no codes", workbench::to_string(tensor.type()));
  return {reinterpret_cast<const std::int8_t*>(tensor.data()),
          static_cast<std::size_t>(tensor.size_bytes())};
}

std::vector<ChannelConfig> channel_configs(const Graph& graph, const Node& node, std::int64_t begin,
                                           std::int64_t end) {
  CHECK(node.requantize.has_value(), "'{}' has no scale", node.name);
  const Requantize& r = *node.requantize;
  const auto at = [](const std::vector<std::int32_t>& list, std::int64_t channel) {
    return std::int64_t{list[list.size() == 1 ? 0 : static_cast<std::size_t>(channel)]};
  };
  const bool biased = node.inputs.size() > 2 && node.inputs[2] != kNoValue;
  std::vector<ChannelConfig> configs;
  for (std::int64_t c = begin; c < end; ++c) {
    ChannelConfig config{.enable = true, .scale = at(r.scale, c), .postshift = at(r.shift, c)};
    if (!r.negative_scale.empty()) config.scale |= at(r.negative_scale, c) << 8;
    if (!r.prescale.empty()) config.preshift = at(r.prescale, c);
    if (biased) {
      const Tensor& bias = *graph.value(node.inputs[2]).constant;
      config.bias = bias.values<std::int32_t>()[static_cast<std::size_t>(c)];
    }
    configs.push_back(config);
  }
  return configs;
}

std::vector<FilterPlace> place_filters(const Lowered& lowered, const Machine& machine) {
  std::vector<FilterPlace> places;
  std::int64_t end = 0;
  for (const LoweredOp& op : lowered.ops) {
    FilterPlace& place = places.emplace_back();
    place.begin = end;
    if (op.kind != LoweredKind::Conv) continue;
    const Instruction instruction = instruction_of(lowered, op, machine);
    const auto* fused = std::get_if<ConvPool>(&instruction);
    place.shape = filter_shape(fused != nullptr ? fused->conv : std::get<Conv>(instruction));
    const MachineOfSlice own(machine, op.slice);
    place.bytes = filter_bytes(place.shape, own.get());
    end += place.bytes;
  }
  return places;
}

std::string pack_constants(const Lowered& lowered, std::span<const FilterPlace> places,
                           const Machine& machine) {
  const std::int64_t end = places.empty() ? 0 : places.back().begin + places.back().bytes;
  std::string image(static_cast<std::size_t>(end), '\0');
  parallel_for(static_cast<std::int64_t>(places.size()), 0, [&](std::int64_t i) {
    const LoweredOp& op = lowered.ops[static_cast<std::size_t>(i)];
    const FilterPlace& place = places[static_cast<std::size_t>(i)];
    if (op.kind != LoweredKind::Conv) return;
    const MachineOfSlice own(machine, op.slice);
    pack_filters(
        place.shape, DenseWeights(lowered, op).values(),
        channel_configs(*lowered.graph, lowered.graph->nodes[static_cast<std::size_t>(op.node)],
                        op.block.out_begin, op.block.out_end),
        own.get(),
        std::span(image).subspan(static_cast<std::size_t>(place.begin),
                                 static_cast<std::size_t>(place.bytes)));
  });
  return image;
}

}  // namespace workbench::xdnn
