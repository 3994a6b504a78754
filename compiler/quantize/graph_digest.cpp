#include "compiler/quantize/graph_digest.h"

#include <bit>
#include <concepts>

#include "core/file.h"

namespace workbench {

namespace {

// A text that is equal for equal networks. Every number and string ends in a delimiter, every list
// begins with its length.
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

  template <HasFields T>
  void add(const T& object) {
    for_each_field(object, [this](std::string_view, const auto& member, auto...) { add(member); });
  }

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
