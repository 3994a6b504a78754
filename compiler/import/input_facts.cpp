#include "compiler/import/input_facts.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

namespace workbench::importer {

namespace {

// Operators whose result has the shape of operand 0, or broadcasts it. With the second list, which
// keeps rank and channels, the convolution behind them still says what the channels are.
bool is_elementwise(std::string_view op) {
  constexpr std::string_view kOps[] = {"Abs",  "Add",     "Cast", "Clip",     "DequantizeLinear",
                                       "Div",  "Dropout", "Exp",  "Identity", "LeakyRelu",
                                       "Log",  "Mul",     "Neg",  "Pow",      "QuantizeLinear",
                                       "Relu", "Sigmoid", "Sqrt", "Sub",      "Tanh"};
  return std::ranges::find(kOps, op) != std::end(kOps);
}

bool keeps_channels(std::string_view op) {
  constexpr std::string_view kOps[] = {
      "AveragePool", "BatchNormalization", "MaxPool", "Pad", "Resize", "Upsample"};
  return std::ranges::find(kOps, op) != std::end(kOps);
}

std::int64_t integer(const onnx::NodeProto& node, std::string_view name, std::int64_t fallback) {
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.name() == name && attribute.has_i()) return attribute.i();
  }
  return fallback;
}

class Readers {
 public:
  explicit Readers(const onnx::GraphProto& graph) {
    for (const auto& tensor : graph.initializer()) initializers_.emplace(tensor.name(), &tensor);
    for (const onnx::NodeProto& node : graph.node()) {
      const int operands = is_elementwise(node.op_type()) ? 2 : 1;
      for (int i = 0; i < std::min(node.input_size(), operands); ++i) {
        nodes_.emplace(node.input(i), &node);
      }
      for (const std::string& output : node.output()) writers_.emplace(output, &node);
    }
  }

  // `rank`: of the input, where it is known.
  std::optional<Reader> of(std::string_view value, std::optional<std::size_t> rank) const {
    constexpr int kFar = 64;
    std::vector<const onnx::NodeProto*> transposes;
    bool only_elementwise = true;
    for (int step = 0; step < kFar; ++step) {
      const auto found = nodes_.find(value);
      if (found == nodes_.end()) {
        return only_elementwise ? std::optional(Reader{.any_shape = true}) : std::nullopt;
      }
      const onnx::NodeProto& node = *found->second;
      if (auto reader = at(node, rank)) return before(std::move(*reader), transposes);
      const std::string& op = node.op_type();
      if (op == "Transpose") transposes.push_back(&node);
      const bool elementwise = is_elementwise(op);
      if ((!elementwise && !keeps_channels(op) && op != "Transpose") || node.output_size() == 0) {
        return std::nullopt;
      }
      only_elementwise = only_elementwise && elementwise;
      value = node.output(0);
    }
    return std::nullopt;
  }

 private:
  // What an operator with weights needs of its operand 0.
  std::optional<Reader> at(const onnx::NodeProto& node, std::optional<std::size_t> rank) const {
    if (node.input_size() < 2) return std::nullopt;
    const Shape weights = shape_of(node.input(1));
    const std::string& op = node.op_type();
    const bool is_transposed = op == "ConvTranspose";
    if ((op == "Conv" || is_transposed) && weights.size() > 2) {
      Reader reader{.needs = Dims(weights.size()), .is_window = true};
      const std::int64_t groups = std::clamp<std::int64_t>(integer(node, "group", 1), 1, 1 << 16);
      const bool fits = weights[1] >= 1 && weights[1] < (1 << 24);
      if (is_transposed && weights[0] >= 1) reader.needs[1] = weights[0];
      if (!is_transposed && fits) reader.needs[1] = weights[1] * groups;
      return reader;
    }
    if ((op == "MatMul" || op == "Gemm") && weights.size() == 2) {
      const std::int64_t rows = weights[integer(node, "transB", 0) != 0 ? 1 : 0];
      if (integer(node, "transA", 0) != 0 || rows < 1) return std::nullopt;
      Reader reader{.needs = Dims(std::max<std::size_t>(rank.value_or(2), 1))};
      reader.needs.back() = rows;
      return reader;
    }
    return std::nullopt;
  }

  // Of an initializer, a Constant, or what is nothing else but one of them.
  Shape shape_of(std::string_view value) const {
    constexpr int kFar = 4;
    for (int step = 0; step < kFar; ++step) {
      if (const auto found = initializers_.find(value); found != initializers_.end()) {
        return {found->second->dims().begin(), found->second->dims().end()};
      }
      const auto writer = writers_.find(value);
      if (writer == writers_.end()) return {};
      const onnx::NodeProto& node = *writer->second;
      const std::string& op = node.op_type();
      if (op == "Constant" && node.attribute_size() == 1 && node.attribute(0).has_t()) {
        return {node.attribute(0).t().dims().begin(), node.attribute(0).t().dims().end()};
      }
      const bool same = op == "DequantizeLinear" || op == "Identity" || op == "Cast";
      if (!same || node.input_size() == 0) return {};
      value = node.input(0);
    }
    return {};
  }

  // What is needed behind the transposes, in the order before them.
  static std::optional<Reader> before(Reader reader,
                                      const std::vector<const onnx::NodeProto*>& transposes) {
    for (auto node = transposes.rbegin(); node != transposes.rend(); ++node) {
      const auto& attributes = (*node)->attribute();
      const auto perm = std::ranges::find(attributes, "perm", &onnx::AttributeProto::name);
      if (perm == attributes.end()) return std::nullopt;
      if (perm->ints_size() != static_cast<int>(reader.needs.size())) return std::nullopt;
      Dims needs(reader.needs.size());
      for (int i = 0; i < perm->ints_size(); ++i) {
        const std::int64_t from = perm->ints(i);
        if (from < 0 || from >= perm->ints_size()) return std::nullopt;
        needs[static_cast<std::size_t>(from)] = reader.needs[static_cast<std::size_t>(i)];
      }
      reader.needs = std::move(needs);
    }
    return reader;
  }

  std::unordered_map<std::string_view, const onnx::TensorProto*> initializers_;
  std::unordered_map<std::string_view, const onnx::NodeProto*> nodes_, writers_;
};

InputFacts facts_of(const onnx::ValueInfoProto& input, const Readers& readers) {
  const onnx::TypeProto_Tensor& tensor = input.type().tensor_type();
  InputFacts facts{.name = input.name()};
  facts.is_real = tensor.elem_type() == onnx::TensorProto::FLOAT ||
                  tensor.elem_type() == onnx::TensorProto::FLOAT16 ||
                  tensor.elem_type() == onnx::TensorProto::BFLOAT16 ||
                  tensor.elem_type() == onnx::TensorProto::DOUBLE;
  bool is_whole = tensor.has_shape();
  if (tensor.has_shape()) {
    facts.dims.emplace();
    for (const auto& dim : tensor.shape().dim()) {
      const bool is_fixed = dim.has_dim_value() && dim.dim_value() >= 0;
      facts.dims->push_back(is_fixed ? std::optional(dim.dim_value()) : std::nullopt);
      facts.dim_names.push_back(dim.dim_param());
      is_whole = is_whole && is_fixed;
    }
  }
  const auto rank = facts.dims ? std::optional(facts.dims->size()) : std::nullopt;
  if (!is_whole) facts.reader = readers.of(input.name(), rank);
  return facts;
}

}  // namespace

InputSizes input_sizes_of(const onnx::GraphProto& graph, const ImportOptions& options) {
  std::set<std::string> initialized;
  std::vector<std::int64_t> weight_sizes;
  constexpr std::size_t kFirstWeights = 8;
  for (const onnx::TensorProto& tensor : graph.initializer()) {
    initialized.insert(tensor.name());
    if (tensor.dims_size() < 2 || weight_sizes.size() >= kFirstWeights) continue;
    weight_sizes.push_back(tensor.dims(0));
    weight_sizes.push_back(tensor.dims(1));
  }
  for (const auto& tensor : graph.sparse_initializer()) initialized.insert(tensor.values().name());
  const Readers readers(graph);
  std::vector<InputFacts> inputs;
  for (const onnx::ValueInfoProto& input : graph.input()) {
    if (!initialized.contains(input.name())) inputs.push_back(facts_of(input, readers));
  }
  return {inputs, options, std::move(weight_sizes)};
}

}  // namespace workbench::importer
