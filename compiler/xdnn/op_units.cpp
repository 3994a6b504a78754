#include "compiler/xdnn/op_units.h"

#include <algorithm>
#include <vector>

#include "compiler/passes/passes.h"
#include "compiler/xdnn/fit_limits.h"
#include "compiler/xdnn/support.h"

namespace workbench::xdnn {

namespace {

Window window(std::int64_t kernel, std::int64_t stride, std::int64_t pad) {
  return {{kernel, kernel}, {stride, stride}, {1, 1}, {pad, pad}, {pad, pad}};
}

constexpr std::int64_t kChannels = 64, kSide = 14;

// One node on maps of kChannels x kSide x kSide.
struct Typical {
  Op op;
  Shape out{1, kChannels, kSide, kSide};
  int operands = 1;
  bool weights = false;
  std::int64_t channels = kChannels;
};

Graph graph_of(const Typical& typical) {
  Graph graph{.name = "typical"};
  Node node{.name = "node", .op = typical.op};
  for (int i = 0; i < typical.operands; ++i) {
    node.inputs.push_back(graph.add_value(
        {.name = "x" + std::to_string(i), .shape = {1, typical.channels, kSide, kSide}}));
  }
  graph.inputs = node.inputs;
  if (typical.weights) {
    const Shape shape{typical.out[1], typical.channels, 3, 3};
    node.inputs.push_back(graph.add_constant("w", Tensor::zeros(ElementType::Float32, shape)));
  }
  node.outputs = {graph.add_value({.name = "y", .shape = typical.out})};
  graph.outputs = node.outputs;
  graph.nodes.push_back(std::move(node));
  return graph;
}

bool runs(const Graph& graph, const Machine& machine) {
  const auto reason = host_reasons(machine);
  return std::none_of(graph.nodes.begin(), graph.nodes.end(),
                      [&](const Node& node) { return reason(graph, node).has_value(); });
}

Typical convolution(Activation activation = {}) {
  return {.op = workbench::Conv{.window = window(3, 1, 1), .activation = std::move(activation)},
          .weights = true};
}

Typical average() {
  return {.op = AveragePool{.window = window(2, 2, 0)}, .out = {1, kChannels, 7, 7}};
}

Typical largest() {
  return {.op = MaxPool{.window = window(2, 2, 0)}, .out = {1, kChannels, 7, 7}};
}

// A row of the table: the operator as an op of ours, and what it is called when that runs.
struct Row {
  std::string_view name, runs_as;
  Typical (*typical)();
};

const Row kRows[] = {
    {"Add", "eltwise", [] { return Typical{.op = Binary{}, .operands = 2}; }},
    {"AveragePool", "pool", average},
    {"BatchNormalization", "merged", [] { return convolution(); }},
    {"Clip", "merged",
     [] { return convolution({.kind = Activation::Kind::Clip, .alpha = 0, .beta = 6}); }},
    {"Concat", "address",
     [] {
       return Typical{.op = Concat{}, .out = {1, 2 * kChannels, kSide, kSide}, .operands = 2};
     }},
    {"Conv", "array", [] { return convolution(); }},
    {"ConvTranspose", "array",
     [] {
       return Typical{.op = ConvTranspose{.window = window(3, 1, 1), .output_padding = {0, 0}},
                      .weights = true};
     }},
    {"GlobalAveragePool", "pool", average},
    {"GlobalMaxPool", "pool", largest},
    {"LeakyRelu", "merged",
     [] { return convolution({.kind = Activation::Kind::LeakyRelu, .alpha = 0.1F}); }},
    {"MaxPool", "pool", largest},
    {"PRelu", "merged",
     [] {
       return convolution(
           {.kind = Activation::Kind::PRelu, .slopes = std::vector<float>(kChannels, 0.1F)});
     }},
    {"Pad", "merged", [] { return convolution(); }},
    {"ReduceMax", "pool", largest},
    {"ReduceMean", "pool", average},
    {"Relu", "merged", [] { return convolution({.kind = Activation::Kind::Relu}); }},
    {"Resize", "upsample",
     [] {
       return Typical{.op = Resize{.scales = {1, 1, 2, 2}, .sizes = {1, kChannels, 28, 28}},
                      .out = {1, kChannels, 28, 28}};
     }},
    {"Slice", "address",
     [] {
       // 192: where a word begins, be it of 32, 64 or 96 channels.
       return Typical{.op = workbench::Slice{{192}, {384}, {1}, {1}},
                      .out = {1, 192, kSide, kSide},
                      .channels = 384};
     }},
};

// The importer or a pass makes another operator of them.
struct Alias {
  std::string_view name, as;
};
constexpr Alias kAliases[] = {
    {"Split", "Slice"},
    {"Sum", "Add"},
    {"Upsample", "Resize"},
    // Of a constant: part of the convolution, as a BatchNormalization is.
    {"Div", "BatchNormalization"},
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
    Graph graph = graph_of(row.typical());
    if (runs(graph, machine)) return std::string(row.runs_as);
    return fit_limits(graph, machine) && runs(graph, machine) ? "rewritten" : "host";
  }
  return "host";
}

}  // namespace workbench::xdnn
