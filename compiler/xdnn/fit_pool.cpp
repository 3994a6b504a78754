// Pools beyond the machine's limits.
#include <algorithm>

#include "compiler/xdnn/fit_rewrites.h"
#include "core/shapes.h"

namespace workbench::xdnn {

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

// Completes k1, s1, k2, s2: windows of the first stage that would only see padding are padding of
// the second; what is read beyond the map is padding of one of them, whatever ceil_mode was. False
// when the sizes do not come out.
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

}  // namespace workbench::xdnn
