#include "compiler/pulp/op_units.h"

#include <algorithm>
#include <vector>

#include "compiler/passes/passes.h"
#include "compiler/pulp/kernel_rules.h"
#include "compiler/pulp/layer.h"
#include "compiler/quantize/nemo.h"

namespace workbench::pulp {

namespace {

constexpr std::int64_t kChannels = 16, kSide = 14, kElements = kChannels * kSide * kSide;

Window window(std::int64_t kernel, std::int64_t stride, std::int64_t pad) {
  return {{kernel, kernel}, {stride, stride}, {1, 1}, {pad, pad}, {pad, pad}};
}

Tensor ones(const Shape& shape) {
  const std::vector<float> values(static_cast<std::size_t>(element_count(shape)), 1.0F);
  return Tensor::from<float>(shape, values);
}

// One node on codes of kChannels x kSide x kSide, and its weights if it has any; those of a matrix
// product want the map as a row.
struct Typical {
  Op op;
  Shape out{1, kChannels, kSide, kSide};
  int operands = 1;
  Shape weights;
};

workbench::Conv square_conv(std::int64_t kernel, Activation activation = {}) {
  return {.window = window(kernel, 1, kernel / 2), .activation = std::move(activation)};
}

Typical convolution(Activation activation = {}) {
  return {.op = square_conv(3, std::move(activation)), .weights = {kChannels, kChannels, 3, 3}};
}

ValueId flattened(Graph& graph, ValueId codes) {
  const Shape row{1, kElements};
  const ValueId flat = graph.add_value({.name = "flat", .shape = row});
  graph.nodes.push_back(
      {.name = "flatten", .op = Reshape{row}, .inputs = {codes}, .outputs = {flat}});
  return flat;
}

// What only the host reads is joined there.
ValueId read_by_layer(Graph& graph, ValueId x) {
  const std::int64_t channels = graph.value(x).shape[1];
  const ValueId weights = graph.add_constant("v", ones({1, channels, 1, 1}));
  const ValueId y = graph.add_value({.name = "read", .shape = {1, 1, kSide, kSide}});
  graph.nodes.push_back(
      {.name = "behind", .op = square_conv(1), .inputs = {x, weights}, .outputs = {y}});
  return y;
}

Graph graph_of(const Typical& typical) {
  Graph graph{.name = "typical"};
  const Shape map{1, kChannels, kSide, kSide};
  graph.inputs = {graph.add_value({.name = "data", .shape = map})};
  const ValueId codes = graph.add_value({.name = "x", .shape = map});
  const ValueId weights = graph.add_constant("u", ones({kChannels, kChannels, 1, 1}));
  graph.nodes.push_back({.name = "before",
                         .op = square_conv(1, {.kind = Activation::Kind::Relu}),
                         .inputs = {graph.inputs[0], weights},
                         .outputs = {codes}});
  Node node{.name = "node", .op = typical.op};
  node.inputs.assign(static_cast<std::size_t>(typical.operands), codes);
  if (typical.weights.size() == 2) node.inputs = {flattened(graph, codes)};
  if (!typical.weights.empty()) {
    node.inputs.push_back(graph.add_constant("w", ones(typical.weights)));
  }
  node.outputs = {graph.add_value({.name = "y", .shape = typical.out})};
  const ValueId result = node.outputs[0];
  graph.nodes.push_back(std::move(node));
  graph.outputs = {std::holds_alternative<Concat>(typical.op) ? read_by_layer(graph, result)
                                                              : result};
  return graph;
}

// As codes, every value up to 1.
Graph quantized(const Typical& typical) {
  const Graph graph = nemo_form(graph_of(typical));
  Thresholds thresholds;
  for (const Value& value : graph.values) thresholds[value.name] = 1;
  return quantize_nemo(graph, thresholds, {});
}

std::string without_split(std::string_view kernel) {
  return std::string(kernel.substr(0, kernel.find('_')));
}

std::string kernel_of(const Typical& typical, const Machine& machine) {
  const Graph graph = quantized(typical);
  const Network network = layers_of(graph, machine, NormBits::Auto);
  for (const std::size_t n : network.host_nodes) {
    const Op& op = graph.nodes[n].op;
    if (!std::holds_alternative<Quantize>(op) && !std::holds_alternative<Dequantize>(op)) {
      return "host";
    }
  }
  for (const Layer& layer : network.layers) {
    if (layer.name == "node") return without_split(to_string(dory_kernel(layer, machine)));
  }
  return "address";
}

// A row of the table: the operator as an op of ours. `merged`: it is part of that.
struct Row {
  std::string_view name;
  bool merged;
  Typical (*typical)();
};

const Row kRows[] = {
    {"Add", false, [] { return Typical{.op = Binary{}, .operands = 2}; }},
    {"AveragePool", false,
     [] {
       return Typical{.op = AveragePool{.window = window(2, 2, 0)}, .out = {1, kChannels, 7, 7}};
     }},
    {"BatchNormalization", true, [] { return convolution(); }},
    {"Clip", true,
     [] { return convolution({.kind = Activation::Kind::Clip, .alpha = 0, .beta = 6}); }},
    {"Concat", false,
     [] {
       return Typical{.op = Concat{}, .out = {1, 2 * kChannels, kSide, kSide}, .operands = 2};
     }},
    {"Conv", false, [] { return convolution(); }},
    {"Gemm", false,
     [] {
       return Typical{.op = Gemm{.transpose_b = true}, .out = {1, 10}, .weights = {10, kElements}};
     }},
    {"GlobalAveragePool", false,
     [] {
       return Typical{.op = AveragePool{.window = window(kSide, 1, 0)},
                      .out = {1, kChannels, 1, 1}};
     }},
    {"GlobalMaxPool", false,
     [] {
       return Typical{.op = MaxPool{.window = window(kSide, 1, 0)}, .out = {1, kChannels, 1, 1}};
     }},
    {"LeakyRelu", true,
     [] { return convolution({.kind = Activation::Kind::LeakyRelu, .alpha = 0.1F}); }},
    {"MaxPool", false,
     [] {
       return Typical{.op = MaxPool{.window = window(2, 2, 0)}, .out = {1, kChannels, 7, 7}};
     }},
    {"Pad", true, [] { return convolution(); }},
    {"Relu", true, [] { return convolution({.kind = Activation::Kind::Relu}); }},
    {"Reshape", false,
     [] {
       return Typical{.op = Reshape{{1, kElements}}, .out = {1, kElements}};
     }},
};

// The importer or a pass makes another operator of them.
struct Alias {
  std::string_view name, as;
};
constexpr Alias kAliases[] = {
    {"ConvInteger", "Conv"},
    {"Flatten", "Reshape"},
    {"MatMul", "Gemm"},
    {"MatMulInteger", "Gemm"},
    {"ReduceMax", "GlobalMaxPool"},
    {"ReduceMean", "GlobalAveragePool"},
    {"RequantShift", "BatchNormalization"},
    {"Squeeze", "Reshape"},
    {"Sum", "Add"},
    {"Unsqueeze", "Reshape"},
    // Of a constant: part of the layer before, as a BatchNormalization is.
    {"Affine", "BatchNormalization"},
    {"Div", "BatchNormalization"},
    {"ImageScaler", "BatchNormalization"},
    {"Mul", "BatchNormalization"},
    {"Sub", "BatchNormalization"},
};

}  // namespace

std::string where_it_runs(std::string_view onnx_operator, const Machine& machine) {
  if (is_folded(onnx_operator)) return "folded";
  for (const Alias& alias : kAliases) {
    if (alias.name == onnx_operator) onnx_operator = alias.as;
  }
  for (const Row& row : kRows) {
    if (row.name != onnx_operator) continue;
    std::string kernel = kernel_of(row.typical(), machine);
    return row.merged && kernel != "host" ? "merged" : kernel;
  }
  return "host";
}

}  // namespace workbench::pulp
