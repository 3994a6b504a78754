// Reductions and normalisations. What has no node of its own in the Graph becomes the few that
// define it.
#include <cmath>
#include <limits>
#include <numeric>

#include "compiler/import/node_reader.h"

namespace workbench::importer {

namespace {

constexpr Result kPart{.output = kIntermediate};

constexpr std::pair<std::string_view, Reduce::Kind> kKinds[] = {
    {"ReduceL1", Reduce::Kind::L1},         {"ReduceL2", Reduce::Kind::L2},
    {"ReduceLogSum", Reduce::Kind::LogSum}, {"ReduceLogSumExp", Reduce::Kind::LogSumExp},
    {"ReduceMax", Reduce::Kind::Max},       {"ReduceMean", Reduce::Kind::Mean},
    {"ReduceMin", Reduce::Kind::Min},       {"ReduceProd", Reduce::Kind::Prod},
    {"ReduceSum", Reduce::Kind::Sum},       {"ReduceSumSquare", Reduce::Kind::SumSquare},
};

Reduce::Kind reduce_kind(const NodeReader& node) {
  for (const auto& [name, kind] : kKinds) {
    if (name == node.op()) return kind;
  }
  CHECK(false, "{} reduces nothing", node.op());
}

ValueId binary(NodeReader& node, Binary::Kind kind, ValueId a, ValueId b, const Result& result) {
  return node.emit(Binary{.kind = kind}, {a, b}, {result});
}

ValueId number(NodeReader& node, float value) { return node.add_constant(Tensor::scalar(value)); }

// noop_with_empty_axes: nothing is summed, but what the op does to each element is done (operator
// text of opset 18: "ReduceSumSquare acts as a vanilla Square").
void import_reduce_of_nothing(NodeReader& node, Reduce::Kind kind) {
  const ValueId x = node.number_input(0);
  using Kind = Reduce::Kind;
  if (kind == Kind::L1 || kind == Kind::L2) {
    node.emit(Activate{{.kind = Activation::Kind::Abs}}, {x});
  } else if (kind == Kind::LogSum) {
    node.emit(Activate{{.kind = Activation::Kind::Log}}, {x});
  } else if (kind == Kind::SumSquare) {
    node.emit(Binary{.kind = Binary::Kind::Mul}, {x, x});
  } else {
    node.emit(Identity{}, {x});
  }
}

void import_reduce(NodeReader& node) {
  Reduce op{.kind = reduce_kind(node)};
  op.keep_dims = node.flag("keepdims", true);
  const bool noop_when_empty = node.flag("noop_with_empty_axes", false);
  const std::int64_t input_since = op.kind == Reduce::Kind::Sum ? 13 : 18;
  const Integers axes = node.list("axes", 1, input_since).value_or(Integers());
  const std::size_t rank = node.shape(0).size();
  std::set<std::size_t> reduced;
  for (const std::int64_t axis : axes) reduced.insert(node.axis(axis, rank));
  op.axes.assign(reduced.begin(), reduced.end());
  if (axes.empty() && !noop_when_empty) {
    op.axes.resize(rank);
    std::iota(op.axes.begin(), op.axes.end(), 0);
  }
  if (axes.empty() && noop_when_empty) {
    import_reduce_of_nothing(node, op.kind);
  } else {
    node.emit(op, {node.number_input(0)});
  }
}

// Outputs 1 and 2 of a normalisation of `x`, which training wants: the mean, and 1 / deviation.
void emit_moments(NodeReader& node, const LayerNorm& op, ValueId x) {
  const bool wants_mean = node.wants_output(1), wants_deviation = node.wants_output(2);
  if (!wants_mean && !wants_deviation) return;
  if (op.rms) node.refuse("output 1: expected the first output alone");
  Reduce average{.kind = Reduce::Kind::Mean};
  for (std::size_t d = node.axis(op.axis, node.shape(0).size()); d < node.shape(0).size(); ++d) {
    average.axes.push_back(static_cast<std::int64_t>(d));
  }
  const ValueId mean = node.emit(average, {x}, {wants_mean ? Result{.output = 1} : kPart});
  if (!wants_deviation) return;
  const ValueId centred = binary(node, Binary::Kind::Sub, x, mean, kPart);
  const ValueId squares = binary(node, Binary::Kind::Mul, centred, centred, kPart);
  const ValueId variance = node.emit(average, {squares}, {kPart});
  const ValueId sum = binary(node, Binary::Kind::Add, variance, number(node, op.epsilon), kPart);
  const ValueId root = node.emit(Activate{{.kind = Activation::Kind::Sqrt}}, {sum}, {kPart});
  node.emit(Activate{{.kind = Activation::Kind::Reciprocal}}, {root}, {{.output = 2}});
}

void import_layer_normalization(NodeReader& node) {
  LayerNorm op{.epsilon = node.real("epsilon", 1e-5F)};
  op.rms = node.op() == "RMSNormalization" || node.op() == "SimplifiedLayerNormalization";
  op.axis = static_cast<std::int64_t>(node.axis(node.integer("axis", -1), node.shape(0).size()));
  node.only_integer("stash_type", 1);
  std::vector<ValueId> inputs{node.float_input(0), node.float_input(1)};
  if (node.has_input(2)) inputs.push_back(node.float_input(2));
  node.emit(op, inputs);
  emit_moments(node, op, inputs[0]);
}

// inputs x, skip, gamma, beta, bias (Microsoft's): the sum of x, skip and bias, normalised; output
// 3 is the sum.
void import_skip_layer_normalization(NodeReader& node) {
  LayerNorm op{.epsilon = node.real("epsilon", 1e-12F)};
  op.rms = node.op() == "SkipSimplifiedLayerNormalization";
  const std::size_t bias = op.rms ? 3 : 4;
  const bool wants_sum = node.output_count() > 3 && node.wants_output(3);
  const Result of_sum = wants_sum ? Result{.output = 3} : kPart;
  const bool biased = node.has_input(bias);
  ValueId sum = binary(node, Binary::Kind::Add, node.float_input(0), node.float_input(1),
                       biased ? kPart : of_sum);
  if (biased) sum = binary(node, Binary::Kind::Add, sum, node.float_input(bias), of_sum);
  std::vector<ValueId> inputs{sum, node.float_input(2)};
  if (!op.rms && node.has_input(3)) inputs.push_back(node.float_input(3));
  node.emit(op, inputs);
  node.take_name();
  emit_moments(node, op, sum);
}

// A vector over channels as it multiplies [N, C, spatial].
ValueId over_channels(NodeReader& node, std::size_t i, std::size_t rank) {
  Shape shape(rank - 1, 1);
  shape[0] = node.shape(i)[0];
  const ValueId id = node.float_input(i);
  if (node.value(i).constant) return node.add_constant(node.value(i).constant->reshaped(shape));
  return node.emit(Reshape{shape}, {id}, {kPart});
}

// Each group of channels is one map of an InstanceNorm. Scale and bias are of groups before opset
// 21, of channels from then on.
void import_group_normalization(NodeReader& node) {
  const Shape x = node.shape(0);
  const std::int64_t groups = node.required_integer("num_groups");
  const float epsilon = node.real("epsilon", 1e-5F);
  node.only_integer("stash_type", 1);
  if (x.size() < 3 || groups < 1 || x[1] % groups != 0) {
    node.refuse("attribute 'num_groups': expected a divisor of the channels of {}, found {}",
                to_string(x), groups);
  }
  const bool of_groups = node.opset() < 21;
  for (const std::size_t i : {std::size_t{1}, std::size_t{2}}) {
    const Shape expected{of_groups ? groups : x[1]};
    if (node.shape(i) != expected) {
      node.refuse("input {}: expected shape {}, found {}", i, to_string(expected),
                  to_string(node.shape(i)));
    }
  }
  const auto all = [&](float value) {
    const std::vector<float> values(static_cast<std::size_t>(groups), value);
    return node.add_constant(Tensor::from<float>({groups}, values));
  };
  const Shape grouped{x[0], groups, element_count(x) / std::max<std::int64_t>(x[0] * groups, 1)};
  const ValueId maps = node.emit(Reshape{grouped}, {node.float_input(0)}, {kPart});
  const ValueId scale = of_groups ? node.float_input(1) : all(1);
  const ValueId bias = of_groups ? node.float_input(2) : all(0);
  const ValueId normal = node.emit(InstanceNorm{.epsilon = epsilon}, {maps, scale, bias}, {kPart});
  const ValueId back = node.emit(Reshape{x}, {normal}, {of_groups ? Result{} : kPart});
  if (of_groups) return;
  const ValueId product =
      binary(node, Binary::Kind::Mul, back, over_channels(node, 1, x.size()), kPart);
  binary(node, Binary::Kind::Add, product, over_channels(node, 2, x.size()), {});
}

// x / |x|; where the norm is 0 all of x is, and so is the result.
void import_lp_normalization(NodeReader& node) {
  const std::size_t axis = node.axis(node.integer("axis", -1), node.shape(0).size());
  const std::int64_t p = node.integer("p", 2);
  if (p != 1 && p != 2) node.refuse("attribute 'p': expected 1 or 2, found {}", p);
  const Reduce norm{.kind = p == 1 ? Reduce::Kind::L1 : Reduce::Kind::L2,
                    .axes = {static_cast<std::int64_t>(axis)}};
  const ValueId x = node.float_input(0);
  const ValueId length = node.emit(norm, {x}, {kPart});
  const ValueId divisor = binary(node, Binary::Kind::Max, length,
                                 number(node, std::numeric_limits<float>::min()), kPart);
  binary(node, Binary::Kind::Div, x, divisor, {});
}

// (x - mean) / (deviation + 1e-9)
void import_mean_variance_normalization(NodeReader& node) {
  Integers axes = node.integers("axes").value_or(Integers{0, 2, 3});
  for (std::int64_t& axis : axes) {
    axis = static_cast<std::int64_t>(node.axis(axis, node.shape(0).size()));
  }
  const Reduce mean{.kind = Reduce::Kind::Mean, .axes = axes};
  const ValueId x = node.float_input(0);
  const ValueId centred = binary(node, Binary::Kind::Sub, x, node.emit(mean, {x}, {kPart}), kPart);
  const ValueId squares = binary(node, Binary::Kind::Mul, centred, centred, kPart);
  const ValueId variance = node.emit(mean, {squares}, {kPart});
  const ValueId root = node.emit(Activate{{.kind = Activation::Kind::Sqrt}}, {variance}, {kPart});
  const ValueId deviation = binary(node, Binary::Kind::Add, root, number(node, 1e-9F), kPart);
  binary(node, Binary::Kind::Div, centred, deviation, {});
}

// |x|^p, and the root at the end.
ValueId powers(NodeReader& node, std::int64_t p) {
  const ValueId x = node.float_input(0);
  if (p == 2) return binary(node, Binary::Kind::Mul, x, x, kPart);
  const ValueId size = node.emit(Activate{{.kind = Activation::Kind::Abs}}, {x}, {kPart});
  if (p == 1) return size;
  return binary(node, Binary::Kind::Pow, size, number(node, static_cast<float>(p)), kPart);
}
void root(NodeReader& node, std::int64_t p, ValueId sum) {
  if (p == 1) {
    node.emit(Identity{}, {sum});
  } else if (p == 2) {
    node.emit(Activate{{.kind = Activation::Kind::Sqrt}}, {sum});
  } else {
    binary(node, Binary::Kind::Pow, sum, number(node, 1.0F / static_cast<float>(p)), {});
  }
}

std::int64_t exponent(NodeReader& node) {
  const std::int64_t p = node.integer("p", 2);
  if (p < 1 || p > 64) node.refuse("attribute 'p': expected a value in [1, 64], found {}", p);
  return p;
}

// Sums under windows: averages that count the padding, times the size of the window.
void import_lp_pool(NodeReader& node) {
  const std::int64_t p = exponent(node);
  AveragePool pool = average_pool_op(node);
  if (pool.ceil_mode) node.refuse("attribute 'ceil_mode': only 0 is supported, found 1");
  pool.count_include_pad = true;
  const auto cells = static_cast<float>(element_count(pool.window.kernel));
  const ValueId mean = node.emit(pool, {powers(node, p)}, {kPart});
  root(node, p, binary(node, Binary::Kind::Mul, mean, number(node, cells), kPart));
}

void import_global_lp_pool(NodeReader& node) {
  const std::int64_t p = exponent(node);
  Reduce sum{.kind = Reduce::Kind::Sum};
  for (std::size_t d = 2; d < node.shape(0).size(); ++d) {
    sum.axes.push_back(static_cast<std::int64_t>(d));
  }
  root(node, p, node.emit(sum, {powers(node, p)}, {kPart}));
}

// 1 at the first of the greatest elements, 0 elsewhere. Before opset 13 of all dimensions from
// `axis` on.
void import_hardmax(NodeReader& node) {
  const Shape x = node.shape(0);
  const bool flattens = node.opset() < 13;
  const std::size_t axis = node.axis(node.integer("axis", flattens ? 1 : -1), x.size());
  const auto split = x.begin() + static_cast<std::ptrdiff_t>(axis);
  const Shape rows{element_count(Shape(x.begin(), split)), element_count(Shape(split, x.end()))};
  const Shape shape = flattens ? rows : x;
  const std::size_t along = flattens ? 1 : axis;
  ValueId values = node.float_input(0);
  if (flattens) values = node.emit(Reshape{rows}, {values}, {kPart});
  const ArgReduce greatest{.axis = static_cast<std::int64_t>(along)};
  const ValueId winner =
      node.emit(greatest, {values}, {{.output = kIntermediate, .type = ElementType::Int64}});
  Shape column(shape.size() - along, 1);
  column[0] = shape[along];
  Integers places(static_cast<std::size_t>(shape[along]));
  std::iota(places.begin(), places.end(), std::int64_t{0});
  const ValueId wins =
      node.emit(Binary{.kind = Binary::Kind::Equal},
                {winner, node.add_constant(Tensor::from<std::int64_t>(column, places))},
                {{.output = kIntermediate, .type = ElementType::Bool}});
  const Result real{.output = flattens ? kIntermediate : 0, .type = ElementType::Float32};
  const ValueId ones = node.emit(Identity{}, {wins}, {real});
  if (flattens) node.emit(Reshape{x}, {ones});
}

// name, function, inputs, outputs, folds, note
constexpr ImportRule kRules[] = {
    {"GlobalLpPool", import_global_lp_pool, 1, 1, false, "becomes powers, ReduceSum and the root"},
    {"GroupNormalization", import_group_normalization, 3, 1, false,
     "becomes InstanceNormalization, Mul and Add"},
    {"Hardmax", import_hardmax, 1, 1, true, "becomes ArgMax and Equal"},
    {"LayerNormalization", import_layer_normalization, 3, 3, false, ""},
    {"LpNormalization", import_lp_normalization, 1, 1, true, "becomes ReduceL1 or L2 and Div"},
    {"LpPool", import_lp_pool, 1, 1, false, "becomes powers, AveragePool and the root"},
    {"MeanVarianceNormalization", import_mean_variance_normalization, 1, 1, true,
     "becomes its definition"},
    {"RMSNormalization", import_layer_normalization, 2, 1, false, ""},
    {"ReduceL1", import_reduce, 2, 1, true, "constant axes"},
    {"ReduceL2", import_reduce, 2, 1, true, "constant axes"},
    {"ReduceLogSum", import_reduce, 2, 1, true, "constant axes"},
    {"ReduceLogSumExp", import_reduce, 2, 1, true, "constant axes"},
    {"ReduceMax", import_reduce, 2, 1, true, "constant axes"},
    {"ReduceMean", import_reduce, 2, 1, true, "constant axes"},
    {"ReduceMin", import_reduce, 2, 1, true, "constant axes"},
    {"ReduceProd", import_reduce, 2, 1, true, "constant axes"},
    {"ReduceSum", import_reduce, 2, 1, true, "constant axes"},
    {"ReduceSumSquare", import_reduce, 2, 1, true, "constant axes"},
    {"SimplifiedLayerNormalization", import_layer_normalization, 2, 2, false,
     "RMSNormalization; also com.microsoft", kAnyDomain},
    {"SkipLayerNormalization", import_skip_layer_normalization, 5, 4, false,
     "becomes Add and LayerNormalization; com.microsoft", kMicrosoft},
    {"SkipSimplifiedLayerNormalization", import_skip_layer_normalization, 4, 4, false,
     "becomes Add and RMSNormalization; com.microsoft", kMicrosoft},
};

}  // namespace

std::span<const ImportRule> normalize_rules() { return kRules; }

}  // namespace workbench::importer
