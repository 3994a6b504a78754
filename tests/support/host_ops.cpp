#include "tests/support/host_ops.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "compiler/passes/rewrite.h"
#include "core/shapes.h"

namespace workbench {

namespace {

using Kind = Activation::Kind;
using Integers = std::vector<std::int64_t>;

// Appends nodes behind one value.
class Inserter {
 public:
  Inserter(Graph& graph, std::size_t before, std::mt19937_64& random)
      : graph_(graph), before_(before), random_(random) {}

  std::int64_t between(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(high - low + 1));
  }
  float real() { return static_cast<float>(between(-100, 100)) / 50; }  // in [-2, 2]
  const Shape& shape(ValueId id) const { return graph_.value(id).shape; }

  std::vector<ValueId> nodes(Op op, const std::vector<ValueId>& inputs,
                             const std::vector<ElementType>& types) {
    Node node{.name = unique_node_name(graph_, "host_op"), .op = std::move(op), .inputs = inputs};
    const std::vector<Shape> shapes = output_shapes(graph_, node);
    for (std::size_t i = 0; i < types.size(); ++i) {
      node.outputs.push_back(graph_.add_value({.name = unique_value_name(graph_, "host_value"),
                                               .shape = shapes.at(i),
                                               .type = types[i]}));
    }
    const std::vector<ValueId> results = node.outputs;
    insert_node(graph_, before_++, std::move(node));
    return results;
  }
  ValueId node(Op op, const std::vector<ValueId>& inputs, ElementType type = ElementType::Float32) {
    return nodes(std::move(op), inputs, {type})[0];
  }
  ValueId function(Kind kind, ValueId x, float alpha = 1, float beta = 1) {
    return node(Activate{{.kind = kind, .alpha = alpha, .beta = beta}}, {x});
  }
  ValueId binary(Binary::Kind kind, ValueId a, ValueId b) {
    const auto type = gives_truth(kind) ? ElementType::Bool : graph_.value(a).type;
    return node(Binary{.kind = kind}, {a, b}, type);
  }
  ValueId constant(Tensor tensor) {
    return graph_.add_constant(unique_value_name(graph_, "host_constant"), std::move(tensor));
  }
  ValueId number(float value) { return constant(Tensor::scalar(value)); }
  ValueId list(const Integers& values) {
    return constant(Tensor::from<std::int64_t>({static_cast<std::int64_t>(values.size())}, values));
  }
  ValueId reals(const Shape& shape) {
    Tensor tensor = Tensor::uninitialized(ElementType::Float32, shape);
    for (float& v : tensor.mutable_values<float>()) v = real();
    return constant(std::move(tensor));
  }

 private:
  Graph& graph_;
  std::size_t before_;
  std::mt19937_64& random_;
};

ValueId reduced(Inserter& in, Reduce::Kind kind, ValueId x, const Integers& axes) {
  return in.node(Reduce{.kind = kind, .axes = axes}, {x});
}

ValueId every_function(Inserter& in, ValueId x) {
  constexpr Kind kKinds[] = {Kind::Abs,
                             Kind::Neg,
                             Kind::Sign,
                             Kind::Ceil,
                             Kind::Floor,
                             Kind::Round,
                             Kind::Erf,
                             Kind::Sin,
                             Kind::Cos,
                             Kind::Atan,
                             Kind::Asinh,
                             Kind::Celu,
                             Kind::Softplus,
                             Kind::Selu,
                             Kind::Shrink,
                             Kind::Softsign,
                             Kind::Elu,
                             Kind::Gelu,
                             Kind::Mish,
                             Kind::GeluTanh,
                             Kind::Tanh,
                             Kind::Exp,
                             Kind::ThresholdedRelu};
  const Kind kind = kKinds[in.between(0, std::size(kKinds) - 1)];
  const ValueId small = kind == Kind::Exp ? in.function(Kind::Tanh, x) : x;
  return in.function(kind, small, 0.5F, 0.25F);
}

ValueId choice(Inserter& in, ValueId x) {
  const ValueId positive = in.binary(Binary::Kind::Greater, x, in.number(0));
  return in.node(Where{}, {positive, x, in.binary(Binary::Kind::Mul, x, in.number(0.25F))});
}

ValueId truth_times(Inserter& in, ValueId x) {
  const ValueId positive = in.binary(Binary::Kind::GreaterOrEqual, x, in.number(0.5F));
  const ValueId small = in.binary(Binary::Kind::Less, x, in.number(32));
  const ValueId both = in.binary(Binary::Kind::And, positive, small);
  return in.binary(Binary::Kind::Mul, x, in.node(Identity{}, {both}));
}

ValueId best_of_row(Inserter& in, ValueId x) {
  const ValueId index = in.node(ArgReduce{.axis = 3}, {x}, ElementType::Int64);
  const ValueId best = in.node(GatherElements{.axis = 3}, {x, index});
  return in.binary(Binary::Kind::Sub, x, best);
}

ValueId sorted_rows(Inserter& in, ValueId x) {
  const TopK op{.axis = 3, .count = in.shape(x)[3], .least = in.between(0, 1) == 1};
  return in.nodes(op, {x}, {ElementType::Float32, ElementType::Int64})[0];
}

ValueId shuffled_channels(Inserter& in, ValueId x) {
  Integers order(static_cast<std::size_t>(in.shape(x)[1]));
  std::iota(order.rbegin(), order.rend(), std::int64_t{0});
  return in.node(Gather{.axis = 1}, {x, in.list(order)});
}

ValueId attention(Inserter& in, ValueId x) {
  const ValueId turned = in.node(Transpose{{0, 1, 3, 2}}, {x});
  const ValueId scores = in.node(MatMul{}, {x, turned});
  const ValueId scaled = in.binary(Binary::Kind::Mul, scores, in.number(0.01F));
  return in.node(MatMul{}, {in.node(Softmax{}, {scaled}), x});
}

ValueId recurrent(Inserter& in, ValueId x) {
  const Shape shape = in.shape(x);
  Recurrent op{.kind = static_cast<Recurrent::Kind>(in.between(0, 2)), .hidden = shape[3]};
  const std::int64_t rows = op.gates() * op.hidden;
  const ValueId sequence = in.node(Reshape{{shape[2], shape[1], shape[3]}}, {x});
  const ValueId y =
      in.node(op, {sequence, in.reals({1, rows, shape[3]}), in.reals({1, rows, op.hidden})});
  return in.node(Reshape{shape}, {y});
}

ValueId there_and_back(Inserter& in, ValueId x) {
  const Shape shape = in.shape(x);
  const auto resized = [&](ValueId from, Integers sizes, bool cubic) {
    return in.node(Interpolate{.resize = {.sizes = std::move(sizes),
                                          .coordinates = Resize::Coordinates::HalfPixel},
                               .cubic = cubic},
                   {from});
  };
  const ValueId larger = resized(x, {1, shape[1], shape[2] + 3, shape[3] + 1}, false);
  return resized(larger, shape, true);
}

ValueId sampled(Inserter& in, ValueId x) {
  const Shape shape = in.shape(x);
  const GridSample op{.mode = static_cast<GridSample::Mode>(in.between(0, 2)),
                      .outside = static_cast<GridSample::Outside>(in.between(0, 2))};
  return in.node(op, {x, in.reals({1, shape[2], shape[3], 2})});
}

ValueId cut_from_larger(Inserter& in, ValueId x) {
  const Shape shape = in.shape(x);
  const bool wraps = in.between(0, 1) == 1;
  const Shape doubled{shape[0], shape[1], shape[2], 2 * shape[3]};
  const ValueId larger =
      wraps ? in.node(Pad{.mode = Pad::Mode::Wrap, .begin = {0, 0, 0, 1}, .end = {0, 0, 0, 1}}, {x})
            : in.node(Repeat{doubled}, {x});
  return in.node(Slice{{1}, {shape[3] + 1}, {3}, {1}}, {larger});
}

ValueId scattered(Inserter& in, ValueId x) {
  const Shape shape = in.shape(x);
  const Shape one{1, 1, shape[2], 1};
  Tensor indices = Tensor::zeros(ElementType::Int64, one);
  for (std::int64_t& i : indices.mutable_values<std::int64_t>()) i = in.between(-1, shape[3] - 1);
  const ScatterElements op{.axis = 3, .reduction = static_cast<ScatterReduction>(in.between(0, 4))};
  return in.node(op, {x, in.constant(std::move(indices)), in.reals(one)});
}

struct Row {
  const char* name;
  ValueId (*make)(Inserter&, ValueId);
};
constexpr Row kRows[] = {
    {"function", every_function},
    {"sqrt",
     [](Inserter& in, ValueId x) { return in.function(Kind::Sqrt, in.function(Kind::Abs, x)); }},
    {"maximum",
     [](Inserter& in, ValueId x) {
       return in.binary(in.between(0, 1) == 1 ? Binary::Kind::Max : Binary::Kind::Min, x,
                        in.number(in.real()));
     }},
    {"where", choice},
    {"truth", truth_times},
    {"layer norm",
     [](Inserter& in, ValueId x) {
       const Shape scale{in.shape(x)[3]};
       return in.node(LayerNorm{.rms = in.between(0, 1) == 1},
                      {x, in.reals(scale), in.reals(scale)});
     }},
    {"minimum of a map",
     [](Inserter& in, ValueId x) {
       return in.binary(Binary::Kind::Sub, x, reduced(in, Reduce::Kind::Min, x, {2, 3}));
     }},
    {"length",
     [](Inserter& in, ValueId x) {
       const ValueId length = reduced(in, Reduce::Kind::L2, x, {1});
       return in.binary(Binary::Kind::Div, x, in.binary(Binary::Kind::Max, length, in.number(1)));
     }},
    {"log sum exp",
     [](Inserter& in, ValueId x) {
       return in.binary(Binary::Kind::Sub, x, reduced(in, Reduce::Kind::LogSumExp, x, {1}));
     }},
    {"arg max", best_of_row},
    {"top k", sorted_rows},
    {"gather", shuffled_channels},
    {"running sum", [](Inserter& in, ValueId x) { return in.node(CumSum{.axis = 2}, {x}); }},
    {"attention", attention},
    {"recurrent", recurrent},
    {"interpolate", there_and_back},
    {"grid sample", sampled},
    {"repeat", cut_from_larger},
    {"scatter", scattered},
    {"remainder",
     [](Inserter& in, ValueId x) {
       return in.node(Binary{.kind = Binary::Kind::Fmod}, {x, in.number(1.5F)});
     }},
};

// Maps of reals that one node writes and another reads.
std::vector<std::size_t> places(const Graph& graph) {
  std::vector<std::size_t> writers;
  const auto readers = consumers(graph);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    const Value& value = graph.value(node.outputs[0]);
    const bool read = !readers[static_cast<std::size_t>(node.outputs[0])].empty();
    const bool is_map = value.type == ElementType::Float32 && value.shape.size() == 4;
    if (read && is_map && node.outputs.size() == 1 && !value.name.starts_with("host")) {
      writers.push_back(n);
    }
  }
  return writers;
}

}  // namespace

std::vector<std::string> host_op_names() {
  std::vector<std::string> names;
  for (const Row& row : kRows) names.emplace_back(row.name);
  return names;
}

void add_host_ops(Graph& graph, std::mt19937_64& random, int count, std::size_t first) {
  for (int i = 0; i < count; ++i) {
    const std::vector<std::size_t> writers = places(graph);
    if (writers.empty()) return;
    const std::size_t n = writers[random() % writers.size()];
    const ValueId x = graph.nodes[n].outputs[0];
    const auto readers = consumers(graph)[static_cast<std::size_t>(x)];
    std::vector<std::string> names;
    for (const std::size_t reader : readers) names.push_back(graph.nodes[reader].name);
    Inserter in(graph, n + 1, random);
    const Row& row = kRows[(first + static_cast<std::size_t>(i)) % std::size(kRows)];
    const ValueId y = row.make(in, x);
    CHECK(graph.value(y).shape == graph.value(x).shape, "'{}' changes the shape", row.name);
    for (Node& node : graph.nodes) {
      if (std::ranges::find(names, node.name) == names.end()) continue;
      std::ranges::replace(node.inputs, x, y);
    }
  }
}

}  // namespace workbench
