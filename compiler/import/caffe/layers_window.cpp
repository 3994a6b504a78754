// Convolutions and pools. Caffe rounds the size of a pool's result up and divides an average by
// what of the window lies within the padded map (pooling_layer.cpp of BVLC/caffe); here that
// becomes explicit padding.
#include <algorithm>
#include <optional>

#include "compiler/import/caffe/layer.h"
#include "compiler/import/export_ops.h"

namespace workbench::importer::caffe_format {

namespace {

using Fill = Weights::Fill;

constexpr std::size_t kSpatial = 2;  // of [N, C, H, W]

Integers twice(const Integers& pads) {
  Integers both = pads;
  both.insert(both.end(), pads.begin(), pads.end());
  return both;
}

void check_range(const LayerReader& layer, std::string_view what, const Integers& values,
                 std::int64_t low) {
  for (const std::int64_t value : values) {
    if (value < low || value > kMost) {
      layer.refuse("{}: expected values in [{}, {}], found {}", what, low, kMost, value);
    }
  }
}

// One value for all axes or one for each, or the height and width of their own.
template <typename List>
Integers per_axis(const LayerReader& layer, std::string_view what, const List& list,
                  std::optional<std::uint32_t> height, std::optional<std::uint32_t> width,
                  std::size_t axes, std::optional<std::int64_t> fallback) {
  Integers values;
  if (height || width) {
    if (!list.empty() || axes != 2 || !height || !width) {
      layer.refuse("{}: expected either {} or both {}_h and {}_w, found another mixture", what,
                   what, what, what);
    }
    values = {*height, *width};
  } else if (list.size() == 0 && fallback) {
    values.assign(axes, *fallback);
  } else if (list.size() == 1) {
    values.assign(axes, *list.begin());
  } else {
    values.assign(list.begin(), list.end());
  }
  if (values.size() != axes) {
    layer.refuse("{}: expected one value, or one for each of {} axes, found {}", what, axes,
                 values.size());
  }
  return values;
}

template <typename T>
std::optional<T> given(bool present, T value) {
  return present ? std::optional<T>(value) : std::nullopt;
}

struct ConvWindow {
  Integers kernel, stride, pad, dilation;
  std::int64_t outputs = 0, group = 1;
};

ConvWindow conv_window(const LayerReader& layer) {
  const caffe::ConvolutionParameter& p = layer.layer().convolution_param();
  layer.expect_rank(3);
  if (layer.axis(p.axis(), layer.shape().size()) != 1) {
    layer.refuse("axis: expected 1, found {}", p.axis());
  }
  const std::size_t axes = layer.shape().size() - kSpatial;
  ConvWindow window;
  window.kernel = per_axis(layer, "kernel", p.kernel_size(), given(p.has_kernel_h(), p.kernel_h()),
                           given(p.has_kernel_w(), p.kernel_w()), axes, std::nullopt);
  window.stride = per_axis(layer, "stride", p.stride(), given(p.has_stride_h(), p.stride_h()),
                           given(p.has_stride_w(), p.stride_w()), axes, 1);
  window.pad = per_axis(layer, "pad", p.pad(), given(p.has_pad_h(), p.pad_h()),
                        given(p.has_pad_w(), p.pad_w()), axes, 0);
  window.dilation = per_axis(layer, "dilation", p.dilation(), {}, {}, axes, 1);
  check_range(layer, "kernel", window.kernel, 1);
  check_range(layer, "stride", window.stride, 1);
  check_range(layer, "pad", window.pad, 0);
  check_range(layer, "dilation", window.dilation, 1);
  window.outputs = p.num_output();
  window.group = p.group();
  check_range(layer, "num_output", {window.outputs}, 1);
  check_range(layer, "group", {window.group}, 1);
  const std::int64_t channels = layer.shape()[1];
  if (layer.layer().type().find("epthwise") != std::string::npos && window.group == 1) {
    window.group = channels;  // what the type says
  }
  if (channels % window.group != 0 || window.outputs % window.group != 0) {
    layer.refuse("group {}: expected a divisor of {} input and {} output channels", window.group,
                 channels, window.outputs);
  }
  return window;
}

void set_conv_attributes(onnx::NodeProto& node, const ConvWindow& window) {
  attribute(node, "kernel_shape", window.kernel);
  attribute(node, "strides", window.stride);
  attribute(node, "pads", twice(window.pad));
  attribute(node, "dilations", window.dilation);
  attribute(node, "group", window.group);
}

std::int64_t extent(const ConvWindow& window, std::size_t i) {
  return window.dilation[i] * (window.kernel[i] - 1) + 1;
}

double product(const Integers& values) {  // of any size
  double result = 1;
  for (const std::int64_t value : values) result *= static_cast<double>(value);
  return result;
}

std::vector<std::string> conv_operands(LayerReader& layer, const Tensor& weights,
                                       const ConvWindow& window) {
  std::vector<std::string> operands{layer.value(), layer.constant("weight", weights)};
  if (layer.layer().convolution_param().bias_term()) {
    operands.push_back(layer.constant("bias", layer.blob(1, {window.outputs}, Fill::Offsets)));
  }
  return operands;
}

void convolution(LayerReader& layer) {
  layer.expect_bottoms(1, kMost);
  const ConvWindow window = conv_window(layer);
  const std::int64_t inputs = layer.shape()[1] / window.group;
  Shape shape{window.outputs, inputs};
  shape.insert(shape.end(), window.kernel.begin(), window.kernel.end());
  const double terms = static_cast<double>(inputs) * product(window.kernel);
  std::vector<std::string> operands =
      conv_operands(layer, layer.blob(0, shape, Fill::Factors, terms), window);
  for (std::size_t b = 0; b < layer.bottom_count(); ++b) {  // all with the same weights
    const Shape& x = layer.shape(b);
    if (x.size() != layer.shape().size() || x[1] != layer.shape()[1]) {
      layer.refuse("bottom {}: expected as many channels as {}, found {}", b,
                   to_string(layer.shape()), to_string(x));
    }
    Shape y{x[0], window.outputs};
    for (std::size_t i = 0; i < window.kernel.size(); ++i) {
      const std::int64_t room = x[i + kSpatial] + 2 * window.pad[i] - extent(window, i);
      if (room < 0) {
        layer.refuse("expected a window of at most {} values, found {}",
                     x[i + kSpatial] + 2 * window.pad[i], extent(window, i));
      }
      y.push_back(room / window.stride[i] + 1);
    }
    operands[0] = layer.value(b);
    set_conv_attributes(layer.top("Conv", operands, y, b), window);
  }
}

void deconvolution(LayerReader& layer) {
  layer.expect_bottoms(1, 1);
  const ConvWindow window = conv_window(layer);
  const Shape& x = layer.shape();
  Shape shape{x[1], window.outputs / window.group};
  shape.insert(shape.end(), window.kernel.begin(), window.kernel.end());
  // The filler of layers that are not trained, whose weights are often in no file.
  const bool interpolates = layer.layer().convolution_param().weight_filler().type() == "bilinear";
  if (interpolates && (shape.size() != 4 || shape[2] != shape[3])) {
    layer.refuse("weight_filler bilinear: expected a square window, found {}", to_string(shape));
  }
  // Each result is a sum over the windows that overlap there.
  const double terms = static_cast<double>(shape[0] / window.group) * product(window.kernel) /
                       product(window.stride);
  const Tensor weights = layer.blob(0, shape, interpolates ? Fill::Bilinear : Fill::Factors, terms);
  Shape y{x[0], window.outputs};
  for (std::size_t i = 0; i < window.kernel.size(); ++i) {
    y.push_back(window.stride[i] * (x[i + kSpatial] - 1) + extent(window, i) - 2 * window.pad[i]);
    if (y.back() < 1) layer.refuse("expected a result with elements, found {}", to_string(y));
  }
  const auto operands = conv_operands(layer, weights, window);
  set_conv_attributes(layer.top("ConvTranspose", operands, y), window);
}

struct PoolWindow {
  Integers kernel, stride, pad, outputs;
  Integers beyond;  // behind the map, where the last window ends
};

// The size of the result and where the last window ends, of each axis.
void place_windows(const LayerReader& layer, bool rounds_up, PoolWindow& window) {
  const Shape& x = layer.shape();
  const bool padded = std::ranges::any_of(window.pad, [](std::int64_t p) { return p > 0; });
  for (std::size_t i = 0; i < window.kernel.size(); ++i) {
    const std::int64_t size = x[i + kSpatial], k = window.kernel[i], s = window.stride[i],
                       pad = window.pad[i];
    const std::int64_t room = size + 2 * pad - k;
    if (room < 0) {
      layer.refuse("expected a window of at most {} values, found {}", size + 2 * pad, k);
    }
    std::int64_t outputs = (rounds_up ? room + s - 1 : room) / s + 1;
    if (padded && (outputs - 1) * s >= size + pad) --outputs;
    if ((outputs - 1) * s >= size + pad) {
      layer.refuse(
          "expected windows that begin in the map, found stride {} on {} values with "
          "kernel {}, which leaves the last one none",
          s, size, k);
    }
    window.outputs.push_back(outputs);
    window.beyond.push_back(std::max<std::int64_t>((outputs - 1) * s + k - pad - size, 0));
  }
}

PoolWindow pool_window(const LayerReader& layer) {
  const caffe::PoolingParameter& p = layer.layer().pooling_param();
  const auto pair = [&](std::string_view what, bool has, std::uint32_t both, bool has_h,
                        std::uint32_t h, bool has_w, std::uint32_t w,
                        std::optional<std::int64_t> fallback) {
    const std::vector<std::uint32_t> list(has ? 1 : 0, both);
    return per_axis(layer, what, list, given(has_h, h), given(has_w, w), 2, fallback);
  };
  PoolWindow window;
  window.kernel = pair("kernel", p.has_kernel_size(), p.kernel_size(), p.has_kernel_h(),
                       p.kernel_h(), p.has_kernel_w(), p.kernel_w(), std::nullopt);
  window.stride = pair("stride", p.has_stride(), p.stride(), p.has_stride_h(), p.stride_h(),
                       p.has_stride_w(), p.stride_w(), 1);
  window.pad =
      pair("pad", p.has_pad(), p.pad(), p.has_pad_h(), p.pad_h(), p.has_pad_w(), p.pad_w(), 0);
  check_range(layer, "kernel", window.kernel, 1);
  check_range(layer, "stride", window.stride, 1);
  check_range(layer, "pad", window.pad, 0);
  for (std::size_t i = 0; i < 2; ++i) {
    if (window.pad[i] >= window.kernel[i]) {
      layer.refuse("pad: expected less than the kernel {}, found {}", window.kernel[i],
                   window.pad[i]);
    }
  }
  place_windows(layer, p.ceil_mode() && p.round_mode() == caffe::PoolingParameter::CEIL, window);
  return window;
}

void set_pool_attributes(onnx::NodeProto& node, const PoolWindow& window, const Integers& before,
                         const Integers& behind) {
  Integers pads = before;
  pads.insert(pads.end(), behind.begin(), behind.end());
  attribute(node, "kernel_shape", window.kernel);
  attribute(node, "strides", window.stride);
  attribute(node, "pads", pads);
}

// The divisor is the part of the window within the map and its `pad` on both sides. Of padding
// that ONNX knows, all counts or none does.
void average_pool(LayerReader& layer, const PoolWindow& window, const Shape& y) {
  Integers behind = window.beyond;
  const bool cut = behind[0] > window.pad[0] || behind[1] > window.pad[1];
  const bool padded = window.pad[0] > 0 || window.pad[1] > 0;
  if (!cut || !padded) {
    onnx::NodeProto& node = layer.top("AveragePool", {layer.value()}, y);
    set_pool_attributes(node, window, window.pad, behind);
    attribute(node, "count_include_pad", std::int64_t{cut ? 0 : 1});
    return;
  }
  Integers zeros(8, 0);  // what counts becomes part of the map
  for (std::size_t i = 0; i < 2; ++i) {
    zeros[2 + i] = window.pad[i];
    zeros[6 + i] = std::min(behind[i], window.pad[i]);
    behind[i] -= zeros[6 + i];
  }
  const std::string map = layer.step("pad", "Pad", {layer.value(), layer.list("pads", zeros)});
  set_pool_attributes(layer.top("AveragePool", {map}, y), window, {0, 0}, behind);
}

void pooling(LayerReader& layer) {
  using Parameter = caffe::PoolingParameter;
  layer.expect_bottoms(1, 1);
  const Parameter& p = layer.layer().pooling_param();
  const Shape& x = layer.shape();
  if (x.size() != 4) layer.refuse("expected a bottom [N, C, H, W], found {}", to_string(x));
  if (p.pool() == Parameter::STOCHASTIC) {
    layer.refuse("pool: expected MAX or AVE, found STOCHASTIC, which weighs by the values");
  }
  if (layer.top_count() > 1) layer.refuse("expected one top, found the mask of positions too");
  const bool is_max = p.pool() == Parameter::MAX;
  if (p.global_pooling()) {
    if (p.pad() > 0 || p.pad_h() > 0 || p.pad_w() > 0) {
      layer.refuse("pad: expected none with global_pooling, found some");
    }
    layer.top(is_max ? "GlobalMaxPool" : "GlobalAveragePool", {layer.value()}, {x[0], x[1], 1, 1});
    return;
  }
  const PoolWindow window = pool_window(layer);
  const Shape y{x[0], x[1], window.outputs[0], window.outputs[1]};
  if (!is_max) return average_pool(layer, window, y);
  set_pool_attributes(layer.top("MaxPool", {layer.value()}, y), window, window.pad, window.beyond);
}

constexpr LayerRule kRules[] = {
    {"Convolution", convolution, "Conv"},
    {"ConvolutionDepthwise", convolution, "Conv"},
    {"Deconvolution", deconvolution, "ConvTranspose"},
    {"DepthwiseConvolution", convolution, "Conv"},
    {"Pooling", pooling, "MaxPool, AveragePool, GlobalMaxPool, GlobalAveragePool"},
};

}  // namespace

std::string local_average(LayerReader& layer, const std::string& value, std::int64_t n) {
  const std::int64_t pad = (n - 1) / 2;
  const std::string average = layer.step("average", "AveragePool", {value});
  onnx::NodeProto& node = layer.last();
  attribute(node, "kernel_shape", Integers{n, n});
  attribute(node, "pads", Integers(4, pad));
  attribute(node, "count_include_pad", std::int64_t{1});
  return average;
}

std::span<const LayerRule> window_layers() { return kRules; }

}  // namespace workbench::importer::caffe_format
