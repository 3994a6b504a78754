// Checks of a node's operands and attributes by the shape rules. Every refusal is an Error that
// starts with the node: "node 'NAME' (Op): where: expected ..., found ...".
#include "core/shapes.h"

#include <algorithm>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include "core/graph.h"

namespace workbench {

// Window parameters and results above these are no network: refusing them keeps every product of
// the rules below inside 64 bits.
inline constexpr std::int64_t kMaxParameter = std::int64_t{1} << 20;
inline constexpr std::int64_t kMaxElements = std::int64_t{1} << 40;

class ShapeChecks {
 public:
  ShapeChecks(const Graph& graph, const Node& node) : graph_(graph), node_(node) {}

 protected:
  template <typename... Args>
  [[noreturn]] void refuse(fmt::format_string<Args...> format, Args&&... args) const {
    fail("node '{}' ({}): {}", node_.name, op_name(node_.op),
         fmt::format(format, std::forward<Args>(args)...));
  }

  void check_size(const Shape& shape) const {
    std::int64_t count = 1;
    for (const std::int64_t dim : shape) {
      if (dim < 0) refuse("output: expected dimensions >= 0, found {}", to_string(shape));
      if (dim != 0 && count > kMaxElements / dim) {
        refuse("output: expected at most {} elements, found shape {}", kMaxElements,
               to_string(shape));
      }
      count *= dim;
    }
  }

  bool has(std::size_t i) const { return i < node_.inputs.size() && node_.inputs[i] != kNoValue; }

  const Shape& operand(std::size_t i, std::string_view meaning) const {
    if (!has(i)) {
      refuse("operand {} ({}): expected a value, found none", i, meaning);
    }
    return graph_.value(node_.inputs[i]).shape;
  }

  const Shape& data(std::size_t least_rank = 0) const {
    const Shape& x = operand(0, "x");
    if (x.size() < least_rank) {
      refuse("operand 0 (x): expected rank {} or more, found {}", least_rank, to_string(x));
    }
    return x;
  }

  void expect(std::size_t i, std::string_view meaning, const Shape& expected) const {
    const Shape& found = operand(i, meaning);
    if (found != expected) {
      refuse("operand {} ({}): expected shape {}, found {}", i, meaning, to_string(expected),
             to_string(found));
    }
  }

  void expect_length(std::string_view attribute, std::size_t found, std::size_t expected) const {
    if (found != expected) refuse("{}: expected {} entries, found {}", attribute, expected, found);
  }

  void expect_range(std::string_view attribute, const std::vector<std::int64_t>& values,
                    std::int64_t low, std::int64_t high) const {
    for (const std::int64_t v : values) {
      if (v < low || v > high) {
        refuse("{}: expected values in [{}, {}], found {}", attribute, low, high, v);
      }
    }
  }

  // Index in [0, rank) of an axis that may count from the back.
  std::size_t axis(std::int64_t axis, std::size_t rank) const {
    const auto signed_rank = static_cast<std::int64_t>(rank);
    if (axis < -signed_rank || axis >= signed_rank) {
      refuse("axis: expected a value in [{}, {}), found {}", -signed_rank, signed_rank, axis);
    }
    return static_cast<std::size_t>(axis < 0 ? axis + signed_rank : axis);
  }

  void check(const Window& window, std::size_t rank) const {
    expect_length("kernel_shape", window.kernel.size(), rank);
    expect_length("strides", window.strides.size(), rank);
    expect_length("dilations", window.dilations.size(), rank);
    expect_length("pads (begin)", window.pads_begin.size(), rank);
    expect_length("pads (end)", window.pads_end.size(), rank);
    expect_range("kernel_shape", window.kernel, 1, kMaxParameter);
    expect_range("strides", window.strides, 1, kMaxParameter);
    expect_range("dilations", window.dilations, 1, kMaxParameter);
    expect_range("pads (begin)", window.pads_begin, 0, kMaxParameter);
    expect_range("pads (end)", window.pads_end, 0, kMaxParameter);
  }

  // numpy: aligned at the last dimension, 1 stretches.
  Shape broadcast(const Shape& a, const Shape& b) const {
    Shape out(std::max(a.size(), b.size()));
    for (std::size_t i = 0; i < out.size(); ++i) {  // counted from the back
      const std::int64_t left = i < a.size() ? a[a.size() - 1 - i] : 1;
      const std::int64_t right = i < b.size() ? b[b.size() - 1 - i] : 1;
      if (left != right && left != 1 && right != 1) {
        refuse("operand 1: expected a shape that broadcasts with {}, found {}", to_string(a),
               to_string(b));
      }
      out[out.size() - 1 - i] = left == 1 ? right : left;
    }
    return out;
  }

  const Graph& graph_;
  const Node& node_;
};

std::int64_t window_output_size(std::int64_t input, std::int64_t kernel, std::int64_t stride,
                                std::int64_t dilation, std::int64_t pad_begin, std::int64_t pad_end,
                                bool ceil_mode) {
  const std::int64_t room = input + pad_begin + pad_end - (dilation * (kernel - 1) + 1);
  if (room < 0) return 0;
  std::int64_t size = room / stride + 1;
  if (ceil_mode && room % stride != 0 && size * stride < input + pad_begin) ++size;
  return size;
}

namespace {

// The rules, one overload per op.
class Rules : private ShapeChecks {
 public:
  using ShapeChecks::ShapeChecks;

  std::vector<Shape> run() const {
    std::vector<Shape> shapes = std::visit([&](const auto& op) { return rule(op); }, node_.op);
    for (const Shape& shape : shapes) check_size(shape);
    std::visit([&](const auto& op) { check_bounds(op, shapes[0]); }, node_.op);
    return shapes;
  }

 private:
  template <typename T>
  void check_bounds(const T& op, const Shape& out) const {
    if constexpr (requires { op.activation.bounds; }) {
      const std::size_t bounds = op.activation.bounds.size();
      if (bounds == 0) return;
      if (out.size() < 2)
        refuse("bounds: expected a result with channels, found {}", to_string(out));
      expect_length("bounds", bounds, static_cast<std::size_t>(out[1]));
    }
  }

  // [x[0], channels, one size per window position]
  Shape slide(const Window& window, const Shape& x, std::int64_t channels, bool ceil_mode) const {
    check(window, x.size() - 2);
    Shape out{x[0], channels};
    for (std::size_t i = 0; i < window.kernel.size(); ++i) {
      out.push_back(window_output_size(x[i + 2], window.kernel[i], window.strides[i],
                                       window.dilations[i], window.pads_begin[i],
                                       window.pads_end[i], ceil_mode));
      if (out.back() <= 0) {
        refuse(
            "kernel_shape: expected at most the padded input, {}, in spatial dimension {}, "
            "found {} with dilation {}",
            x[i + 2] + window.pads_begin[i] + window.pads_end[i], i, window.kernel[i],
            window.dilations[i]);
      }
    }
    return out;
  }

  // Weights [first, second, kernel...] of a convolution; returns [first, second].
  std::pair<std::int64_t, std::int64_t> weights(const Window& window, const Shape& x,
                                                std::int64_t groups) const {
    const Shape& w = operand(1, "weights");
    check(window, x.size() - 2);
    const bool kernel_fits =
        w.size() == x.size() && std::equal(w.begin() + 2, w.end(), window.kernel.begin());
    if (!kernel_fits) {
      refuse("operand 1 (weights): expected rank {} ending in the kernel {}, found {}", x.size(),
             to_string(window.kernel), to_string(w));
    }
    check_size(w);
    if (w[0] < 1 || w[1] < 1) {
      refuse("operand 1 (weights): expected at least one channel, found {}", to_string(w));
    }
    if (groups < 1 || groups > kMaxParameter) {
      refuse("group: expected a value in [1, {}], found {}", kMaxParameter, groups);
    }
    return {w[0], w[1]};
  }

  std::vector<Shape> rule(const Conv& op) const {
    const Shape& x = data(3);
    const auto [co, ci] = weights(op.window, x, op.groups);
    if (x[1] % op.groups != 0 || x[1] / op.groups != ci) {
      refuse("operand 1 (weights): expected {} channels / {} groups input channels, found {}", x[1],
             op.groups, ci);
    }
    if (co % op.groups != 0) {
      refuse("operand 1 (weights): expected output channels divisible by {} groups, found {}",
             op.groups, co);
    }
    if (has(2)) expect(2, "bias", {co});
    return {slide(op.window, x, co, false)};
  }

  std::vector<Shape> rule(const ConvTranspose& op) const {
    const Shape& x = data(3);
    const auto [ci, co] = weights(op.window, x, op.groups);
    if (x[1] != ci || ci % op.groups != 0) {
      refuse("operand 1 (weights): expected {} input channels divisible by {} groups, found {}",
             x[1], op.groups, ci);
    }
    if (has(2)) expect(2, "bias", {co * op.groups});
    expect_length("output_padding", op.output_padding.size(), op.window.kernel.size());
    expect_range("output_padding", op.output_padding, 0, kMaxParameter);
    Shape out{x[0], co * op.groups};
    for (std::size_t i = 0; i < op.window.kernel.size(); ++i) {
      const std::int64_t extent = op.window.dilations[i] * (op.window.kernel[i] - 1) + 1;
      out.push_back(op.window.strides[i] * (x[i + 2] - 1) + extent + op.output_padding[i] -
                    op.window.pads_begin[i] - op.window.pads_end[i]);
      if (x[i + 2] < 1 || out.back() < 1) {
        refuse("pads: expected an output size of 1 or more in spatial dimension {}, found {}", i,
               out.back());
      }
    }
    return {out};
  }

  std::vector<Shape> rule(const BatchNorm&) const {
    const Shape& x = data(2);
    constexpr std::string_view kMeanings[] = {"x", "scale", "bias", "mean", "variance"};
    for (std::size_t i = 1; i < std::size(kMeanings); ++i) expect(i, kMeanings[i], {x[1]});
    return {x};
  }

  std::vector<Shape> rule(const Activate& op) const {
    const std::size_t slopes = op.activation.slopes.size();
    if (slopes > 1) expect_length("slopes", slopes, static_cast<std::size_t>(data(2)[1]));
    return {data()};
  }

  std::vector<Shape> rule(const PRelu&) const {
    const Shape& x = data();
    const Shape& slope = operand(1, "slope");
    if (broadcast(x, slope) != x) {
      refuse("operand 1 (slope): expected a shape that broadcasts to {}, found {}", to_string(x),
             to_string(slope));
    }
    return {x};
  }

  std::vector<Shape> rule(const MaxPool& op) const {
    const Shape& x = data(3);
    return std::vector<Shape>(node_.outputs.size() > 1 ? 2 : 1,
                              slide(op.window, x, x[1], op.ceil_mode));
  }
  std::vector<Shape> rule(const AveragePool& op) const {
    const Shape& x = data(3);
    return {slide(op.window, x, x[1], op.ceil_mode)};
  }

  std::vector<Shape> rule(const Binary&) const {
    return {broadcast(operand(0, "a"), operand(1, "b"))};
  }

  std::vector<Shape> rule(const Concat& op) const {
    Shape out = data(1);
    const std::size_t along = axis(op.axis, out.size());
    for (std::size_t i = 1; i < node_.inputs.size(); ++i) {
      const Shape& x = operand(i, "x");
      Shape expected = out;
      if (x.size() == out.size()) expected[along] = x[along];
      if (x != expected) {
        refuse("operand {}: expected the shape {} except along axis {}, found {}", i,
               to_string(data()), along, to_string(x));
      }
      out[along] += x[along];
      check_size(out);
    }
    return {out};
  }

  std::vector<Shape> rule(const Gemm& op) const {
    const Shape& a = operand(0, "a");
    const Shape& b = operand(1, "b");
    if (a.size() != 2) refuse("operand 0 (a): expected rank 2, found {}", to_string(a));
    if (b.size() != 2) refuse("operand 1 (b): expected rank 2, found {}", to_string(b));
    const std::int64_t k = a[op.transpose_a ? 0 : 1];
    if (b[op.transpose_b ? 1 : 0] != k) {
      refuse("operand 1 (b): expected inner dimension {}, found {}", k, to_string(b));
    }
    const Shape out{a[op.transpose_a ? 1 : 0], b[op.transpose_b ? 0 : 1]};
    if (has(2) && broadcast(out, operand(2, "c")) != out) {
      refuse("operand 2 (c): expected a shape that broadcasts to {}, found {}", to_string(out),
             to_string(operand(2, "c")));
    }
    return {out};
  }

  std::vector<Shape> rule(const MatMul&) const {
    Shape a = operand(0, "a");
    Shape b = operand(1, "b");
    if (a.empty()) refuse("operand 0 (a): expected rank 1 or more, found a scalar");
    if (b.empty()) refuse("operand 1 (b): expected rank 1 or more, found a scalar");
    const bool row = a.size() == 1;  // numpy: a vector is a row on the left, a column on the right,
    const bool column = b.size() == 1;  // and that dimension leaves the result
    if (row) a.insert(a.begin(), 1);
    if (column) b.push_back(1);
    if (a.back() != b[b.size() - 2]) {
      refuse("operand 1 (b): expected inner dimension {}, found {}", a.back(),
             to_string(operand(1, "b")));
    }
    Shape out = broadcast(Shape(a.begin(), a.end() - 2), Shape(b.begin(), b.end() - 2));
    if (!row) out.push_back(a[a.size() - 2]);
    if (!column) out.push_back(b.back());
    return {out};
  }

  std::vector<Shape> rule(const Reshape& op) const {
    check_size(op.shape);
    if (element_count(op.shape) != element_count(data())) {
      refuse("shape: expected {} elements as in {}, found {}", element_count(data()),
             to_string(data()), to_string(op.shape));
    }
    return {op.shape};
  }

  std::vector<Shape> rule(const Transpose& op) const {
    const Shape& x = data();
    expect_length("perm", op.permutation.size(), x.size());
    std::vector<bool> used(x.size(), false);
    Shape out;
    for (const std::int64_t p : op.permutation) {
      const std::size_t from = axis(p, x.size());
      if (used[from]) refuse("perm: expected each axis once, found {} twice", p);
      used[from] = true;
      out.push_back(x[from]);
    }
    return {out};
  }

  std::vector<Shape> rule(const Pad& op) const {
    Shape out = data();
    expect_length("pads (begin)", op.begin.size(), out.size());
    expect_length("pads (end)", op.end.size(), out.size());
    expect_range("pads (begin)", op.begin, -kMaxParameter, kMaxParameter);
    expect_range("pads (end)", op.end, -kMaxParameter, kMaxParameter);
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::int64_t widest = std::max(op.begin[i], op.end[i]);
      if (op.mode == Pad::Mode::Reflect && widest >= std::max<std::int64_t>(out[i], 1)) {
        refuse("pads: expected less than the dimension {} to reflect, found {}", out[i], widest);
      }
      const bool repeats = op.mode == Pad::Mode::Edge || op.mode == Pad::Mode::Wrap;
      if (repeats && widest > 0 && out[i] == 0) {
        refuse("pads: expected elements to repeat in axis {}, found none", i);
      }
      out[i] += op.begin[i] + op.end[i];
    }
    return {out};
  }

  std::vector<Shape> rule(const Identity&) const { return {data()}; }
  std::vector<Shape> rule(const Softmax& op) const {
    axis(op.axis, data(1).size());
    return {data()};
  }
  std::vector<Shape> rule(const Lrn& op) const {
    if (op.size < 1 || op.size > kMaxParameter) {
      refuse("size: expected a value in [1, {}], found {}", kMaxParameter, op.size);
    }
    return {data(2)};
  }

  std::vector<Shape> rule(const InstanceNorm&) const {
    const Shape& x = data(3);
    expect(1, "scale", {x[1]});
    expect(2, "bias", {x[1]});
    return {x};
  }

  std::vector<Shape> rule(const Resize& op) const { return resized(op, data(1)); }
  std::vector<Shape> rule(const Interpolate& op) const { return resized(op.resize, data(1)); }
  std::vector<Shape> resized(const Resize& op, const Shape& x) const {
    expect_length("sizes", op.sizes.size(), x.size());
    if (!op.scales.empty()) expect_length("scales", op.scales.size(), x.size());
    if (op.coordinates == Resize::Coordinates::TfCropAndResize) {
      expect_length("roi", op.roi.size(), 2 * x.size());
    }
    expect_range("sizes", op.sizes, 0, std::numeric_limits<std::int32_t>::max());
    if (element_count(x) == 0 && element_count(op.sizes) != 0) {
      refuse("operand 0 (x): expected elements to copy, found {}", to_string(x));
    }
    return {op.sizes};
  }

  const Shape& image(std::int64_t block) const {
    if (data().size() != 4) refuse("operand 0 (x): expected rank 4, found {}", to_string(data()));
    if (block < 1 || block > kMaxParameter) {
      refuse("blocksize: expected a value in [1, {}], found {}", kMaxParameter, block);
    }
    return data();
  }
  std::vector<Shape> rule(const SpaceToDepth& op) const {
    const Shape& x = image(op.block);
    if (x[2] % op.block != 0 || x[3] % op.block != 0) {
      refuse("blocksize: expected a divisor of rows and columns of {}, found {}", to_string(x),
             op.block);
    }
    return {{x[0], x[1] * op.block * op.block, x[2] / op.block, x[3] / op.block}};
  }
  std::vector<Shape> rule(const DepthToSpace& op) const {
    const Shape& x = image(op.block);
    if (x[1] % (op.block * op.block) != 0) {
      refuse("blocksize: expected its square to divide the channels of {}, found {}", to_string(x),
             op.block);
    }
    return {{x[0], x[1] / (op.block * op.block), x[2] * op.block, x[3] * op.block}};
  }

  std::vector<Shape> rule(const Slice& op) const {
    Shape out = data();
    expect_length("starts", op.starts.size(), op.axes.size());
    expect_length("ends", op.ends.size(), op.axes.size());
    expect_length("steps", op.steps.size(), op.axes.size());
    for (std::size_t i = 0; i < op.axes.size(); ++i) {
      const std::size_t along = axis(op.axes[i], out.size());
      const std::int64_t size = data()[along];
      const std::int64_t step = op.steps[i];
      if (step == 0 || step < -kMaxElements || step > kMaxElements) {
        refuse("steps: expected a value in [-{0}, {0}] except 0, found {1}", kMaxElements, step);
      }
      const std::int64_t last = std::max<std::int64_t>(step < 0 ? size - 1 : size, 0);
      expect_range("starts", {op.starts[i]}, 0, last);
      expect_range("ends", {op.ends[i]}, step < 0 ? -1 : 0, size);
      const std::int64_t span = op.ends[i] - op.starts[i];
      const std::int64_t away = step < 0 ? -span : span;
      const std::int64_t stride = step < 0 ? -step : step;
      out[along] = away <= 0 || size == 0 ? 0 : (away + stride - 1) / stride;
    }
    return {out};
  }

  std::vector<Shape> rule(const Reduce& op) const {
    const Shape& x = data();
    std::vector<bool> reduced(x.size(), false);
    for (const std::int64_t a : op.axes) reduced[axis(a, x.size())] = true;
    Shape out;
    for (std::size_t i = 0; i < x.size(); ++i) {
      if (reduced[i] && x[i] == 0) refuse("operand 0 (x): nothing to reduce in {}", to_string(x));
      if (!reduced[i]) out.push_back(x[i]);
      if (reduced[i] && op.keep_dims) out.push_back(1);
    }
    return {out};
  }

  std::vector<Shape> rule(const GridSample&) const {
    const Shape& x = data();
    const Shape& grid = operand(1, "grid");
    if (x.size() != 4 || element_count(x) == 0) {
      refuse("operand 0 (x): expected a filled [N,C,H,W], found {}", to_string(x));
    }
    if (grid.size() != 4 || grid[0] != x[0] || grid[3] != 2) {
      refuse("operand 1 (grid): expected [{},H,W,2], found {}", x[0], to_string(grid));
    }
    return {{x[0], x[1], grid[1], grid[2]}};
  }

  std::vector<Shape> rule(const Where&) const {
    return {broadcast(broadcast(operand(0, "condition"), operand(1, "a")), operand(2, "b"))};
  }

  std::vector<Shape> rule(const Repeat& op) const {
    const Shape& x = data();
    check_size(op.shape);
    bool fits = op.shape.size() >= x.size();
    for (std::size_t i = 0; fits && i < x.size(); ++i) {
      const std::int64_t from = x[x.size() - 1 - i], to = op.shape[op.shape.size() - 1 - i];
      fits = from == 0 ? to == 0 : to % from == 0;
    }
    if (!fits) {
      refuse("shape: expected multiples of the dimensions {}, found {}", to_string(x),
             to_string(op.shape));
    }
    return {op.shape};
  }

  std::vector<Shape> rule(const Gather& op) const {
    const Shape& x = data(1);
    const Shape& indices = operand(1, "indices");
    const auto at = x.begin() + static_cast<std::ptrdiff_t>(axis(op.axis, x.size()));
    Shape out(x.begin(), at);
    out.insert(out.end(), indices.begin(), indices.end());
    out.insert(out.end(), at + 1, x.end());
    return {out};
  }

  // Indices that have x's rank and, except along `axis`, at most its dimensions.
  const Shape& elementwise_indices(std::int64_t along) const {
    const Shape& x = data(1);
    const Shape& indices = operand(1, "indices");
    const std::size_t free = axis(along, x.size());
    bool fits = indices.size() == x.size();
    for (std::size_t i = 0; fits && i < x.size(); ++i) fits = i == free || indices[i] <= x[i];
    if (!fits) {
      refuse("operand 1 (indices): expected at most {} except along axis {}, found {}",
             to_string(x), free, to_string(indices));
    }
    return indices;
  }
  std::vector<Shape> rule(const GatherElements& op) const { return {elementwise_indices(op.axis)}; }
  std::vector<Shape> rule(const ScatterElements& op) const {
    expect(2, "updates", elementwise_indices(op.axis));
    return {data()};
  }

  // Indices [..., depth], each of which names x[batch..., i0, i1, ...]: the dimensions of a result.
  Shape pointed(std::int64_t batch_dims) const {
    const Shape& x = data(1);
    const Shape& indices = operand(1, "indices");
    const auto rank = static_cast<std::int64_t>(x.size());
    const auto index_rank = static_cast<std::int64_t>(indices.size());
    if (batch_dims < 0 || batch_dims >= std::min(rank, index_rank)) {
      refuse("batch_dims: expected a value in [0, {}), found {}", std::min(rank, index_rank),
             batch_dims);
    }
    if (indices.back() < 1 || indices.back() > rank - batch_dims) {
      refuse("operand 1 (indices): expected 1 to {} indices in a row, found {}", rank - batch_dims,
             to_string(indices));
    }
    if (!std::equal(x.begin(), x.begin() + batch_dims, indices.begin())) {
      refuse("operand 1 (indices): expected the first {} dimensions of {}, found {}", batch_dims,
             to_string(x), to_string(indices));
    }
    Shape out(indices.begin(), indices.end() - 1);
    out.insert(out.end(), x.begin() + batch_dims + indices.back(), x.end());
    return out;
  }
  std::vector<Shape> rule(const GatherNd& op) const { return {pointed(op.batch_dims)}; }
  std::vector<Shape> rule(const ScatterNd&) const {
    expect(2, "updates", pointed(0));
    return {data()};
  }

  std::vector<Shape> rule(const ArgReduce& op) const {
    Shape out = data(1);
    const std::size_t along = axis(op.axis, out.size());
    if (out[along] == 0) refuse("operand 0 (x): nothing to compare in {}", to_string(out));
    if (op.keep_dims) {
      out[along] = 1;
    } else {
      out.erase(out.begin() + static_cast<std::ptrdiff_t>(along));
    }
    return {out};
  }

  std::vector<Shape> rule(const TopK& op) const {
    Shape out = data(1);
    const std::size_t along = axis(op.axis, out.size());
    if (op.count < 0 || op.count > out[along]) {
      refuse("k: expected a value in [0, {}], found {}", out[along], op.count);
    }
    out[along] = op.count;
    return {out, out};
  }

  std::vector<Shape> rule(const CumSum& op) const {
    axis(op.axis, data(1).size());
    return {data()};
  }

  std::vector<Shape> rule(const LayerNorm& op) const {
    const Shape& x = data(1);
    axis(op.axis, x.size());
    for (const std::size_t i : {std::size_t{1}, std::size_t{2}}) {
      if ((i == 1 || has(i)) && broadcast(x, operand(i, "scale, bias")) != x) {
        refuse("operand {}: expected a shape that broadcasts to {}, found {}", i, to_string(x),
               to_string(operand(i, "scale, bias")));
      }
    }
    return {x};
  }

  std::vector<Shape> rule(const Recurrent& op) const {
    const Shape& x = data();
    if (x.size() != 3) refuse("operand 0 (x): expected rank 3, found {}", to_string(x));
    if (op.hidden < 1 || op.hidden > kMaxParameter) {
      refuse("hidden_size: expected a value in [1, {}], found {}", kMaxParameter, op.hidden);
    }
    const std::int64_t d = op.directions(), h = op.hidden, rows = op.gates() * h;
    const Shape state{d, x[1], h};
    expect(1, "w", {d, rows, x[2]});
    expect(2, "r", {d, rows, h});
    if (has(3)) expect(3, "b", {d, 2 * rows});
    if (has(4)) expect(4, "initial h", state);
    const bool lstm = op.kind == Recurrent::Kind::Lstm;
    if (!lstm && (has(5) || has(6))) refuse("operand 5 and 6: expected none, found one");
    if (has(5)) expect(5, "initial c", state);
    if (has(6)) expect(6, "p", {d, 3 * h});
    return {{x[0], d, x[1], h}, state, state};
  }

  std::vector<Shape> coded(ValueId id, std::string_view meaning) const {
    const Shape& x = data();
    const auto& quantization = graph_.value(id).quantization;
    if (!quantization) refuse("{}: expected a quantization, found none", meaning);
    const std::size_t steps = quantization->thresholds.size();
    const std::size_t channels =
        steps > 1 ? static_cast<std::size_t>(x[axis(quantization->axis, x.size())]) : 1;
    expect_length("quantization", steps, channels);
    return {x};
  }
  std::vector<Shape> rule(const Quantize&) const { return coded(node_.outputs.at(0), "output 0"); }
  std::vector<Shape> rule(const Dequantize&) const {
    data();
    return coded(node_.inputs[0], "operand 0");
  }
};

}  // namespace

std::vector<Shape> output_shapes(const Graph& graph, const Node& node) {
  return Rules(graph, node).run();
}

bool is_per_channel(const Shape& constant, const Shape& data) {
  if (element_count(constant) == 1) return true;
  if (constant.size() > data.size() || data.size() < 2) return false;
  const std::size_t missing = data.size() - constant.size();
  for (std::size_t i = 0; i < constant.size(); ++i) {
    const bool channel = i + missing == 1;
    if (constant[i] != (channel ? data[1] : 1)) return false;
  }
  return true;
}

}  // namespace workbench
