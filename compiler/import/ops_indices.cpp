// Operators that choose elements by indices, repeat them or put them in order.
#include <algorithm>
#include <numeric>

#include "compiler/import/node_reader.h"
#include "compiler/import/tensor_proto.h"

namespace workbench::importer {

namespace {

constexpr Result kPart{.output = kIntermediate};

// What import makes itself is no larger: a hostile file must not make us fill memory.
constexpr std::int64_t kMaxMade = std::int64_t{1} << 24;

ValueId index_input(const NodeReader& node, std::size_t i) {
  const ElementType type = node.value(i).type;
  if (type != ElementType::Int64 && type != ElementType::Int32) {
    node.refuse("input {} (indices): expected int64 or int32, found {}", i, to_string(type));
  }
  return node.input(i);
}

// Constant indices are checked now; `size(i)` is what the i-th of them counts in.
template <typename Size>
void check_constant_indices(const NodeReader& node, Size size) {
  if (!node.value(1).constant) return;
  const Integers indices = node.constant_integers(1, "indices");
  for (std::size_t i = 0; i < indices.size(); ++i) {
    const std::int64_t limit = size(i);
    if (indices[i] < -limit || indices[i] >= limit) {
      node.refuse("input 1 (indices): expected values in [{}, {}), found {}", -limit, limit,
                  indices[i]);
    }
  }
}

void import_gather_elements(NodeReader& node) {
  const Shape& x = node.shape(0);
  const std::size_t axis = node.axis(node.integer("axis", 0), x.size());
  check_constant_indices(node, [&](std::size_t) { return x[axis]; });
  node.emit(GatherElements{.axis = static_cast<std::int64_t>(axis)},
            {node.input(0), index_input(node, 1)});
}

ScatterReduction scatter_reduction(NodeReader& node) {
  using Mode = ScatterReduction;
  constexpr std::pair<std::string_view, Mode> kModes[] = {{"none", Mode::None},
                                                          {"add", Mode::Add},
                                                          {"mul", Mode::Mul},
                                                          {"max", Mode::Max},
                                                          {"min", Mode::Min}};
  const std::string text = node.text("reduction", "none");
  for (const auto& [name, mode] : kModes) {
    if (name == text) return mode;
  }
  node.refuse("attribute 'reduction': expected none, add, mul, max or min, found '{}'", text);
}

std::vector<ValueId> scatter_operands(const NodeReader& node) {
  if (node.value(2).type != node.value(0).type) {
    node.refuse("input 2 (updates): expected {} like input 0, found {}",
                to_string(node.value(0).type), to_string(node.value(2).type));
  }
  return {node.input(0), index_input(node, 1), node.input(2)};
}

// Also Scatter, its name before opset 11.
void import_scatter_elements(NodeReader& node) {
  const Shape& x = node.shape(0);
  const std::size_t axis = node.axis(node.integer("axis", 0), x.size());
  check_constant_indices(node, [&](std::size_t) { return x[axis]; });
  node.emit(ScatterElements{.axis = static_cast<std::int64_t>(axis),
                            .reduction = scatter_reduction(node)},
            scatter_operands(node));
}

std::int64_t index_depth(const NodeReader& node, std::int64_t batch_dims) {
  const Shape& indices = node.shape(1);
  const auto rank = static_cast<std::int64_t>(node.shape(0).size());
  const std::int64_t depth = indices.empty() ? 0 : indices.back();
  if (batch_dims < 0 || depth < 1 || depth > rank - batch_dims) {
    node.refuse("input 1 (indices): expected rows of 1 to {} indices, found shape {}",
                rank - batch_dims, to_string(indices));
  }
  return depth;
}

void check_rows(const NodeReader& node, std::int64_t batch_dims) {
  const Shape& x = node.shape(0);
  const auto depth = static_cast<std::size_t>(index_depth(node, batch_dims));
  check_constant_indices(
      node, [&](std::size_t i) { return x[static_cast<std::size_t>(batch_dims) + i % depth]; });
}

void import_gather_nd(NodeReader& node) {
  const GatherNd op{.batch_dims = node.integer("batch_dims", 0)};
  check_rows(node, op.batch_dims);
  node.emit(op, {node.input(0), index_input(node, 1)});
}

void import_scatter_nd(NodeReader& node) {
  check_rows(node, 0);
  node.emit(ScatterNd{.reduction = scatter_reduction(node)}, scatter_operands(node));
}

void import_expand(NodeReader& node) {
  const Shape& x = node.shape(0);
  const Shape wanted = node.constant_integers(1, "shape");
  check_shape(wanted, fmt::format("node '{}' (Expand): shape", node.name()));
  Shape shape(std::max(x.size(), wanted.size()));
  for (std::size_t i = 0; i < shape.size(); ++i) {  // from the back
    const std::int64_t own = i < x.size() ? x[x.size() - 1 - i] : 1;
    const std::int64_t other = i < wanted.size() ? wanted[wanted.size() - 1 - i] : 1;
    if (own != other && own != 1 && other != 1) {
      node.refuse("input 1 (shape): expected a shape that broadcasts with {}, found {}",
                  to_string(x), to_string(wanted));
    }
    shape[shape.size() - 1 - i] = own == 1 ? other : own;
  }
  node.emit(Repeat{shape}, {node.input(0)});
}

void import_tile(NodeReader& node) {
  const Shape& x = node.shape(0);
  const Integers repeats = node.constant_integers(1, "repeats");
  if (repeats.size() != x.size()) {
    node.refuse("input 1 (repeats): expected {} entries, found {}", x.size(), repeats.size());
  }
  Shape shape = x;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::int64_t most = (std::int64_t{1} << 40) / std::max<std::int64_t>(x[i], 1);
    if (repeats[i] < 0 || repeats[i] > most) {
      node.refuse("input 1 (repeats): expected values in [0, {}], found {}", most, repeats[i]);
    }
    shape[i] *= repeats[i];
  }
  node.emit(Repeat{shape}, {node.input(0)});
}

void import_arg_reduce(NodeReader& node) {
  ArgReduce op{.least = node.op() == "ArgMin"};
  const std::size_t axis = node.axis(node.integer("axis", 0), node.shape(0).size());
  op.axis = static_cast<std::int64_t>(axis);
  op.keep_dims = node.flag("keepdims", true);
  op.last = node.flag("select_last_index", false);
  node.emit(op, {node.number_input(0)}, {{.type = ElementType::Int64}});
}

void import_top_k(NodeReader& node) {
  constexpr std::int64_t kInputsSince = 10;
  const std::size_t axis = node.axis(node.integer("axis", -1), node.shape(0).size());
  TopK op{.axis = static_cast<std::int64_t>(axis)};
  if (node.opset() < kInputsSince) {
    op.count = node.required_integer("k");
  } else {
    const Integers count = node.constant_integers(1, "k");
    if (count.size() != 1) node.refuse("input 1 (k): expected one number, found {}", count.size());
    op.count = count[0];
  }
  op.least = !node.flag("largest", true);
  node.flag("sorted", true);  // any order would do
  std::vector<Result> results{node.wants_output(0) ? Result{} : kPart};
  if (node.wants_output(1)) results.push_back({.output = 1, .type = ElementType::Int64});
  node.emit(op, {node.number_input(0)}, results);
}

void import_cum_sum(NodeReader& node) {
  const Integers axes = node.constant_integers(1, "axis");
  if (axes.size() != 1) node.refuse("input 1 (axis): expected one number, found {}", axes.size());
  const std::size_t axis = node.axis(axes[0], node.shape(0).size());
  node.emit(CumSum{.axis = static_cast<std::int64_t>(axis),
                   .exclusive = node.flag("exclusive", false),
                   .reverse = node.flag("reverse", false)},
            {node.number_input(0)});
}

void check_made(const NodeReader& node, const Shape& shape) {
  check_shape(shape, fmt::format("node '{}' ({}): output", node.name(), node.op()));
  if (element_count(shape) > kMaxMade) {
    node.refuse("output: expected at most {} elements, found {}", kMaxMade, to_string(shape));
  }
}

// A triangle is a choice between the element and 0.
void import_trilu(NodeReader& node) {
  const Shape& x = node.shape(0);
  if (x.size() < 2) node.refuse("input 0: expected rank 2 or more, found {}", to_string(x));
  const bool upper = node.flag("upper", true);
  std::int64_t diagonal = 0;
  if (node.has_input(1)) {
    const Integers k = node.constant_integers(1, "k");
    if (k.size() != 1) node.refuse("input 1 (k): expected one number, found {}", k.size());
    diagonal = std::clamp(k[0], -kMaxParameter, kMaxParameter);
  }
  const Shape square{x[x.size() - 2], x.back()};
  check_made(node, square);
  Tensor kept = Tensor::uninitialized(ElementType::Bool, square);
  const auto keep = kept.mutable_values<bool>();
  for (std::int64_t i = 0; i < kept.size(); ++i) {
    const std::int64_t right = i % square[1] - i / square[1];
    keep[static_cast<std::size_t>(i)] = upper ? right >= diagonal : right <= diagonal;
  }
  const ElementType type = node.value(0).type;
  const ValueId zero = node.add_constant(Tensor::zeros(type, {}));
  node.emit(Where{}, {node.add_constant(kept), node.input(0), zero}, {{.type = type}});
}

// Indices, or these of the range before, at the place of each class: on; everywhere else off.
void import_one_hot(NodeReader& node) {
  const Shape x = node.shape(0);
  const std::size_t axis = node.axis(node.integer("axis", -1), x.size() + 1);
  const Tensor depths = cast_constant(node.constant(1, "depth"), ElementType::Int64);
  const std::int64_t depth = depths.size() == 1 ? depths.values<std::int64_t>()[0] : 0;
  if (depth < 1 || depth > kMaxMade) {
    node.refuse("input 1 (depth): expected one number in [1, {}], found {}", kMaxMade,
                depths.size() == 1 ? fmt::format("{}", depth) : to_string(depths.shape()));
  }
  if (node.shape(2) != Shape{2}) {
    node.refuse("input 2 (values): expected two, found shape {}", to_string(node.shape(2)));
  }
  Shape column = x;
  column.insert(column.begin() + static_cast<std::ptrdiff_t>(axis), 1);
  Shape along(column.size() - axis, 1);
  along[0] = depth;
  Integers classes(static_cast<std::size_t>(depth)), from_back(classes);
  std::iota(classes.begin(), classes.end(), std::int64_t{0});
  std::iota(from_back.begin(), from_back.end(), -depth);
  const Result whole{.output = kIntermediate, .type = ElementType::Int64};
  const Result truth{.output = kIntermediate, .type = ElementType::Bool};
  ValueId indices = node.number_input(0);
  if (node.value(0).type == ElementType::Float32) {
    indices = node.emit(Activate{{.kind = Activation::Kind::Truncate}}, {indices}, {whole});
  } else if (node.value(0).type != ElementType::Int64) {
    indices = node.emit(Identity{}, {indices}, {whole});
  }
  indices = node.emit(Reshape{column}, {indices}, {kPart});
  const auto is_class = [&](const Integers& list) {
    const ValueId wanted = node.add_constant(Tensor::from<std::int64_t>(along, list));
    return node.emit(Binary{.kind = Binary::Kind::Equal}, {indices, wanted}, {truth});
  };
  const ValueId front = is_class(classes), back = is_class(from_back);
  const ValueId hot = node.emit(Binary{.kind = Binary::Kind::Or}, {front, back}, {truth});
  const Result of_values{.output = kIntermediate, .type = node.value(2).type};
  const auto value = [&](std::int64_t i) {
    return node.emit(Slice{{i}, {i + 1}, {0}, {1}}, {node.input(2)}, {of_values});
  };
  const ValueId on = value(1), off = value(0);
  node.emit(Where{}, {hot, on, off}, {{.type = node.value(2).type}});
}

template <typename T>
void bind_range(NodeReader& node) {
  const auto number = [&](std::size_t i) {
    const Tensor& tensor = node.constant(i, "range");
    if (tensor.size() != 1 || tensor.type() != element_type_of<T>()) {
      node.refuse("input {}: expected one {}, found {} {}", i, to_string(element_type_of<T>()),
                  to_string(tensor.type()), to_string(tensor.shape()));
    }
    return tensor.values<T>()[0];
  };
  const T start = number(0), limit = number(1), delta = number(2);
  if (delta == 0) node.refuse("input 2 (delta): expected a number other than 0, found 0");
  const double steps =
      (static_cast<double>(limit) - static_cast<double>(start)) / static_cast<double>(delta);
  const double count = std::max(0.0, std::ceil(steps));
  if (!(count <= static_cast<double>(kMaxMade))) {
    node.refuse("output: expected at most {} elements, found {}", kMaxMade, count);
  }
  std::vector<T> values;
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(count); ++i) {
    if constexpr (std::is_floating_point_v<T>) {
      values.push_back(start + static_cast<T>(i) * delta);
    } else {  // no value within the limits overflows, one beyond them may on the way
      const auto step = static_cast<std::uint64_t>(i) * static_cast<std::uint64_t>(delta);
      values.push_back(static_cast<T>(static_cast<std::uint64_t>(start) + step));
    }
  }
  node.bind_constant(0, Tensor::from<T>({static_cast<std::int64_t>(values.size())}, values));
}

void import_range(NodeReader& node) {
  switch (node.value(0).type) {
    case ElementType::Int64:
      return bind_range<std::int64_t>(node);
    case ElementType::Int32:
      return bind_range<std::int32_t>(node);
    case ElementType::Float32:
      return bind_range<float>(node);
    default:
      node.refuse("input 0: expected int64, int32 or float32, found {}",
                  to_string(node.value(0).type));
  }
}

void import_eye_like(NodeReader& node) {
  const Shape shape = node.shape(0);
  if (shape.size() != 2) node.refuse("input 0: expected rank 2, found {}", to_string(shape));
  check_made(node, shape);
  const std::int64_t diagonal = node.integer("k", 0);
  ElementType type = node.value(0).type;
  if (node.has("dtype")) {
    const std::int64_t dtype = node.integer("dtype", 0);
    type = element_type(static_cast<std::int32_t>(std::clamp<std::int64_t>(dtype, 0, 1 << 20)),
                        fmt::format("node '{}' (EyeLike): attribute 'dtype'", node.name()));
  }
  Tensor eye = Tensor::zeros(ElementType::Float32, shape);
  const auto values = eye.mutable_values<float>();
  for (std::int64_t i = 0; i < eye.size(); ++i) {
    values[static_cast<std::size_t>(i)] = i % shape[1] - i / shape[1] == diagonal ? 1 : 0;
  }
  node.bind_constant(0, cast_constant(eye, type));
}

void import_non_zero(NodeReader& node) {
  const Tensor truth = cast_constant(node.constant(0, "x"), ElementType::Bool);
  const Shape& x = truth.shape();
  const auto values = truth.values<bool>();
  const std::int64_t count = std::ranges::count(values, true);
  Tensor places =
      Tensor::uninitialized(ElementType::Int64, {static_cast<std::int64_t>(x.size()), count});
  const auto to = places.mutable_values<std::int64_t>();
  std::int64_t found = 0;
  for (std::int64_t i = 0; i < truth.size(); ++i) {
    if (!values[static_cast<std::size_t>(i)]) continue;
    std::int64_t rest = i;
    for (std::size_t d = x.size(); d-- > 0; rest /= x[d]) {
      to[d * static_cast<std::size_t>(count) + static_cast<std::size_t>(found)] = rest % x[d];
    }
    ++found;
  }
  node.bind_constant(0, places);
}

// name, function, inputs, outputs, folds, note
constexpr ImportRule kRules[] = {
    {"ArgMax", import_arg_reduce, 1, 1, true, ""},
    {"ArgMin", import_arg_reduce, 1, 1, true, ""},
    {"CumSum", import_cum_sum, 2, 1, true, "constant axis"},
    {"Expand", import_expand, 2, 1, true, "constant shape; becomes Tile"},
    {"EyeLike", import_eye_like, 1, 1, false, "folded at import"},
    {"GatherElements", import_gather_elements, 2, 1, true, ""},
    {"GatherND", import_gather_nd, 2, 1, true, ""},
    {"NonZero", import_non_zero, 1, 1, false, "folded at import"},
    {"OneHot", import_one_hot, 3, 1, true, "constant depth; becomes Equal and Where"},
    {"Range", import_range, 3, 1, false, "folded at import"},
    {"Scatter", import_scatter_elements, 3, 1, true, "ScatterElements before opset 11"},
    {"ScatterElements", import_scatter_elements, 3, 1, true, ""},
    {"ScatterND", import_scatter_nd, 3, 1, true, ""},
    {"Tile", import_tile, 2, 1, true, "constant repeats"},
    {"TopK", import_top_k, 2, 2, true, "constant k"},
    {"Trilu", import_trilu, 2, 1, true, "constant k; becomes Where"},
};

}  // namespace

std::span<const ImportRule> index_rules() { return kRules; }

}  // namespace workbench::importer
