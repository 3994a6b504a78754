#include "compiler/quantize/graph_digest.h"

#include <bit>
#include <concepts>

#include "core/file.h"

namespace workbench {

namespace {

// A text that two networks share if they are alike. Every number and string ends in a mark of its
// own, every list says its length.
class Text {
 public:
  template <std::integral T>
  void add(T value) {
    text_ += fmt::format("{};", static_cast<std::int64_t>(value));
  }
  void add(float value) { add(std::bit_cast<std::int32_t>(value)); }
  void add(double value) { add(std::bit_cast<std::int64_t>(value)); }
  void add(const std::string& value) { text_ += fmt::format("{}:{}", value.size(), value); }
  template <typename T>
  requires std::is_enum_v<T>
  void add(T value) { add(static_cast<std::int64_t>(value)); }
  template <typename T>
  void add(const std::vector<T>& values) {
    add(values.size());
    for (const T& value : values) add(value);
  }
  template <typename... Fields>
  requires(sizeof...(Fields) > 1) void add(const Fields&... fields) { (add(fields), ...); }

  void add(const Quantization& codes) {
    const auto& [bits, is_signed, thresholds, zero_points, axis, rounding] = codes;
    add(bits, is_signed, thresholds, zero_points, axis, rounding);
  }
  void add(const Requantize& codes) {
    const auto& [scale, negative, shift, prescale, prescaled, bias_shift, after, rounding] = codes;
    add(scale, negative, shift, prescale, prescaled, bias_shift, after, rounding);
  }
  void add(const AffineRequantize& codes) {
    const auto& [multiplier, offset, divisor, rounding, low, high] = codes;
    add(multiplier, offset, divisor, rounding, low, high);
  }
  void add(const Activation& activation) {
    const auto& [kind, alpha, beta, slopes, bounds] = activation;
    add(kind, alpha, beta, slopes, bounds);
  }
  void add(const Window& window) {
    const auto& [kernel, strides, dilations, begin, end] = window;
    add(kernel, strides, dilations, begin, end);
  }

  // Structured bindings: an attribute that is new does not compile before it is here.
  void add(const Conv& op) {
    const auto& [window, groups, activation] = op;
    add(window, groups, activation);
  }
  void add(const ConvTranspose& op) {
    const auto& [window, groups, output_padding, activation] = op;
    add(window, groups, output_padding, activation);
  }
  void add(const BatchNorm& op) {
    const auto& [epsilon] = op;
    add(epsilon);
  }
  void add(const Activate& op) {
    const auto& [activation] = op;
    add(activation);
  }
  void add(const PRelu&) {}
  void add(const MaxPool& op) {
    const auto& [window, ceil_mode, storage_order] = op;
    add(window, ceil_mode, storage_order);
  }
  void add(const AveragePool& op) {
    const auto& [window, ceil_mode, count_include_pad] = op;
    add(window, ceil_mode, count_include_pad);
  }
  void add(const Binary& op) {
    const auto& [kind, activation] = op;
    add(kind, activation);
  }
  void add(const Concat& op) {
    const auto& [axis] = op;
    add(axis);
  }
  void add(const Gemm& op) {
    const auto& [transpose_a, transpose_b, alpha, beta, activation] = op;
    add(transpose_a, transpose_b, alpha, beta, activation);
  }
  void add(const MatMul&) {}
  void add(const Reshape& op) {
    const auto& [shape] = op;
    add(shape);
  }
  void add(const Transpose& op) {
    const auto& [permutation] = op;
    add(permutation);
  }
  void add(const Pad& op) {
    const auto& [mode, begin, end, value] = op;
    add(mode, begin, end, value);
  }
  void add(const Identity&) {}
  void add(const Softmax& op) {
    const auto& [axis, log] = op;
    add(axis, log);
  }
  void add(const Lrn& op) {
    const auto& [size, alpha, beta, bias] = op;
    add(size, alpha, beta, bias);
  }
  void add(const Resize& op) {
    const auto& [scales, sizes, coordinates, nearest, roi, extrapolation] = op;
    add(scales, sizes, coordinates, nearest, roi, extrapolation);
  }
  void add(const SpaceToDepth& op) {
    const auto& [block] = op;
    add(block);
  }
  void add(const DepthToSpace& op) {
    const auto& [block, column_row_depth] = op;
    add(block, column_row_depth);
  }
  void add(const Slice& op) {
    const auto& [starts, ends, axes, steps] = op;
    add(starts, ends, axes, steps);
  }
  void add(const Reduce& op) {
    const auto& [kind, axes, keep_dims] = op;
    add(kind, axes, keep_dims);
  }
  void add(const Quantize&) {}
  void add(const Dequantize&) {}

  void add(const Value& value) {
    add(value.name, value.shape, value.type, value.constant.has_value(),
        value.quantization.has_value());
    if (value.constant) add(tensor_digest(*value.constant));
    // Between Quantize and Dequantize it is what these compute with.
    if (value.quantization) add(*value.quantization);
  }
  void add(const Node& node) {
    add(node.op.index());
    std::visit([this](const auto& op) { add(op); }, node.op);
    add(node.inputs, node.outputs);
    add(node.requantize.has_value(), node.affine.has_value(), node.operand_affine.size());
    if (node.requantize) add(*node.requantize);
    if (node.affine) add(*node.affine);
    for (const AffineRequantize& operand : node.operand_affine) add(operand);
  }
  void add(const Graph& graph) {
    add(graph.values, graph.nodes);
    add(graph.inputs, graph.outputs);
  }

  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

}  // namespace

std::string graph_digest(const Graph& graph) {
  Text text;
  text.add(graph);
  return sha256_hex(text.text());
}

std::string tensor_digest(const Tensor& tensor) {
  Text text;
  text.add(tensor.type(), tensor.shape());
  const std::string_view elements(reinterpret_cast<const char*>(tensor.data()),
                                  static_cast<std::size_t>(tensor.size_bytes()));
  return sha256_hex(text.text() + sha256_hex(elements));
}

}  // namespace workbench
