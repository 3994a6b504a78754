// Moves explicit constant padding into the window that reads it, where the result is the same.
#include <algorithm>
#include <limits>

#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"
#include "core/shapes.h"

namespace workbench {

namespace {

bool pads_space_only(const Pad& pad) {
  const auto negative = [](std::int64_t p) { return p < 0; };
  return pad.mode == Pad::Mode::Constant && pad.begin.size() > 2 && pad.begin[0] == 0 &&
         pad.begin[1] == 0 && pad.end[0] == 0 && pad.end[1] == 0 &&
         std::none_of(pad.begin.begin(), pad.begin.end(), negative) &&
         std::none_of(pad.end.begin(), pad.end.end(), negative);
}

bool is_unpadded(const Window& window) {
  const auto zero = [](std::int64_t p) { return p == 0; };
  return std::all_of(window.pads_begin.begin(), window.pads_begin.end(), zero) &&
         std::all_of(window.pads_end.begin(), window.pads_end.end(), zero);
}

// Unsigned codes, or what writes `id` ends in an activation whose results are never below 0.
bool is_rectified(const Graph& graph, ValueId id) {
  if (graph.value(id).type == ElementType::Uint8) return true;
  const auto writer = writer_of(graph, id);
  if (!writer) return false;
  const Activation& activation = activation_of(graph.nodes[*writer].op);
  return activation.kind == Activation::Kind::Relu ||
         (activation.kind == Activation::Kind::Clip && activation.alpha >= 0);
}

// Padding cells never win in a MaxPool. Cells of the lowest value never do either, nor do zeros
// where nothing is below, as long as each window reaches at least one real cell.
bool is_exact_for_max(const Graph& graph, const MaxPool& pool, const Pad& pad, ValueId x) {
  for (std::size_t i = 0; i < pool.window.kernel.size(); ++i) {
    const std::int64_t reach = pool.window.dilations[i] * (pool.window.kernel[i] - 1);
    const bool reaches = pool.window.dilations[i] == 1 &&
                         pad.begin[i + 2] + pool.window.pads_begin[i] <= reach &&
                         pad.end[i + 2] + pool.window.pads_end[i] <= reach;
    if (!reaches) return false;
  }
  const bool is_lowest = pad.value <= std::numeric_limits<float>::lowest();
  return is_lowest || (pad.value == 0 && is_rectified(graph, x));
}

// Whether `node`, reading `x` instead of x padded, can absorb the padding; adjusts its attributes.
bool accepts(const Graph& graph, Node& node, const Pad& pad, ValueId x) {
  if (std::holds_alternative<Conv>(node.op)) return pad.value == 0;
  if (const auto* pool = std::get_if<MaxPool>(&node.op)) {
    return node.outputs.size() == 1 && is_exact_for_max(graph, *pool, pad, x);
  }
  if (auto* pool = std::get_if<AveragePool>(&node.op)) {
    // The padded cells were cells to this pool: they count. With ceil_mode the last windows reach
    // past them, where conventions on what counts differ.
    if (pool->ceil_mode || pad.value != 0) return false;
    if (!pool->count_include_pad && !is_unpadded(pool->window)) return false;
    pool->count_include_pad = true;
    return true;
  }
  return false;
}

bool absorb_pad(Graph& graph, std::size_t n) {
  const auto before = writer_of(graph, operand(graph.nodes[n], 0));
  if (!before) return false;
  const auto* pad = std::get_if<Pad>(&graph.nodes[*before].op);
  if (!pad || !pads_space_only(*pad)) return false;
  Node padded = graph.nodes[n];
  const ValueId x = graph.nodes[*before].inputs[0];
  if (!accepts(graph, padded, *pad, x)) return false;
  Window* window = window_of(padded.op);
  for (std::size_t i = 0; i < window->kernel.size(); ++i) {
    window->pads_begin[i] += pad->begin[i + 2];
    window->pads_end[i] += pad->end[i + 2];
  }
  padded.inputs[0] = x;
  // With ceil_mode the number of windows may depend on what is padding.
  if (output_shapes(graph, padded)[0] != graph.value(padded.outputs[0]).shape) return false;
  record_merged(padded, graph.nodes[*before]);
  // Codes that a file gives the padded value alone are those of what is padded: 0 has one.
  const auto& codes = graph.value(graph.nodes[*before].outputs[0]).quantization;
  if (codes && !graph.value(x).quantization && sole_reader(graph, x) == *before) {
    graph.value(x).quantization = codes;
  }
  graph.nodes[n] = std::move(padded);
  return true;
}

}  // namespace

bool canonicalize_padding(Graph& graph) { return sweep(graph, absorb_pad); }

}  // namespace workbench
