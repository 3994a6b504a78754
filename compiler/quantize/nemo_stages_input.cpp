#include "compiler/quantize/nemo_stages_input.h"

#include <algorithm>

#include "compiler/quantize/nemo_stages_form.h"

namespace workbench {

bool nemo_input_may_be_shifted(const Graph& form, ValueId id) {
  if (std::ranges::find(form.outputs, id) != form.outputs.end()) return false;
  const auto takes = [&](const Node& node) {
    if (std::ranges::find(node.inputs, id) == node.inputs.end()) return true;
    if (node.inputs[0] != id) return false;
    if (std::holds_alternative<Reshape>(node.op)) {
      return nemo_input_may_be_shifted(form, node.outputs[0]);
    }
    if (std::holds_alternative<BatchNorm>(node.op)) return true;
    return is_nemo_linear(form, node) &&
           (std::holds_alternative<Gemm>(node.op) || form.value(id).shape.size() == 4);
  };
  return std::ranges::all_of(form.nodes, takes);
}

std::vector<std::int64_t> nemo_input_shift(const Graph& form, const Node& layer,
                                           const NemoGrid& weights, std::int64_t zero) {
  if (zero == 0) return {};
  const auto channels = static_cast<std::size_t>(form.value(layer.outputs[0]).shape[1]);
  const auto* gemm = std::get_if<Gemm>(&layer.op);
  const bool by_column = gemm != nullptr && !gemm->transpose_b;
  const std::size_t terms = weights.codes.size() / channels;
  std::vector<std::int64_t> shift(channels, 0);
  for (std::size_t i = 0; i < weights.codes.size(); ++i) {
    shift[by_column ? i % channels : i / terms] -= zero * weights.codes[i];
  }
  return shift;
}

std::optional<Pad> nemo_input_border(const Node& layer, std::int64_t zero) {
  const auto* conv = std::get_if<Conv>(&layer.op);
  if (conv == nullptr || zero == 0) return {};
  Pad pad{.begin = {0, 0}, .end = {0, 0}, .value = static_cast<float>(zero)};
  const Window& window = conv->window;
  pad.begin.insert(pad.begin.end(), window.pads_begin.begin(), window.pads_begin.end());
  pad.end.insert(pad.end.end(), window.pads_end.begin(), window.pads_end.end());
  const auto none = [](std::int64_t p) { return p == 0; };
  if (std::ranges::all_of(pad.begin, none) && std::ranges::all_of(pad.end, none)) return {};
  return pad;
}

Op without_padding(Op conv) {
  Window& window = std::get<Conv>(conv).window;
  std::ranges::fill(window.pads_begin, 0);
  std::ranges::fill(window.pads_end, 0);
  return conv;
}

}  // namespace workbench
