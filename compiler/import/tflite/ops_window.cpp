// Convolutions, pools, resizing and matrix products.
#include <algorithm>

#include "compiler/import/tflite/converter.h"
#include "core/error.h"

namespace workbench::importer::tflite {

namespace {

constexpr std::int64_t kMaxParameter = std::int64_t{1} << 20;
constexpr int kSame = 0, kValid = 1;

const Integers kChannelsFirst{0, 3, 1, 2};

// One axis of a window over a map.
struct Axis {
  std::int64_t size, kernel, stride, dilation = 1;
  std::int64_t begin = 0, end = 0;

  std::int64_t reach() const { return (kernel - 1) * dilation + 1; }
  std::int64_t results() const { return (size + begin + end - reach()) / stride + 1; }
};

void check(const Step& step, const Axis& axis) {
  for (const std::int64_t v : {axis.kernel, axis.stride, axis.dilation}) {
    if (v >= 1 && v <= kMaxParameter) continue;
    step.refuse("expected kernels, strides and dilations in [1, {}], found {}", kMaxParameter, v);
  }
}

// SAME: as many results as ceil(size / stride), the odd row of padding at the end.
void pad(const Step& step, Axis& axis, int padding) {
  check(step, axis);
  if (padding != kSame && padding != kValid) {
    step.refuse("padding: expected 0 or 1, found {}", padding);
  }
  if (padding == kSame) {
    const std::int64_t results = (axis.size + axis.stride - 1) / axis.stride;
    const std::int64_t total =
        std::max<std::int64_t>((results - 1) * axis.stride + axis.reach() - axis.size, 0);
    axis.begin = total / 2;
    axis.end = total - axis.begin;
  }
  if (axis.size + axis.begin + axis.end < axis.reach()) {
    step.refuse("expected a window that fits the map of {}, found one of {}", axis.size,
                axis.reach());
  }
}

void set_window(const Step& step, const Axis& h, const Axis& w) {
  step.set("kernel_shape", Integers{h.kernel, w.kernel});
  step.set("strides", Integers{h.stride, w.stride});
  step.set("pads", Integers{h.begin, w.begin, h.end, w.end});
}

// The real bias of a layer. 32-bit codes are in steps of the accumulator (1.2).
std::string bias(Step& step, std::size_t i, std::size_t x, std::size_t w) {
  Converter& net = step.net;
  const int id = step.in(i);
  const auto& in = net.info(step.in(x)).scales;
  const auto& weights = net.info(step.in(w)).scales;
  const Type type = net.info(id).type;
  if (!net.is_constant(id) || !in || !weights || (type != Type::Int32 && type != Type::Int64)) {
    return net.value(id);
  }
  Scales scales{.scales = {}, .zero_points = {}};
  for (const float scale : weights->scales) scales.scales.push_back(in->scales[0] * scale);
  scales.zero_points.assign(scales.scales.size(), 0);
  const Tensor codes = net.stored(id);
  if (codes.rank() != 1 || (scales.scales.size() > 1 &&
                            codes.dim(0) != static_cast<std::int64_t>(scales.scales.size()))) {
    step.refuse("input {} (bias): expected one number per channel, found shape {}", i,
                to_string(codes.shape()));
  }
  const std::string& name = net.name_of(id);
  if (type == Type::Int32) {
    return net.dequantized(name, codes, scales.scales, scales.zero_points, 0);
  }
  return net.model().constant(name, real_numbers(codes, scales));
}

// x, weights and, if there is one, the bias.
std::vector<std::string> operands(Step& step, const Integers& weight_order, std::size_t x,
                                  std::size_t w, std::size_t b) {
  std::vector<std::string> list{step.value(x, kChannelsFirst),
                                step.net.weights(step.in(w), weight_order, step.is_code(x))};
  if (step.has(b)) list.push_back(bias(step, b, x, w));
  return list;
}

template <typename T>
const T& required(const Step& step, wire::Options kind) {
  const T* options = options_of<T>(step.op, kind);
  if (options == nullptr) step.refuse("expected builtin_options, found none of its kind");
  return *options;
}

void convolve(Step& step, const Integers& weight_order, std::int64_t groups, Axis h, Axis w,
              int padding, int activation, std::int64_t channels) {
  pad(step, h, padding);
  pad(step, w, padding);
  const std::string sums = step.emit("Conv", operands(step, weight_order, 0, 1, 2));
  set_window(step, h, w);
  step.set("dilations", Integers{h.dilation, w.dilation});
  step.set("group", groups);
  const Shape shape{step.shape(0)[0], h.results(), w.results(), channels};
  step.finish(step.activated(sums, activation), shape, kChannelsFirst);
}

// Weights are O, H, W, I; fewer input channels than the map has make groups.
void convert_conv(Step& step) {
  const auto& options = required<wire::Conv2D>(step, wire::Options::Conv2D);
  step.want_rank(0, 4);
  step.want_rank(1, 4);
  const Shape &x = step.shape(0), &w = step.shape(1);
  if (w[3] < 1 || x[3] % w[3] != 0 || w[0] % (x[3] / w[3]) != 0) {
    step.refuse("input 1 (weights): expected {} input channels or a part of them, found shape {}",
                x[3], to_string(w));
  }
  const Axis rows{x[1], w[1], options.stride_h(), options.dilation_h()};
  const Axis columns{x[2], w[2], options.stride_w(), options.dilation_w()};
  convolve(step, {0, 3, 1, 2}, x[3] / w[3], rows, columns, options.padding(), options.activation(),
           w[0]);
}

// Weights are 1, H, W, C * multiplier: the results of a channel are neighbours.
void convert_depthwise(Step& step) {
  const auto& options = required<wire::DepthwiseConv2D>(step, wire::Options::DepthwiseConv2D);
  step.want_rank(0, 4);
  step.want_rank(1, 4);
  const Shape &x = step.shape(0), &w = step.shape(1);
  if (w[0] != 1 || x[3] < 1 || w[3] % x[3] != 0) {
    step.refuse("input 1 (weights): expected [1, height, width, a multiple of {}], found {}", x[3],
                to_string(w));
  }
  const Axis rows{x[1], w[1], options.stride_h(), options.dilation_h()};
  const Axis columns{x[2], w[2], options.stride_w(), options.dilation_w()};
  convolve(step, {3, 0, 1, 2}, x[3], rows, columns, options.padding(), options.activation(), w[3]);
}

// One axis of a transposed convolution whose result has `size`: what sticks out is cut, and what
// the windows do not reach is filled.
struct Spread {
  std::int64_t begin = 0, end = 0, added = 0;
};

Spread spread(const Step& step, std::int64_t size, std::int64_t in, std::int64_t kernel,
              std::int64_t stride, int padding) {
  Axis axis{size, kernel, stride};
  pad(step, axis, padding);
  const std::int64_t full = (in - 1) * stride + kernel;
  Spread result{.begin = axis.begin, .end = full - axis.begin - size};
  if (result.end < 0) {
    result.added = -result.end;
    result.end = 0;
  }
  if (axis.results() != in || result.added >= stride) {
    step.refuse("input 0 (output shape): expected sizes that give a map of {}, found {}", in, size);
  }
  return result;
}

// Operands: the result's shape, weights O, H, W, I, the map, and perhaps a bias.
void convert_transpose_conv(Step& step) {
  const auto& options = required<wire::TransposeConv>(step, wire::Options::TransposeConv);
  step.want_rank(1, 4);
  step.want_rank(2, 4);
  const Integers wanted = step.integers(0, "output shape");
  const Shape &w = step.shape(1), &x = step.shape(2);
  if (wanted.size() != 4 || wanted[0] != x[0] || wanted[3] != w[0] || w[3] != x[3]) {
    step.refuse("input 0 (output shape): expected [{}, height, width, {}], found {}", x[0], w[0],
                to_string(wanted));
  }
  const Spread h = spread(step, wanted[1], x[1], w[1], options.stride_h(), options.padding());
  const Spread v = spread(step, wanted[2], x[2], w[2], options.stride_w(), options.padding());
  const std::string sums = step.emit("ConvTranspose", operands(step, {3, 0, 1, 2}, 2, 1, 3));
  step.set("kernel_shape", Integers{w[1], w[2]});
  step.set("strides", Integers{options.stride_h(), options.stride_w()});
  step.set("pads", Integers{h.begin, v.begin, h.end, v.end});
  step.set("output_padding", Integers{h.added, v.added});
  step.finish(step.activated(sums, options.activation()), wanted, kChannelsFirst);
}

void convert_pool(Step& step) {
  const auto& options = required<wire::Pool2D>(step, wire::Options::Pool2D);
  step.want_rank(0, 4);
  const Shape& x = step.shape(0);
  Axis h{x[1], options.filter_height(), options.stride_h()};
  Axis w{x[2], options.filter_width(), options.stride_w()};
  pad(step, h, options.padding());
  pad(step, w, options.padding());
  const bool is_max = step.op.name == "MAX_POOL_2D";
  const std::string pooled =
      step.emit(is_max ? "MaxPool" : "AveragePool", {step.value(0, kChannelsFirst)});
  set_window(step, h, w);
  step.finish(step.activated(pooled, options.activation()), {x[0], h.results(), w.results(), x[3]},
              kChannelsFirst);
}

// [rows, in] of an operand of any rank: the last dimensions that make up `in`.
struct Rows {
  std::int64_t rows = 0, in = 0;
};

Rows rows_of(const Step& step, const Shape& x, std::int64_t in) {
  const std::int64_t elements = element_count(x);
  if (in < 1 || elements % in != 0) {
    step.refuse("input 0: expected a multiple of {} numbers, found shape {}", in, to_string(x));
  }
  return {elements / in, in};
}

// The operand as rows. A map that the product flattens stays in the order of the model, and the
// columns of constant weights [out, in] are put in that order instead.
std::pair<std::string, std::string> rows_and_weights(Step& step, const Rows& rows) {
  Converter& net = step.net;
  const int x = step.in(0), w = step.in(1);
  const Shape flat{rows.rows, rows.in};
  const std::string& name = net.name_of(x);
  const bool as_codes = step.is_code(0);
  if (!net.is_constant(x) && net.is_constant(w)) {
    const View view = net.view(x);
    if (!view.is_plain() && net.shape(x) == flat) {
      return {view.value, net.map_weights(w, view.map, view.order, as_codes)};
    }
    const bool is_map = view.is_plain() && net.shape(x).size() > 2 &&
                        net.shape(x)[0] == rows.rows && view.permutation[0] == 0 &&
                        view.permutation != identity_order(view.permutation.size());
    if (is_map) {
      const Shape map(net.shape(x).begin() + 1, net.shape(x).end());
      Integers order;
      for (std::size_t d = 1; d < view.permutation.size(); ++d) {
        order.push_back(view.permutation[d] - 1);
      }
      return {net.reshaped(view.value, {}, flat, name), net.map_weights(w, map, order, as_codes)};
    }
  }
  return {net.reshaped(net.value(x), net.shape(x), flat, name), net.weights(w, {0, 1}, as_codes)};
}

void convert_fully_connected(Step& step) {
  const auto* options = options_of<wire::FullyConnected>(step.op, wire::Options::FullyConnected);
  step.want_rank(1, 2);
  if (options != nullptr && options->weights_format() != 0) {
    step.refuse("weights_format: expected 0, found {}", options->weights_format());
  }
  const Shape x = step.shape(0);
  const std::int64_t out = step.shape(1)[0];
  const Rows rows = rows_of(step, x, step.shape(1)[1]);
  auto [left, right] = rows_and_weights(step, rows);
  std::vector<std::string> list{left, right};
  if (step.has(2)) list.push_back(bias(step, 2, 0, 1));
  std::string sums = step.emit("Gemm", list);
  step.set("transB", std::int64_t{1});
  Shape shape{rows.rows, out};
  std::string result = step.activated(sums, options == nullptr ? 0 : options->activation());
  if (options != nullptr && options->keep_num_dims()) {
    Shape kept(x.begin(), x.end() - 1);
    kept.push_back(out);
    if (element_count(kept) != element_count(shape)) {
      step.refuse("keep_num_dims: expected rows of {}, found shape {}", rows.in, to_string(x));
    }
    result = step.net.reshaped(result, shape, kept, step.name);
    shape = kept;
  }
  step.finish(result, shape);
}

Integers swapped_ends(std::size_t rank) {
  Integers order = identity_order(rank);
  std::swap(order[rank - 1], order[rank - 2]);
  return order;
}

void convert_batch_matmul(Step& step) {
  const auto* options = options_of<wire::BatchMatMul>(step.op, wire::Options::BatchMatMul);
  std::vector<std::string> list;
  std::vector<Shape> shapes;
  for (const std::size_t i : {std::size_t{0}, std::size_t{1}}) {
    if (step.rank(i) < 2) step.refuse("input {}: expected a matrix, found a list", i);
    const bool adjoint =
        options != nullptr && (i == 0 ? options->adjoint_x() : options->adjoint_y());
    const Integers order = adjoint ? swapped_ends(step.rank(i)) : identity_order(step.rank(i));
    list.push_back(step.value(i, order));
    shapes.push_back(permuted(step.shape(i), order));
  }
  const Shape &a = shapes[0], &b = shapes[1];
  Shape batch_a(a.begin(), a.end() - 2), batch_b(b.begin(), b.end() - 2);
  Shape shape = step.broadcast(batch_a, batch_b);
  if (a.back() != b[b.size() - 2]) {
    step.refuse("expected matrices that can be multiplied, found {} and {}", to_string(a),
                to_string(b));
  }
  shape.push_back(a[a.size() - 2]);
  shape.push_back(b.back());
  step.finish(step.emit("MatMul", list), shape);
}

void convert_resize(Step& step) {
  const bool linear = step.op.name == "RESIZE_BILINEAR";
  bool align = false, half = false;
  if (const auto* o = options_of<wire::ResizeBilinear>(step.op, wire::Options::ResizeBilinear)) {
    align = o->align_corners();
    half = o->half_pixel_centers();
  }
  if (const auto* o = options_of<wire::ResizeNearest>(step.op, wire::Options::ResizeNearest)) {
    align = o->align_corners();
    half = o->half_pixel_centers();
  }
  step.want_rank(0, 4);
  const Integers size = step.integers(1, "size");
  if (size.size() != 2 || size[0] < 1 || size[1] < 1 || size[0] > kMaxParameter ||
      size[1] > kMaxParameter) {
    step.refuse("input 1 (size): expected height and width, found {}", to_string(size));
  }
  const Shape& x = step.shape(0);
  const std::string sizes = step.list(Integers{x[0], x[3], size[0], size[1]});
  const std::string resized = step.emit("Resize", {step.value(0, kChannelsFirst), "", "", sizes});
  step.set("mode", std::string(linear ? "linear" : "nearest"));
  step.set("coordinate_transformation_mode", std::string(align  ? "align_corners"
                                                         : half ? "half_pixel"
                                                                : "asymmetric"));
  if (!linear) {  // rounded at pixel centres, else cut off (docs/facts/tflite.md 2.3)
    step.set("nearest_mode", std::string(align || half ? "round_prefer_ceil" : "floor"));
  }
  step.finish(resized, {x[0], size[0], size[1], x[3]}, kChannelsFirst);
}

void convert_blocks(Step& step) {
  const bool to_depth = step.op.name == "SPACE_TO_DEPTH";
  const auto& options = required<wire::Block>(
      step, to_depth ? wire::Options::SpaceToDepth : wire::Options::DepthToSpace);
  step.want_rank(0, 4);
  const std::int64_t block = options.block_size();
  const Shape x = step.shape(0);
  const bool fits =
      block >= 1 && block <= kMaxParameter &&
      (to_depth ? x[1] % block == 0 && x[2] % block == 0 : x[3] % (block * block) == 0);
  if (!fits) step.refuse("block_size: expected one that divides {}, found {}", to_string(x), block);
  const std::string moved =
      step.emit(to_depth ? "SpaceToDepth" : "DepthToSpace", {step.value(0, kChannelsFirst)});
  step.set("blocksize", block);
  const Shape shape = to_depth ? Shape{x[0], x[1] / block, x[2] / block, x[3] * block * block}
                               : Shape{x[0], x[1] * block, x[2] * block, x[3] / block / block};
  step.finish(moved, shape, kChannelsFirst);
}

// Blocks moved to the batch, a convolution, and back: a dilated convolution.

struct Blocks {
  Integers block, begin, end;  // per axis: height, width
};

Blocks read_blocks(const Step& step) {
  const Integers block = step.integers(1, "block shape"), edges = step.integers(2, "edges");
  if (block.size() != 2 || edges.size() != 4) {
    step.refuse("expected blocks of height and width, found {} and {}", to_string(block),
                to_string(edges));
  }
  for (const std::int64_t v :
       {block[0], block[1], edges[0] + 1, edges[1] + 1, edges[2] + 1, edges[3] + 1}) {
    if (v < 1 || v > kMaxParameter) step.refuse("expected blocks and edges in range, found {}", v);
  }
  return {block, {edges[0], edges[2]}, {edges[1], edges[3]}};
}

// Pad, then every block's places become maps of their own in the batch.
void convert_space_to_batch(Step& step) {
  step.want_rank(0, 4);
  const Blocks blocks = read_blocks(step);
  Shape x = step.shape(0);
  const std::string zero = step.scalar(0);
  std::string value = step.value(0, kChannelsFirst);
  value = step.emit("Pad", {value,
                            step.list(Integers{0, 0, blocks.begin[0], blocks.begin[1], 0, 0,
                                               blocks.end[0], blocks.end[1]}),
                            zero});
  const std::int64_t bh = blocks.block[0], bw = blocks.block[1];
  const std::int64_t height = x[1] + blocks.begin[0] + blocks.end[0];
  const std::int64_t width = x[2] + blocks.begin[1] + blocks.end[1];
  if (height % bh != 0 || width % bw != 0) {
    step.refuse("expected blocks that divide {} and {}, found {}", height, width,
                to_string(blocks.block));
  }
  const std::int64_t h = height / bh, w = width / bw;
  value = step.net.reshaped(value, {}, {x[0], x[3], h, bh, w, bw}, step.name);
  value = step.emit("Transpose", {value});
  step.set("perm", Integers{3, 5, 0, 1, 2, 4});
  const Shape shape{x[0] * bh * bw, h, w, x[3]};
  step.finish(step.net.reshaped(value, {}, permuted(shape, kChannelsFirst), step.name), shape,
              kChannelsFirst);
}

void convert_batch_to_space(Step& step) {
  step.want_rank(0, 4);
  const Blocks blocks = read_blocks(step);
  const Shape x = step.shape(0);
  const std::int64_t bh = blocks.block[0], bw = blocks.block[1];
  const std::int64_t height = x[1] * bh - blocks.begin[0] - blocks.end[0];
  const std::int64_t width = x[2] * bw - blocks.begin[1] - blocks.end[1];
  if (x[0] % (bh * bw) != 0 || height < 1 || width < 1) {
    step.refuse("expected blocks that divide the batch of {}, found {}", x[0],
                to_string(blocks.block));
  }
  const std::int64_t batch = x[0] / bh / bw;
  std::string value = step.value(0, kChannelsFirst);
  value = step.net.reshaped(value, {}, {bh, bw, batch, x[3], x[1], x[2]}, step.name);
  value = step.emit("Transpose", {value});
  step.set("perm", Integers{2, 3, 4, 0, 5, 1});
  value = step.net.reshaped(value, {}, {batch, x[3], x[1] * bh, x[2] * bw}, step.name);
  value =
      step.emit("Slice", {value, step.list(blocks.begin),
                          step.list(Integers{blocks.begin[0] + height, blocks.begin[1] + width}),
                          step.list(Integers{2, 3})});
  step.finish(value, {batch, height, width, x[3]}, kChannelsFirst);
}

constexpr Rule kRules[] = {
    {"AVERAGE_POOL_2D", convert_pool},
    {"BATCH_MATMUL", convert_batch_matmul},
    {"BATCH_TO_SPACE_ND", convert_batch_to_space},
    {"CONV_2D", convert_conv},
    {"DEPTHWISE_CONV_2D", convert_depthwise},
    {"DEPTH_TO_SPACE", convert_blocks},
    {"FULLY_CONNECTED", convert_fully_connected},
    {"MAX_POOL_2D", convert_pool},
    {"RESIZE_BILINEAR", convert_resize},
    {"RESIZE_NEAREST_NEIGHBOR", convert_resize},
    {"SPACE_TO_BATCH_ND", convert_space_to_batch},
    {"SPACE_TO_DEPTH", convert_blocks},
    {"TRANSPOSE_CONV", convert_transpose_conv},
};

}  // namespace

std::span<const Rule> window_rules() { return kRules; }

}  // namespace workbench::importer::tflite
