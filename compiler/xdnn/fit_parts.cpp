#include "compiler/xdnn/fit_parts.h"

#include <algorithm>
#include <utility>

#include "core/shapes.h"

namespace workbench::xdnn {

Parts::Parts(Fitting& fitting, std::size_t n)
    : fitting_(fitting), n_(n), node_(fitting.graph.nodes[n]) {}

ValueId Parts::constant(const std::string& suffix, Tensor tensor) {
  Graph& graph = fitting_.graph;
  return graph.add_constant(unique_value_name(graph, fitting_.name + suffix), std::move(tensor));
}

ValueId Parts::add(Op op, const std::vector<ValueId>& inputs) {
  Node node{.name = fitting_.next_part(), .op = std::move(op), .inputs = inputs};
  const Shape shape = output_shapes(fitting_.graph, node)[0];
  node.outputs = {fitting_.graph.add_value({.name = node.name, .shape = shape})};
  nodes_.push_back(std::move(node));
  return nodes_.back().outputs[0];
}

bool Parts::completes(const Op& op, const std::vector<ValueId>& inputs) const {
  const Node node{.name = node_.name, .op = op, .inputs = inputs};
  return output_shapes(fitting_.graph, node)[0] == out();
}

void Parts::finish(Op op, const std::vector<ValueId>& inputs) {
  const bool sum = std::holds_alternative<Binary>(op) && !std::holds_alternative<Binary>(node_.op);
  Node last = node_;
  last.op = std::move(op);
  last.inputs = inputs;
  if (sum) {
    last.name += "_sum";
    last.merged.insert(last.merged.begin(), node_.name);
  }
  CHECK(output_shapes(fitting_.graph, last)[0] == out(), "the parts of '{}' do not make it up",
        node_.name);
  nodes_.push_back(std::move(last));
  std::vector<Node>& nodes = fitting_.graph.nodes;
  const auto at = nodes.erase(nodes.begin() + static_cast<std::ptrdiff_t>(n_));
  nodes.insert(at, std::make_move_iterator(nodes_.begin()), std::make_move_iterator(nodes_.end()));
}

bool runs(const Fitting& fitting, const Op& op, const Shape& x,
          const std::vector<Shape>& constants) {
  Graph graph;
  Node node{.name = "node", .op = op};
  node.inputs = {graph.add_value({.name = "x", .shape = x})};
  for (const Shape& shape : constants) {
    node.inputs.push_back(graph.add_constant(unique_value_name(graph, "constant"), zeros(shape)));
  }
  const Shape shape = output_shapes(graph, node)[0];
  node.outputs = {graph.add_value({.name = "y", .shape = shape})};
  return !fitting.reason(graph, node);
}

Window unit_window() {
  return {.kernel = {1, 1},
          .strides = {1, 1},
          .dilations = {1, 1},
          .pads_begin = {0, 0},
          .pads_end = {0, 0}};
}

Tensor zeros(const Shape& shape) {
  return Tensor::zeros(ElementType::Float32, shape, Layout::Oihw);
}

Tensor one_tap(std::int64_t channels, std::int64_t rows, std::int64_t columns, std::int64_t y,
               std::int64_t x, float value) {
  Tensor taps = zeros({channels, 1, rows, columns});
  const std::span<float> values = taps.mutable_values<float>();
  for (std::int64_t c = 0; c < channels; ++c) {
    values[static_cast<std::size_t>((c * rows + y) * columns + x)] = value;
  }
  return taps;
}

std::optional<std::int64_t> crop_parts(const Fitting& fitting, const Crop& crop) {
  if (crop.none()) return 0;
  const std::int64_t taken = fitting.machine.limits.kernel_max - 1;  // by each convolution
  if (taken < 1) return std::nullopt;
  const std::int64_t most = std::max(crop.top + crop.bottom, crop.left + crop.right);
  const std::int64_t parts = ceil_div(most, taken);
  return parts > kMostParts ? std::nullopt : std::optional(parts);
}

bool too_many_taps(const Shape& weights) {
  std::int64_t taps = 1;
  for (const std::int64_t dim : weights) {
    if (dim > 0 && taps > kMostTaps / dim) return true;
    taps *= dim;
  }
  return false;
}

ValueId crop(Parts& parts, ValueId x, const Crop& crop, std::int64_t kernel_max) {
  CHECK(crop.none() || kernel_max >= 2, "no kernel of one tap takes anything off");
  Crop left = crop;
  // What one kernel can take off; the one tap is where `begin` have been skipped.
  const auto take = [&](std::int64_t& begin, std::int64_t& end) {
    const std::int64_t b = std::min(begin, kernel_max - 1);
    const std::int64_t e = std::min(end, kernel_max - 1 - b);
    begin -= b;
    end -= e;
    return std::pair(b, b + e + 1);
  };
  while (!left.none()) {
    const std::int64_t channels = parts.shape(x)[1];
    const auto [y, rows] = take(left.top, left.bottom);
    const auto [column, columns] = take(left.left, left.right);
    workbench::Conv conv{.window = unit_window(), .groups = channels};
    conv.window.kernel = {rows, columns};
    const ValueId taps = parts.constant("_tap", one_tap(channels, rows, columns, y, column));
    x = parts.add(conv, {x, taps});
  }
  return x;
}

void finish_sum(Parts& parts, const std::vector<ValueId>& terms, const Activation& activation) {
  CHECK(terms.size() >= 2, "a sum of {} terms", terms.size());
  ValueId sum = terms[0];
  for (std::size_t i = 1; i + 1 < terms.size(); ++i) {
    sum = parts.add(Binary{.kind = Binary::Kind::Add}, {sum, terms[i]});
  }
  parts.finish(Binary{.kind = Binary::Kind::Add, .activation = activation}, {sum, terms.back()});
}

Tensor picking_weights(std::int64_t channels, std::int64_t begin, std::int64_t end) {
  Tensor weights = zeros({end - begin, channels, 1, 1});
  const std::span<float> values = weights.mutable_values<float>();
  for (std::int64_t c = begin; c < end; ++c) {
    values[static_cast<std::size_t>((c - begin) * channels + c)] = 1;
  }
  return weights;
}

}  // namespace workbench::xdnn
