#include <algorithm>

#include "compiler/xdnn/fit_parts.h"
#include "core/shapes.h"

namespace workbench::xdnn {

// --- pools ---------------------------------------------------------------------------------------

// Pools beyond the machine's limits.

namespace {

// One dimension of a pool as two: windows of k1 every s1 pixels, then k2 every s2 of those.
struct Stages {
  std::int64_t k1 = 1, s1 = 1, pad_begin1 = 0, pad_end1 = 0;
  std::int64_t k2 = 1, s2 = 1, pad_begin2 = 0, pad_end2 = 0;
};

struct Dimension {
  std::int64_t kernel, stride, pad, in, out;
};

Dimension dimension(const Window& window, const Shape& in, const Shape& out, std::size_t i) {
  return {window.kernel[i], window.strides[i], window.pads_begin[i], in[i + 2], out[i + 2]};
}

// Completes k1, s1, k2, s2: windows of the first stage that lie in the padding become padding of
// the second; reads beyond the map are padding of one of them for any ceil_mode. False when the
// sizes do not come out.
bool pad_stages(const Dimension& d, Stages& stages) {
  Stages& s = stages;
  s.pad_begin2 = d.pad > s.k1 - 1 ? ceil_div(d.pad - (s.k1 - 1), s.s1) : 0;
  s.pad_begin1 = d.pad - s.s1 * s.pad_begin2;
  const std::int64_t wanted = (d.out - 1) * s.s2 + s.k2;  // results of the first, or padding
  std::int64_t last = wanted - 1;
  while (last > s.pad_begin2 && last * s.s1 - d.pad >= d.in) --last;
  s.pad_end1 = std::max<std::int64_t>(0, last * s.s1 + s.k1 - d.pad - d.in);
  const std::int64_t first_out =
      window_output_size(d.in, s.k1, s.s1, 1, s.pad_begin1, s.pad_end1, false);
  s.pad_end2 = std::max<std::int64_t>(0, wanted - s.pad_begin2 - first_out);
  return first_out > 0 &&
         window_output_size(first_out, s.k2, s.s2, 1, s.pad_begin2, s.pad_end2, false) == d.out;
}

// The strides that pools of the machine may have.
std::vector<std::int64_t> pool_strides(const Fitting& fitting) {
  std::vector<std::int64_t> strides;
  for (std::int64_t s = 1; s <= fitting.machine.limits.stride_max; ++s) {
    Window window = unit_window();
    window.strides = {s, s};
    if (runs(fitting, MaxPool{.window = window}, {1, 1, s, s})) strides.push_back(s);
  }
  return strides;
}

// The stages with the largest first one. A maximum may see a pixel twice, an average may not.
std::optional<Stages> stages_of(const Dimension& d, std::int64_t kernel_max,
                                const std::vector<std::int64_t>& strides, bool average) {
  const auto has = [&](std::int64_t s) {
    return std::find(strides.begin(), strides.end(), s) != strides.end();
  };
  if (d.kernel <= kernel_max && has(d.stride)) {
    Stages whole{.k2 = d.kernel, .s2 = d.stride};
    return pad_stages(d, whole) ? std::optional(whole) : std::nullopt;
  }
  std::optional<Stages> best;
  for (const std::int64_t s1 : strides) {
    if (d.out > 1 && d.stride % s1 != 0) continue;
    for (std::int64_t k1 = s1; k1 <= std::min(kernel_max, d.kernel); ++k1) {
      if ((average && k1 != s1) || (d.kernel - k1) % s1 != 0 || k1 * s1 == 1) continue;
      Stages stages{.k1 = k1, .s1 = s1, .k2 = (d.kernel - k1) / s1 + 1};
      stages.s2 = d.out > 1 ? d.stride / s1 : 1;
      if (d.out == 1 && !pad_stages(d, stages)) stages.s2 = stages.k2;
      if (pad_stages(d, stages) && (!best || stages.k2 < best->k2)) best = stages;
    }
  }
  return best;
}

struct Pool {
  Window window;
  bool average = false;
};

std::optional<Pool> pool_of(const Node& node) {
  if (const auto* max = std::get_if<workbench::MaxPool>(&node.op)) {
    if (node.outputs.size() > 1) return std::nullopt;
    return Pool{max->window, false};
  }
  if (const auto* average = std::get_if<AveragePool>(&node.op)) {
    return Pool{average->window, true};
  }
  return std::nullopt;
}

bool unpadded(const Window& window) {
  const auto zero = [](std::int64_t p) { return p == 0; };
  return std::all_of(window.pads_begin.begin(), window.pads_begin.end(), zero) &&
         std::all_of(window.pads_end.begin(), window.pads_end.end(), zero);
}

bool ends_inside(const Dimension& d) { return (d.out - 1) * d.stride + d.kernel <= d.in + d.pad; }

}  // namespace

// Of the largest of the largest, and of averages of as many pixels each, where windows of the
// second pool meet whole windows of the first.
bool split_pool(Fitting& fitting, std::size_t n) {
  const auto pool = pool_of(fitting.graph.nodes[n]);
  const std::vector<std::int64_t> flat{1, 1};
  if (!pool || pool->window.kernel.size() != 2 || pool->window.dilations != flat) return false;
  Parts parts(fitting, n);
  if (pool->average && !unpadded(pool->window)) return false;
  const std::vector<std::int64_t> strides = pool_strides(fitting);
  Window first = unit_window(), second = unit_window();
  for (std::size_t i = 0; i < 2; ++i) {
    const Dimension d = dimension(pool->window, parts.in(), parts.out(), i);
    if (pool->average && !ends_inside(d)) return false;
    const auto stages = stages_of(d, fitting.machine.limits.kernel_max, strides, pool->average);
    if (!stages) return false;
    first.kernel[i] = stages->k1, first.strides[i] = stages->s1;
    first.pads_begin[i] = stages->pad_begin1, first.pads_end[i] = stages->pad_end1;
    second.kernel[i] = stages->k2, second.strides[i] = stages->s2;
    second.pads_begin[i] = stages->pad_begin2, second.pads_end[i] = stages->pad_end2;
  }
  if (first == unit_window()) return false;
  const auto op = [&](const Window& window) -> Op {
    if (pool->average) return AveragePool{.window = window};
    return workbench::MaxPool{.window = window};
  };
  const ValueId middle = parts.add(op(first), {parts.node().inputs[0]});
  parts.finish(op(second), {middle});
  return true;
}

bool average_to_conv(Fitting& fitting, std::size_t n) {
  const Node& node = fitting.graph.nodes[n];
  const auto* pool = std::get_if<AveragePool>(&node.op);
  if (pool == nullptr || pool->window.kernel.size() != 2) return false;
  // Each window is divided by its whole area only where padding counts and none is left out.
  if (!pool->count_include_pad && !unpadded(pool->window)) return false;
  Parts parts(fitting, n);
  if (parts.in().size() != 4 || parts.in()[0] != 1) return false;
  const Window window = pool->window;
  for (std::size_t i = 0; i < 2; ++i) {
    Dimension d = dimension(window, parts.in(), parts.out(), i);
    d.in += window.pads_end[i];
    if (window.dilations[i] != 1 || !ends_inside(d)) return false;
  }
  const std::int64_t channels = parts.in()[1];
  const std::int64_t rows = window.kernel[0], columns = window.kernel[1];
  Tensor weights = zeros({channels, 1, rows, columns});
  const std::span<float> values = weights.mutable_values<float>();
  std::fill(values.begin(), values.end(), 1.0F / static_cast<float>(rows * columns));
  const workbench::Conv conv{.window = window, .groups = channels};
  const ValueId x = node.inputs[0];
  if (!parts.completes(conv, {x, parts.constant("_mean", weights)})) return false;
  parts.finish(conv, {x, parts.constant("_mean", std::move(weights))});
  return true;
}

// --- other names ---------------------------------------------------------------------------------

// Ops that the overlay only has under another name, most of them as convolutions.

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
  if (too_many_taps({out[1], 1, window.kernel[0], window.kernel[1]})) return false;
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
  if (too_many_taps({in[1], 1, rows, columns})) return false;
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
