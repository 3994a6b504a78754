#include "compiler/import/tensorflow/open_sizes.h"

#include <algorithm>
#include <utility>

#include "compiler/import/tensor_proto.h"

namespace workbench::importer::tensorflow {

namespace {

constexpr std::size_t kImageRank = 4;

bool is_elementwise(std::string_view op) {
  constexpr std::string_view kOps[] = {"Abs",     "Add",     "AddV2",        "BiasAdd",   "Cast",
                                       "Div",     "Exp",     "Identity",     "LeakyRelu", "Log",
                                       "Maximum", "Minimum", "Mul",          "Neg",       "Pow",
                                       "RealDiv", "Relu",    "Relu6",        "Rsqrt",     "Sigmoid",
                                       "Sqrt",    "Square",  "StopGradient", "Sub",       "Tanh"};
  return std::ranges::find(kOps, op) != std::end(kOps);
}

// The convolution behind them still says what the channels are.
bool keeps_channels(std::string_view op) {
  constexpr std::string_view kOps[] = {"AvgPool",
                                       "FusedBatchNorm",
                                       "FusedBatchNormV2",
                                       "FusedBatchNormV3",
                                       "MaxPool",
                                       "MirrorPad",
                                       "Pad",
                                       "PadV2",
                                       "ResizeBilinear",
                                       "ResizeNearestNeighbor"};
  return std::ranges::find(kOps, op) != std::end(kOps);
}

const Constant* constant_operand(const Converter& converter, const GraphNode& node, std::size_t i) {
  if (node.inputs.size() <= i) return nullptr;
  const int id = converter.result(node.inputs[i].node, node.inputs[i].output);
  return id >= 0 && converter.value(id).constant ? &*converter.value(id).constant : nullptr;
}

// What an operator with weights needs of its operand 0.
std::optional<Reader> reader_at(const Converter& converter, const GraphNode& node, int index) {
  const std::string& op = node.def->op();
  const Constant* operand = constant_operand(converter, node, 1);
  if (operand == nullptr) return std::nullopt;
  const Shape& sizes = operand->shape;
  if ((op == "Conv2D" || op == "DepthwiseConv2dNative") && sizes.size() == kImageRank) {
    const bool first =
        Op(const_cast<Converter&>(converter), index).text("data_format", "NHWC").starts_with("NC");
    Reader reader{.needs = Dims(kImageRank), .is_window = true};
    reader.needs[first ? 1 : kImageRank - 1] = sizes[2];
    return reader;
  }
  if (op == "MatMul" && sizes.size() == 2) return Reader{.needs = {std::nullopt, sizes[0]}};
  if (op == "Reshape" && !operand->holds_reals() && operand->integers().size() > 1) {
    std::int64_t count = 1;
    for (std::size_t i = 1; i < operand->integers().size(); ++i) {
      const std::int64_t size = operand->integers()[i];
      if (size < 1 || size > kMaxElements || count > kMaxElements) return std::nullopt;
      count *= size;
    }
    return Reader{.needs = {std::nullopt, count}};
  }
  return std::nullopt;
}

class Readers {
 public:
  explicit Readers(const Converter& converter)
      : converter_(converter), readers_(converter.node_count()) {
    for (std::size_t n = 0; n < converter.node_count(); ++n) {
      for (const Edge& edge : converter.nodes()[n].inputs) {
        readers_[static_cast<std::size_t>(edge.node)].push_back(static_cast<int>(n));
      }
    }
  }

  std::optional<Reader> of(int input) const {
    constexpr std::size_t kFar = 200;
    std::vector<int> pending{input};
    std::set<int> seen{input};
    bool only_elementwise = true;
    for (std::size_t i = 0; i < pending.size() && i < kFar; ++i) {
      for (const int n : readers_[static_cast<std::size_t>(pending[i])]) {
        const GraphNode& node = converter_.nodes()[static_cast<std::size_t>(n)];
        const std::string& op = node.def->op();
        if (node.inputs[0].node == pending[i]) {
          if (auto found = reader_at(converter_, node, n)) return found;
        }
        const bool elementwise = is_elementwise(op);
        only_elementwise = only_elementwise && elementwise;
        if ((elementwise || keeps_channels(op)) && seen.insert(n).second) pending.push_back(n);
      }
    }
    if (only_elementwise) return Reader{.any_shape = true};
    return std::nullopt;
  }

 private:
  const Converter& converter_;
  std::vector<std::vector<int>> readers_;
};

// Sizes of the first weights.
std::vector<std::int64_t> weight_sizes(const Converter& converter) {
  constexpr std::size_t kFirstWeights = 16;
  std::vector<std::int64_t> sizes;
  for (const GraphNode& node : converter.nodes()) {
    const Constant* weights = constant_operand(converter, node, 1);
    if (weights == nullptr || weights->shape.size() < 2 || sizes.size() >= kFirstWeights) continue;
    if (weights->holds_reals())
      sizes.insert(sizes.end(), weights->shape.end() - 2, weights->shape.end());
  }
  return sizes;
}

}  // namespace

InputSizes input_sizes_of(const Converter& converter, const InputShapes& likely) {
  const Readers readers(converter);
  std::vector<InputFacts> inputs;
  for (const Converter::OpenInput& input : converter.open_inputs()) {
    InputFacts facts{.name = converter.node(input.node).name};
    facts.is_real = is_real(input.type);
    facts.channels_last = true;
    facts.reader = readers.of(input.node);
    if (input.declared) {
      facts.dims.emplace();
      for (const std::int64_t size : *input.declared) {
        facts.dims->push_back(size < 0 ? std::nullopt : std::optional(size));
      }
    }
    inputs.push_back(std::move(facts));
  }
  return {inputs, {.likely_shapes = likely}, weight_sizes(converter)};
}

}  // namespace workbench::importer::tensorflow
