// Operators whose operands are all known: shape arithmetic, and the constants that batch norms and
// quantizers are spelled with. As TensorFlow computes them: real numbers in float, integers with
// 64 bits.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "compiler/import/tensorflow/converter.h"
#include "compiler/import/tensorflow/slicing.h"

namespace workbench::importer::tensorflow {

namespace {

using Results = std::vector<Constant>;

void check_folded(const Op& op, const Shape& shape) {
  check_size(shape);
  std::int64_t known = kMaxFilled;
  for (std::size_t i = 0; i < op.input_count(); ++i) {
    known = std::max(known, element_count(op.shape(i)));
  }
  if (element_count(shape) > known) {
    op.refuse("expected a constant of at most {} elements, found shape {}", known,
              workbench::to_string(shape));
  }
}

Shape broadcast_shape(const Op& op, const Shape& a, const Shape& b) {
  const auto shape = broadcast(a, b);
  if (!shape) {
    op.refuse("expected operands that broadcast, found {} and {}", workbench::to_string(a),
              workbench::to_string(b));
  }
  check_folded(op, *shape);
  return *shape;
}

// Visits the elements of `to` in order with the index of each in a tensor of shape `from`, which
// broadcasts to it.
template <typename Visit>
void for_each_broadcast(const Shape& to, const Shape& from, const Visit& visit) {
  Integers strides(to.size(), 0);
  std::int64_t stride = 1;
  for (std::size_t i = 0; i < from.size(); ++i) {
    const std::size_t axis = to.size() - 1 - i;
    const std::int64_t size = from[from.size() - 1 - i];
    if (size != 1) strides[axis] = stride;
    stride *= size;
  }
  Integers index(to.size(), 0);
  const std::int64_t count = element_count(to);
  std::int64_t at = 0;
  for (std::int64_t n = 0; n < count; ++n) {
    visit(static_cast<std::size_t>(n), static_cast<std::size_t>(at));
    for (std::size_t i = to.size(); i-- > 0;) {
      at += strides[i];
      if (++index[i] < to[i]) break;
      at -= strides[i] * to[i];
      index[i] = 0;
    }
  }
}

template <typename T>
std::vector<T> spread(const std::vector<T>& values, const Shape& from, const Shape& to) {
  std::vector<T> result(static_cast<std::size_t>(element_count(to)));
  for_each_broadcast(to, from, [&](std::size_t n, std::size_t at) { result[n] = values[at]; });
  return result;
}

// Elementwise.

float compute(std::string_view kind, float a, float b) {
  if (kind == "Sub") return a - b;
  if (kind == "Mul") return a * b;
  if (kind == "RealDiv" || kind == "Div") return a / b;
  if (kind == "DivNoNan") return b == 0 ? 0 : a / b;
  if (kind == "Maximum") return std::max(a, b);
  if (kind == "Minimum") return std::min(a, b);
  if (kind == "Pow") return std::pow(a, b);
  if (kind == "SquaredDifference") return (a - b) * (a - b);
  if (kind == "FloorDiv") return std::floor(a / b);
  if (kind == "FloorMod" || kind == "Mod") return a - std::floor(a / b) * b;
  return a + b;
}

std::int64_t floor_divide(std::int64_t a, std::int64_t b) {
  return a / b - static_cast<std::int64_t>(a % b != 0 && (a < 0) != (b < 0));
}

std::int64_t compute(const Op& op, std::int64_t a, std::int64_t b) {
  const std::string_view kind = op.kind();
  // Wide enough for 32 bits, wrapping like TensorFlow's beyond that.
  const auto wrap = [](std::uint64_t v) { return static_cast<std::int64_t>(v); };
  const auto left = static_cast<std::uint64_t>(a);
  const auto right = static_cast<std::uint64_t>(b);
  if (kind == "Sub") return wrap(left - right);
  if (kind == "Mul") return wrap(left * right);
  if (kind == "Maximum") return std::max(a, b);
  if (kind == "Minimum") return std::min(a, b);
  if (kind == "SquaredDifference") return wrap((left - right) * (left - right));
  if (kind == "Pow")
    return static_cast<std::int64_t>(
        std::clamp(std::pow(static_cast<double>(a), static_cast<double>(b)), -9e18, 9e18));
  const bool divides = kind == "FloorDiv" || kind == "FloorMod" || kind == "Mod" || kind == "Div" ||
                       kind == "RealDiv" || kind == "TruncateDiv";
  if (!divides) return wrap(left + right);
  if (b == 0) op.refuse("expected a divisor other than 0, found 0");
  if (b == -1) return kind == "FloorMod" || kind == "Mod" ? 0 : wrap(0 - left);
  if (kind == "FloorDiv") return floor_divide(a, b);
  if (kind == "FloorMod" || kind == "Mod") return a - floor_divide(a, b) * b;
  return a / b;
}

template <typename T>
bool compare(std::string_view kind, T a, T b) {
  if (kind == "Greater") return a > b;
  if (kind == "GreaterEqual") return a >= b;
  if (kind == "Less") return a < b;
  if (kind == "LessEqual") return a <= b;
  if (kind == "NotEqual") return a != b;
  if (kind == "LogicalAnd") return a != 0 && b != 0;
  if (kind == "LogicalOr") return a != 0 || b != 0;
  return a == b;
}

void check_same_kind(const Op& op) {
  const Constant& a = op.constant(0, "a");
  const Constant& b = op.constant(1, "b");
  if (a.holds_reals() != b.holds_reals()) {
    op.refuse("expected operands of one type, found {} and {}", to_string(a.type),
              to_string(b.type));
  }
}

Results fold_binary(const Op& op) {
  check_same_kind(op);
  const Constant& a = op.constant(0, "a");
  const Constant& b = op.constant(1, "b");
  const Shape shape = broadcast_shape(op, a.shape, b.shape);
  Constant result{.type = a.type, .shape = shape, .values = {}};
  if (a.holds_reals()) {
    Reals left = spread(a.reals(), a.shape, shape);
    for_each_broadcast(shape, b.shape, [&](std::size_t n, std::size_t at) {
      left[n] = compute(op.kind(), left[n], b.reals()[at]);
    });
    result.values = std::move(left);
  } else {
    Integers left = spread(a.integers(), a.shape, shape);
    for_each_broadcast(shape, b.shape, [&](std::size_t n, std::size_t at) {
      left[n] = compute(op, left[n], b.integers()[at]);
    });
    result.values = std::move(left);
  }
  return {std::move(result)};
}

Results fold_comparison(const Op& op) {
  check_same_kind(op);
  const Constant& a = op.constant(0, "a");
  const Constant& b = op.constant(1, "b");
  const Shape shape = broadcast_shape(op, a.shape, b.shape);
  Integers truth(static_cast<std::size_t>(element_count(shape)));
  const auto fill = [&](const auto& left, const auto& right) {
    const auto wide = spread(left, a.shape, shape);
    for_each_broadcast(shape, b.shape, [&](std::size_t n, std::size_t at) {
      truth[n] = compare(op.kind(), wide[n], right[at]) ? 1 : 0;
    });
  };
  if (a.holds_reals()) {
    fill(a.reals(), b.reals());
  } else {
    fill(a.integers(), b.integers());
  }
  return {{.type = DataType::Bool, .shape = shape, .values = std::move(truth)}};
}

float compute(std::string_view kind, float x) {
  if (kind == "Rsqrt") return 1.0F / std::sqrt(x);
  if (kind == "Sqrt") return std::sqrt(x);
  if (kind == "Square") return x * x;
  if (kind == "Neg") return -x;
  if (kind == "Abs") return std::fabs(x);
  if (kind == "Exp") return std::exp(x);
  if (kind == "Log") return std::log(x);
  if (kind == "Relu") return std::max(x, 0.0F);
  if (kind == "Sigmoid") return 1.0F / (1.0F + std::exp(-x));
  if (kind == "Tanh") return std::tanh(x);
  if (kind == "Floor") return std::floor(x);
  if (kind == "Ceil") return std::ceil(x);
  if (kind == "Round" || kind == "Rint") return std::nearbyint(x);
  if (kind == "Softplus") return x > 20 ? x : std::log1p(std::exp(x));
  return 1.0F / x;  // Reciprocal, Inv
}

Results fold_unary(const Op& op) {
  Constant result = op.constant(0, "x");
  if (auto* reals = std::get_if<Reals>(&result.values)) {
    for (float& x : *reals) x = compute(op.kind(), x);
    return {std::move(result)};
  }
  for (std::int64_t& x : std::get<Integers>(result.values)) {
    const auto bits = static_cast<std::uint64_t>(x);
    if (op.kind() == "Neg") {
      x = static_cast<std::int64_t>(0 - bits);
    } else if (op.kind() == "Abs") {
      x = x < 0 ? static_cast<std::int64_t>(0 - bits) : x;
    } else if (op.kind() == "Square") {
      x = static_cast<std::int64_t>(bits * bits);
    } else {
      op.refuse("expected real numbers, found {}", to_string(result.type));
    }
  }
  return {std::move(result)};
}

Results fold_not(const Op& op) {
  Constant result = op.constant(0, "x");
  Integers values = op.constant_integers(0, "x");
  for (std::int64_t& x : values) x = x == 0 ? 1 : 0;
  result.values = std::move(values);
  return {std::move(result)};
}

Results fold_cast(const Op& op) {
  const DataType type = op.type("DstT", DataType::Float);
  if (!is_real(type) && !is_integer(type)) {
    op.refuse("attribute 'DstT': expected numbers, found {}", to_string(type));
  }
  Constant result = op.constant(0, "x");
  result.type = type;
  if (result.holds_reals() && !is_real(type)) {
    Integers values;
    for (const float x : result.reals()) {
      if (!(std::fabs(x) < 9e18F)) op.refuse("expected finite numbers, found {}", x);
      const auto whole = static_cast<std::int64_t>(x);
      values.push_back(type == DataType::Bool ? static_cast<std::int64_t>(x != 0) : whole);
    }
    result.values = std::move(values);
  } else if (!result.holds_reals() && is_real(type)) {
    Reals values;
    for (const std::int64_t x : result.integers()) values.push_back(static_cast<float>(x));
    result.values = std::move(values);
  } else if (type == DataType::Bool) {
    for (std::int64_t& x : std::get<Integers>(result.values)) x = x != 0 ? 1 : 0;
  }
  return {std::move(result)};
}

Results fold_select(const Op& op) {
  const Constant& condition = op.constant(0, "condition");
  const Constant& yes = op.constant(1, "x");
  const Constant& no = op.constant(2, "y");
  if (condition.holds_reals() || yes.holds_reals() != no.holds_reals()) {
    op.refuse("expected a bool and two operands of one type");
  }
  const Shape shape =
      broadcast_shape(op, broadcast_shape(op, condition.shape, yes.shape), no.shape);
  const Integers truth = spread(condition.integers(), condition.shape, shape);
  Constant result{.type = yes.type, .shape = shape, .values = yes.values};
  std::visit(
      [&](auto& values) {
        using List = std::decay_t<decltype(values)>;
        values = spread(std::get<List>(yes.values), yes.shape, shape);
        const List other = spread(std::get<List>(no.values), no.shape, shape);
        for (std::size_t i = 0; i < values.size(); ++i) {
          if (truth[i] == 0) values[i] = other[i];
        }
      },
      result.values);
  return {std::move(result)};
}

// Movement. Everything is a list of the operand's elements in another order.

template <typename Pick>
Constant picked(const Constant& from, Shape shape, const Pick& pick) {
  Constant result{.type = from.type, .shape = std::move(shape), .values = from.values};
  const auto count = static_cast<std::size_t>(result.size());
  std::visit(
      [&](auto& values) {
        const auto& all = std::get<std::decay_t<decltype(values)>>(from.values);
        values.resize(count);
        for (std::size_t i = 0; i < count; ++i) values[i] = all[pick(i)];
      },
      result.values);
  return result;
}

Constant sliced(const Constant& from, const Slicing& slicing) {
  Shape shape;
  Integers strides(from.shape.size(), 1);
  for (std::size_t i = strides.size(); i-- > 1;) strides[i - 1] = strides[i] * from.shape[i];
  for (const SliceAxis& axis : slicing.axes) shape.push_back(axis.count);
  return picked(from, shape, [&](std::size_t flat) {
    auto rest = static_cast<std::int64_t>(flat);
    std::int64_t at = 0;
    for (std::size_t i = shape.size(); i-- > 0;) {
      const SliceAxis& axis = slicing.axes[i];
      at += (axis.start + rest % shape[i] * axis.step) * strides[i];
      rest /= shape[i];
    }
    return static_cast<std::size_t>(at);
  });
}

Results fold_strided_slice(const Op& op) {
  const Slicing slicing = read_strided_slice(op);
  return {reshaped(sliced(op.constant(0, "input"), slicing), slicing.shape)};
}

Results fold_slice(const Op& op) { return {sliced(op.constant(0, "input"), read_slice(op))}; }

Results fold_reshape(const Op& op) {
  return {reshaped(op.constant(0, "tensor"), read_reshape(op))};
}

Results fold_squeeze(const Op& op) { return {reshaped(op.constant(0, "input"), read_squeeze(op))}; }

Results fold_expand_dims(const Op& op) {
  return {reshaped(op.constant(0, "input"), read_expand_dims(op))};
}

Results fold_transpose(const Op& op) {
  return {transposed(op.constant(0, "x"), read_permutation(op))};
}

Results fold_split(const Op& op) {
  Results parts;
  for (const Slicing& slicing : read_split(op)) {
    parts.push_back(sliced(op.constant(split_operand(op), "value"), slicing));
  }
  return parts;
}

Results fold_unpack(const Op& op) {
  Results parts;
  for (const Slicing& slicing : read_unpack(op)) {
    parts.push_back(reshaped(sliced(op.constant(0, "value"), slicing), slicing.shape));
  }
  return parts;
}

// Operands [first, first + count) one behind the other along `axis`.
Constant joined(const Op& op, std::size_t first, std::size_t count, std::size_t axis,
                const std::vector<Shape>& shapes) {
  const Constant& front = op.constant(first, "value");
  Shape shape = shapes[0];
  shape[axis] = 0;
  for (const Shape& part : shapes) shape[axis] += part[axis];
  check_folded(op, shape);
  Constant result{.type = front.type, .shape = shape, .values = front.values};
  const std::int64_t outer =
      std::accumulate(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(axis),
                      std::int64_t{1}, std::multiplies<>());
  std::visit(
      [&](auto& values) {
        using List = std::decay_t<decltype(values)>;
        List all;
        for (std::int64_t row = 0; row < outer; ++row) {
          for (std::size_t i = 0; i < count; ++i) {
            const auto* part = std::get_if<List>(&op.constant(first + i, "value").values);
            if (part == nullptr) op.refuse("expected operands of one type");
            const std::int64_t length = outer == 0 ? 0 : element_count(shapes[i]) / outer;
            all.insert(all.end(), part->begin() + row * length, part->begin() + (row + 1) * length);
          }
        }
        values = std::move(all);
      },
      result.values);
  return result;
}

Results fold_concat(const Op& op) {
  const Joining joining = read_concat(op);
  std::vector<Shape> shapes;
  for (std::size_t i = 0; i < joining.count; ++i) shapes.push_back(op.shape(joining.first + i));
  return {joined(op, joining.first, joining.count, joining.axis, shapes)};
}

Results fold_pack(const Op& op) {
  const Joining joining = read_pack(op);
  Shape part = op.shape(0);
  part.insert(part.begin() + static_cast<std::ptrdiff_t>(joining.axis), 1);
  return {joined(op, 0, joining.count, joining.axis, std::vector<Shape>(joining.count, part))};
}

Results fold_fill(const Op& op) {
  const Shape shape = op.constant_integers(0, "dims");
  if (std::ranges::any_of(shape, [](std::int64_t size) { return size < 0; })) {
    op.refuse("input 0 (dims): expected sizes >= 0, found {}", workbench::to_string(shape));
  }
  check_folded(op, shape);
  const Constant& value = op.constant(1, "value");
  if (value.size() != 1) op.refuse("input 1 (value): expected one number");
  return {picked(value, shape, [](std::size_t) { return std::size_t{0}; })};
}

Results fold_broadcast_to(const Op& op) {
  const Constant& from = op.constant(0, "input");
  const Shape shape = broadcast_shape(op, from.shape, op.constant_integers(1, "shape"));
  Constant result{.type = from.type, .shape = shape, .values = from.values};
  std::visit([&](auto& values) { values = spread(values, from.shape, shape); }, result.values);
  return {std::move(result)};
}

Results fold_range(const Op& op) {
  if (op.constant(0, "start").holds_reals()) {
    op.refuse("expected integers, found {}", to_string(op.value(0).type));
  }
  const std::int64_t start = op.constant_integer(0, "start");
  const std::int64_t limit = op.constant_integer(1, "limit");
  const std::int64_t delta = op.constant_integer(2, "delta");
  if (delta == 0) op.refuse("input 2 (delta): expected a number other than 0");
  const std::int64_t span = delta > 0 ? limit - start : start - limit;
  const std::int64_t step = delta > 0 ? delta : -delta;
  const std::int64_t count = span <= 0 ? 0 : (span + step - 1) / step;
  check_folded(op, {count});
  Integers values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(start + i * delta);
  return {integer_list(values, op.value(0).type)};
}

Results fold_tile(const Op& op) {
  const Constant& from = op.constant(0, "input");
  const Shape shape = read_tile(op);
  check_folded(op, shape);
  return {picked(from, shape, [&](std::size_t flat) {
    auto rest = static_cast<std::int64_t>(flat);
    std::int64_t at = 0;
    std::int64_t stride = 1;
    for (std::size_t i = shape.size(); i-- > 0;) {
      at += rest % shape[i] % from.shape[i] * stride;
      stride *= from.shape[i];
      rest /= shape[i];
    }
    return static_cast<std::size_t>(at);
  })};
}

Results fold_gather(const Op& op) {
  const Constant& from = op.constant(0, "params");
  const std::int64_t wanted = op.input_count() > 2 ? op.constant_integer(2, "axis") : 0;
  const std::size_t axis = op.axis(wanted, from.shape.size());
  if (op.integer("batch_dims", 0) != 0) op.refuse("attribute 'batch_dims': expected 0");
  const Integers indices = op.constant_integers(1, "indices");
  for (const std::int64_t index : indices) {
    if (index < 0 || index >= from.shape[axis]) {
      op.refuse("input 1 (indices): expected values below {}, found {}", from.shape[axis], index);
    }
  }
  Shape shape = from.shape;
  const Shape& inner = op.shape(1);
  const auto place = shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
  shape.insert(place, inner.begin(), inner.end());
  check_folded(op, shape);
  std::int64_t row = 1;
  for (std::size_t i = axis + 1; i < from.shape.size(); ++i) row *= from.shape[i];
  const auto count = static_cast<std::int64_t>(indices.size());
  return {picked(from, shape, [&](std::size_t flat) {
    const auto at = static_cast<std::int64_t>(flat);
    const std::int64_t outer = at / (row * count);
    const std::int64_t index = indices[static_cast<std::size_t>(at / row % count)];
    return static_cast<std::size_t>((outer * from.shape[axis] + index) * row + at % row);
  })};
}

// Reductions.

template <typename T>
T reduce(std::string_view kind, T a, T b) {
  if (kind == "Max") return std::max(a, b);
  if (kind == "Min") return std::min(a, b);
  if (kind == "Prod") {
    if constexpr (std::is_integral_v<T>) {
      return static_cast<T>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
    }
    return a * b;
  }
  if (kind == "All") return static_cast<T>(a != T{} && b != T{});
  if (kind == "Any") return static_cast<T>(a != T{} || b != T{});
  if constexpr (std::is_integral_v<T>) {
    return static_cast<T>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  }
  return a + b;
}

Results fold_reduction(const Op& op) {
  const Constant& from = op.constant(0, "input");
  const Reduction reduction = read_reduction(op);
  if (element_count(from.shape) == 0) {
    const bool is_product = op.kind() == "Prod" || op.kind() == "All";
    if (!is_product && op.kind() != "Sum") op.refuse("expected elements, found none");
    Constant result{.type = from.type, .shape = reduction.shape, .values = {}};
    const auto count = static_cast<std::size_t>(result.size());
    if (from.holds_reals()) {
      result.values = Reals(count, is_product ? 1.0F : 0.0F);
    } else {
      result.values = Integers(count, is_product ? 1 : 0);
    }
    return {std::move(result)};
  }
  Shape kept = from.shape;
  std::int64_t reduced = 1;
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (!reduction.reduced[i]) continue;
    reduced *= kept[i];
    kept[i] = 1;
  }
  Constant result{.type = from.type, .shape = reduction.shape, .values = from.values};
  std::visit(
      [&](auto& values) {
        using List = std::decay_t<decltype(values)>;
        List sums(static_cast<std::size_t>(element_count(kept)));
        std::vector<bool> started(sums.size(), false);
        for_each_broadcast(from.shape, kept, [&](std::size_t n, std::size_t at) {
          sums[at] = started[at] ? reduce(op.kind(), sums[at], values[n]) : values[n];
          started[at] = true;
        });
        if (op.kind() == "Mean") {
          for (auto& sum : sums) sum /= static_cast<typename List::value_type>(reduced);
        }
        values = std::move(sums);
      },
      result.values);
  return {std::move(result)};
}

// Quantized constants: docs/facts/tensorflow.md 2.
Results fold_dequantize(const Op& op) {
  const Constant& codes = op.constant(0, "input");
  const float low = op.constant_real(1, "min_range");
  const float high = op.constant_real(2, "max_range");
  const DataType type = op.type("T", DataType::Quint8);
  const std::string mode = op.text("mode", "MIN_COMBINED");
  if (codes.holds_reals() || (type != DataType::Quint8 && type != DataType::Qint8)) {
    op.refuse("attribute 'T': expected quint8 or qint8, found {}", to_string(type));
  }
  if (mode != "MIN_COMBINED" && mode != "MIN_FIRST") {
    op.refuse("attribute 'mode': expected MIN_COMBINED or MIN_FIRST, found '{}'", mode);
  }
  const float step = (high - low) / 255.0F;
  const float offset = type == DataType::Qint8 ? 128.0F : 0.0F;
  const float base = mode == "MIN_FIRST" && step > 0 ? std::round(low / step) * step : low;
  Reals values;
  for (const std::int64_t code : codes.integers()) {
    values.push_back((static_cast<float>(code) + offset) * step + base);
  }
  return {{.type = DataType::Float, .shape = codes.shape, .values = std::move(values)}};
}

struct FoldRule {
  std::string_view name;
  Results (*fold)(const Op&);
};

constexpr FoldRule kRules[] = {
    {"Abs", fold_unary},
    {"Add", fold_binary},
    {"AddV2", fold_binary},
    {"All", fold_reduction},
    {"Any", fold_reduction},
    {"BroadcastTo", fold_broadcast_to},
    {"Cast", fold_cast},
    {"Ceil", fold_unary},
    {"Concat", fold_concat},
    {"ConcatV2", fold_concat},
    {"Dequantize", fold_dequantize},
    {"Div", fold_binary},
    {"DivNoNan", fold_binary},
    {"Equal", fold_comparison},
    {"Exp", fold_unary},
    {"ExpandDims", fold_expand_dims},
    {"Fill", fold_fill},
    {"Floor", fold_unary},
    {"FloorDiv", fold_binary},
    {"FloorMod", fold_binary},
    {"Gather", fold_gather},
    {"GatherV2", fold_gather},
    {"Greater", fold_comparison},
    {"GreaterEqual", fold_comparison},
    {"Inv", fold_unary},
    {"Less", fold_comparison},
    {"LessEqual", fold_comparison},
    {"Log", fold_unary},
    {"LogicalAnd", fold_comparison},
    {"LogicalNot", fold_not},
    {"LogicalOr", fold_comparison},
    {"Max", fold_reduction},
    {"Maximum", fold_binary},
    {"Mean", fold_reduction},
    {"Min", fold_reduction},
    {"Minimum", fold_binary},
    {"Mod", fold_binary},
    {"Mul", fold_binary},
    {"Neg", fold_unary},
    {"NotEqual", fold_comparison},
    {"Pack", fold_pack},
    {"Pow", fold_binary},
    {"Prod", fold_reduction},
    {"Range", fold_range},
    {"RealDiv", fold_binary},
    {"Reciprocal", fold_unary},
    {"Relu", fold_unary},
    {"Reshape", fold_reshape},
    {"Rint", fold_unary},
    {"Round", fold_unary},
    {"Rsqrt", fold_unary},
    {"Select", fold_select},
    {"SelectV2", fold_select},
    {"Sigmoid", fold_unary},
    {"Slice", fold_slice},
    {"Softplus", fold_unary},
    {"Split", fold_split},
    {"SplitV", fold_split},
    {"Sqrt", fold_unary},
    {"Square", fold_unary},
    {"SquaredDifference", fold_binary},
    {"Squeeze", fold_squeeze},
    {"StridedSlice", fold_strided_slice},
    {"Sub", fold_binary},
    {"Sum", fold_reduction},
    {"Tanh", fold_unary},
    {"Tile", fold_tile},
    {"Transpose", fold_transpose},
    {"TruncateDiv", fold_binary},
    {"Unpack", fold_unpack},
};

}  // namespace

std::optional<Results> fold(const Op& op) {
  const auto* const found = std::ranges::find(kRules, op.kind(), &FoldRule::name);
  if (found == std::end(kRules)) return std::nullopt;
  return found->fold(op);
}

}  // namespace workbench::importer::tensorflow
