// Ops that the overlay only has under another name, most of them as convolutions.
#include <algorithm>

#include "compiler/xdnn/fit_rewrites.h"
#include "core/shapes.h"

namespace workbench::xdnn {

namespace {

workbench::Conv depthwise(std::int64_t channels) {
  return {.window = unit_window(), .groups = channels};
}

bool is_image(const Shape& shape) { return shape.size() == 4 && shape[0] == 1; }

// Rows or columns start, start + step ... of a map as a window of one tap.
struct Cut {
  std::int64_t start = 0, step = 1, count = 0;
  std::int64_t behind(std::int64_t size) const {  // taps after the one that counts
    return std::max<std::int64_t>(0, size - start - count * step);
  }
};

// x2 - the largest power of two not above `limit` that divides `factor`, or `factor` itself.
std::int64_t first_factor(std::int64_t factor, std::int64_t limit) {
  std::int64_t first = 1;
  while (factor % (first * 2) == 0 && first * 2 <= limit) first *= 2;
  return first;
}

workbench::Resize repeating(const Shape& shape, const Shape& in) {
  workbench::Resize op;
  op.sizes = shape;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    op.scales.push_back(static_cast<float>(shape[i]) / static_cast<float>(in[i]));
  }
  return op;
}

// Pixel y of the result is pixel floor(y / factor) of the operand, as in support.cpp.
bool repeats_evenly(const workbench::Resize& op) {
  using Coordinates = workbench::Resize::Coordinates;
  using Nearest = workbench::Resize::Nearest;
  if (op.coordinates == Coordinates::Asymmetric) return op.nearest == Nearest::Floor;
  const bool half =
      op.coordinates == Coordinates::HalfPixel || op.coordinates == Coordinates::PytorchHalfPixel;
  return half &&
         (op.nearest == Nearest::RoundPreferFloor || op.nearest == Nearest::RoundPreferCeil);
}

}  // namespace

bool subtract_to_add(Fitting& fitting, std::size_t n) {
  const Node& node = fitting.graph.nodes[n];
  const auto* binary = std::get_if<Binary>(&node.op);
  if (binary == nullptr || binary->kind != Binary::Kind::Sub) return false;
  Parts parts(fitting, n);
  const Shape shape = parts.out();
  if (!is_image(shape) || parts.shape(node.inputs[1]) != shape || parts.in() != shape) return false;
  if (is_constant(fitting.graph, node.inputs[0]) || is_constant(fitting.graph, node.inputs[1])) {
    return false;
  }
  const ValueId minus = parts.constant("_minus", one_tap(shape[1], 1, 1, 0, 0, -1));
  const Activation activation = binary->activation;
  const ValueId first = node.inputs[0];
  const ValueId negated = parts.add(depthwise(shape[1]), {node.inputs[1], minus});
  parts.finish(Binary{.kind = Binary::Kind::Add, .activation = activation}, {first, negated});
  return true;
}

bool pad_to_conv(Fitting& fitting, std::size_t n) {
  const Node& node = fitting.graph.nodes[n];
  const auto* pad = std::get_if<Pad>(&node.op);
  if (pad == nullptr || pad->mode != Pad::Mode::Constant || pad->value != 0) return false;
  Parts parts(fitting, n);
  if (!is_image(parts.in()) || !is_image(parts.out())) return false;
  workbench::Conv conv = depthwise(parts.in()[1]);
  if (pad->begin[1] != 0 || pad->end[1] != 0) return false;
  conv.window.pads_begin = {pad->begin[2], pad->begin[3]};
  conv.window.pads_end = {pad->end[2], pad->end[3]};
  const ValueId x = node.inputs[0];
  parts.finish(conv, {x, parts.constant("_ones", one_tap(conv.groups, 1, 1, 0, 0))});
  return true;
}

bool slice_to_conv(Fitting& fitting, std::size_t n) {
  const Node& node = fitting.graph.nodes[n];
  const auto* slice = std::get_if<Slice>(&node.op);
  if (slice == nullptr) return false;
  Parts parts(fitting, n);
  const Shape in = parts.in(), out = parts.out();
  if (!is_image(in) || !is_image(out) || element_count(out) == 0) return false;
  Cut cuts[4];
  for (std::size_t i = 0; i < 4; ++i) cuts[i].count = out[i];
  for (std::size_t i = 0; i < slice->axes.size(); ++i) {
    if (slice->steps[i] < 1) return false;
    Cut& cut = cuts[static_cast<std::size_t>(normalized_axis(slice->axes[i], 4))];
    cut.start = slice->starts[i];
    cut.step = slice->steps[i];
  }
  const bool channels = out[1] != in[1];
  if (channels && cuts[1].step != 1) return false;
  const Cut& rows = cuts[2];
  const Cut& columns = cuts[3];
  Window window = unit_window();
  window.kernel = {rows.start + 1 + rows.behind(in[2]), columns.start + 1 + columns.behind(in[3])};
  window.strides = {rows.step, columns.step};
  const bool spatial = window != unit_window();
  if (!spatial && !channels) return false;
  ValueId x = node.inputs[0];
  workbench::Conv pick{.window = unit_window()};
  if (channels) {
    const std::int64_t begin = cuts[1].start, end = begin + out[1];
    if (!runs(fitting, pick, in, {{out[1], in[1], 1, 1}})) return false;
    const ValueId weights = parts.constant("_pick", picking_weights(in[1], begin, end));
    if (!spatial) {
      parts.finish(pick, {x, weights});
      return true;
    }
    x = parts.add(pick, {x, weights});
  }
  const workbench::MaxPool pool{.window = window};
  if (window.kernel == std::vector<std::int64_t>{1, 1} &&
      runs(fitting, pool, {1, out[1], in[2], in[3]})) {
    parts.finish(pool, {x});  // as it is, code by code
    return true;
  }
  workbench::Conv conv = depthwise(out[1]);
  conv.window = window;
  parts.finish(conv, {x, parts.constant("_tap", one_tap(out[1], window.kernel[0], window.kernel[1],
                                                        rows.start, columns.start))});
  return true;
}

// Depth ((by * block + bx) * channels + c) is pixel (by, bx) of the block of channel c; with CRD
// (c * block + by) * block + bx.
bool reorganize_to_conv(Fitting& fitting, std::size_t n) {
  const Node& node = fitting.graph.nodes[n];
  const auto* to_depth = std::get_if<SpaceToDepth>(&node.op);
  const auto* to_space = std::get_if<DepthToSpace>(&node.op);
  if (to_depth == nullptr && to_space == nullptr) return false;
  Parts parts(fitting, n);
  if (!is_image(parts.in())) return false;
  const std::int64_t block = to_depth != nullptr ? to_depth->block : to_space->block;
  const bool channel_first = to_space != nullptr && to_space->column_row_depth;
  const std::int64_t wide = to_depth != nullptr ? parts.in()[1] : parts.out()[1];
  const std::int64_t deep = wide * block * block;
  // Conv weights are [out, in], ConvTranspose weights [in, out]: the deep side first in both.
  Tensor weights = zeros({deep, wide, block, block});
  const std::span<float> values = weights.mutable_values<float>();
  for (std::int64_t pixel = 0; pixel < block * block; ++pixel) {
    for (std::int64_t c = 0; c < wide; ++c) {
      const std::int64_t d = channel_first ? c * block * block + pixel : pixel * wide + c;
      values[static_cast<std::size_t>((d * wide + c) * block * block + pixel)] = 1;
    }
  }
  Window window = unit_window();
  window.kernel = window.strides = {block, block};
  const ValueId x = node.inputs[0];
  const ValueId taps = parts.constant("_taps", std::move(weights));
  if (to_depth != nullptr) {
    parts.finish(workbench::Conv{.window = window}, {x, taps});
  } else {
    parts.finish(ConvTranspose{.window = window, .output_padding = {0, 0}}, {x, taps});
  }
  return true;
}

bool split_upsample(Fitting& fitting, std::size_t n) {
  const Node& node = fitting.graph.nodes[n];
  const auto* resize = std::get_if<workbench::Resize>(&node.op);
  if (resize == nullptr || !repeats_evenly(*resize)) return false;
  Parts parts(fitting, n);
  const Shape in = parts.in(), out = parts.out();
  if (!is_image(in) || !is_image(out) || in[1] != out[1]) return false;
  if (out[2] % in[2] != 0 || out[3] % in[3] != 0) return false;
  const std::int64_t rows = out[2] / in[2], columns = out[3] / in[3];
  const std::int64_t limit = fitting.machine.limits.upsample_max;
  Shape middle = in;
  middle[2] *= first_factor(rows, limit);
  middle[3] *= first_factor(columns, limit);
  const ValueId x = node.inputs[0];
  if (middle != in && middle != out && runs(fitting, repeating(middle, in), in)) {
    parts.finish(repeating(out, middle), {parts.add(repeating(middle, in), {x})});
    return true;
  }
  // Each pixel spread over a window of ones that no other reaches.
  ConvTranspose spread{.window = unit_window(), .groups = in[1], .output_padding = {0, 0}};
  spread.window.kernel = spread.window.strides = {rows, columns};
  parts.finish(spread, {x, parts.constant("_ones", [&] {
                          Tensor ones = zeros({in[1], 1, rows, columns});
                          const std::span<float> values = ones.mutable_values<float>();
                          std::fill(values.begin(), values.end(), 1.0F);
                          return ones;
                        }())});
  return true;
}

}  // namespace workbench::xdnn
