#include <algorithm>
#include <cmath>
#include <span>
#include <variant>
#include <vector>

#include "sim/golden/operation.h"
#include "sim/golden/windows.h"

namespace workbench::golden {

namespace {

__extension__ using Wide = __int128;  // accumulator * multiplier, whatever they are

// Calls visit(Code{}) for the C++ type of the codes of `type`.
template <typename Visit>
auto with_code(ElementType type, Visit visit) {
  switch (type) {
    case ElementType::Uint8:
      return visit(std::uint8_t{});
    case ElementType::Uint16:
      return visit(std::uint16_t{});
    case ElementType::Int8:
      return visit(std::int8_t{});
    case ElementType::Int16:
      return visit(std::int16_t{});
    case ElementType::Int32:
      return visit(std::int32_t{});
    case ElementType::Int64:
      return visit(std::int64_t{});
    default:
      CHECK(false, "{} are no codes", to_string(type));
  }
}

std::vector<std::int64_t> integers(const Tensor& tensor) {
  return with_code(tensor.type(), [&]<typename Code>(Code) {
    const auto values = tensor.values<Code>();
    return std::vector<std::int64_t>(values.begin(), values.end());
  });
}

Tensor wide_result(const Shape& shape) { return Tensor::zeros(ElementType::Int64, shape); }

Wide floor_divide(Wide n, Wide d) { return n / d - (n % d < 0 ? 1 : 0); }

Wide divide(Wide n, Wide d, Rounding rounding) {
  switch (rounding) {
    case Rounding::Floor:
      return floor_divide(n, d);
    case Rounding::TowardZero:
      return n / d;
    case Rounding::HalfUp:  // the half as Deeploy takes it: an integer division
      return floor_divide(n + d / 2, d);
    case Rounding::HalfEven:
    case Rounding::HalfAwayFromZero:
      break;
  }
  CHECK(false, "an affine rescaling rounds {}", static_cast<int>(rounding));
}

double rounded(double x, Rounding rounding) {
  switch (rounding) {
    case Rounding::HalfUp:  // x + 0.5 could itself be rounded
      return std::floor(x) + (x - std::floor(x) >= 0.5 ? 1 : 0);
    case Rounding::HalfEven:
      return std::nearbyint(x);
    case Rounding::HalfAwayFromZero:
      return std::round(x);
    case Rounding::Floor:
      return std::floor(x);
    case Rounding::TowardZero:
      return std::trunc(x);
  }
  CHECK(false, "rounding {}", static_cast<int>(rounding));
}

void check_affine(const Node& node, const AffineRequantize& how, const Shape& shape) {
  const auto channels = shape.size() < 2 ? std::size_t{1} : static_cast<std::size_t>(shape[1]);
  CHECK(how.multiplier.size() == 1 || how.multiplier.size() == channels,
        "node '{}': {} multipliers", node.name, how.multiplier.size());
  CHECK(how.offset.size() == 1 || how.offset.size() == channels, "node '{}': {} offsets", node.name,
        how.offset.size());
  CHECK(how.divisor > 0, "node '{}': divisor {}", node.name, how.divisor);
}

void check_no_activation(const Node& node, const Activation& activation) {
  CHECK(activation.kind == Activation::Kind::None, "node '{}': an activation beside `affine`",
        node.name);
}

// x rescaled element by element; Code is the type of the result.
template <typename Code>
Tensor rescaled_tensor(const Tensor& x, const AffineRequantize& how) {
  const auto from = x.values<std::int64_t>();
  Tensor result = Tensor::uninitialized(element_type_of<Code>(), x.shape(), x.layout());
  const auto to = result.template mutable_values<Code>();
  for (std::size_t i = 0; i < to.size(); ++i) {
    const std::size_t channel = channel_of(x.shape(), static_cast<std::int64_t>(i));
    to[i] = static_cast<Code>(rescaled(from[i], how, channel));
  }
  return result;
}

Tensor widened(const Tensor& x) {
  return Tensor::from<std::int64_t>(x.shape(), integers(x), x.layout());
}

// Code: of the activations; Element: what products are taken of.
template <typename Code, typename Weight, typename Element, typename Dot>
Tensor convolved(const Conv& op, const Operation& at, Dot dot) {
  Tensor result = wide_result(at.output_shape());
  const auto sums = result.mutable_values<std::int64_t>();
  const auto bias = at.has(2) ? integers(at.operand(2)) : std::vector<std::int64_t>();
  const auto convolution =
      correlation<Element, Weight>(op, at.operand(0), at.operand(1), at.output_shape());
  correlate(convolution, at.operand(0).values<Code>(), dot,
            [&](std::int64_t channel, std::int64_t offset, std::int64_t sum) {
              const std::int64_t b = bias.empty() ? 0 : bias[static_cast<std::size_t>(channel)];
              sums[static_cast<std::size_t>(offset)] = sum + b;
            });
  return result;
}

}  // namespace

std::int64_t rescaled(std::int64_t in, const AffineRequantize& how, std::size_t channel) {
  const std::int64_t multiplier = how.multiplier[how.multiplier.size() == 1 ? 0 : channel];
  const std::int64_t offset = how.offset[how.offset.size() == 1 ? 0 : channel];
  const Wide quotient = divide(Wide{in} * multiplier + offset, how.divisor, how.rounding);
  return static_cast<std::int64_t>(std::clamp(quotient, Wide{how.low}, Wide{how.high}));
}

bool is_affine_system(const Graph& graph) {
  // Codes that are no input or output and enter no computation belong to a float network, as in
  // ONNX, which means this system.
  const auto is_code_value = [&](ValueId id) {
    return graph.value(id).type != ElementType::Float32 && graph.value(id).quantization.has_value();
  };
  // Codes that a Quantize rounds for the user alone are ONNX's in either system. (xDNN's own inputs
  // are cut toward zero.)
  std::vector<bool> read(graph.values.size(), false), made(graph.values.size(), false);
  for (const Node& node : graph.nodes) {
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) read[static_cast<std::size_t>(id)] = true;
    }
    if (std::holds_alternative<Quantize>(node.op)) {
      const auto& codes = graph.value(node.outputs[0]).quantization;
      made[static_cast<std::size_t>(node.outputs[0])] =
          codes && codes->rounding != Rounding::TowardZero;
    }
  }
  const auto is_for_user = [&](ValueId id) {
    return made[static_cast<std::size_t>(id)] && !read[static_cast<std::size_t>(id)];
  };
  const bool computes =
      std::any_of(graph.inputs.begin(), graph.inputs.end(), is_code_value) ||
      std::any_of(graph.outputs.begin(), graph.outputs.end(),
                  [&](ValueId id) { return is_code_value(id) && !is_for_user(id); }) ||
      std::any_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) {
        return !std::holds_alternative<Quantize>(node.op) && is_code_value(node.outputs[0]);
      });
  if (!computes) return true;
  bool by_value = false;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    const Value& value = graph.values[i];
    if (!value.quantization || value.constant || is_for_user(static_cast<ValueId>(i))) continue;
    const Quantization& codes = *value.quantization;
    by_value = by_value || value.type == ElementType::Uint8 || value.type == ElementType::Int32 ||
               codes.thresholds.size() != 1 || codes.zero_point() != 0;
  }
  return by_value || std::any_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) {
           if (node.affine) return true;
           return std::holds_alternative<Quantize>(node.op) && !is_for_user(node.outputs[0]) &&
                  graph.value(node.outputs[0]).quantization &&
                  graph.value(node.outputs[0]).quantization->rounding != Rounding::TowardZero;
         });
}

namespace {

// Which threshold and zero point of `quantization` element i of a tensor of `shape` has.
std::size_t index_of(const Quantization& quantization, const Shape& shape, std::size_t i) {
  if (quantization.thresholds.size() == 1) return 0;
  const std::size_t axis = axis_index(quantization.axis, shape.size());
  const auto behind = static_cast<std::size_t>(elements_between(shape, axis + 1, shape.size()));
  return i / behind % static_cast<std::size_t>(shape[axis]);
}

}  // namespace

Tensor affine_quantize(const Operation& at) {
  CHECK(at.output().quantization.has_value(), "'{}' has no quantization", at.output().name);
  const Quantization& q = *at.output().quantization;
  const auto x = at.operand(0).values<float>();
  const auto low = static_cast<double>(q.low()), high = static_cast<double>(q.high());
  return with_code(at.output().type, [&]<typename Code>(Code) {
    Tensor result = Tensor::uninitialized(element_type_of<Code>(), at.output_shape(), Layout::Nchw);
    const auto y = result.template mutable_values<Code>();
    for (std::size_t i = 0; i < x.size(); ++i) {
      const std::size_t index = index_of(q, at.output_shape(), i);
      const double code = rounded(static_cast<double>(x[i]) / q.step(index), q.rounding) +
                          static_cast<double>(q.zero_point(index));
      y[i] = static_cast<Code>(std::isnan(code) ? low : std::clamp(code, low, high));
    }
    return result;
  });
}

Tensor affine_dequantize(const Operation& at) {
  CHECK(at.operand_value(0).quantization.has_value(), "'{}' has no quantization",
        at.operand_value(0).name);
  const Quantization& q = *at.operand_value(0).quantization;
  const std::vector<std::int64_t> x = integers(at.operand(0));
  Tensor result = Tensor::uninitialized(ElementType::Float32, at.output_shape(), Layout::Nchw);
  const auto y = result.mutable_values<float>();
  for (std::size_t i = 0; i < y.size(); ++i) {
    const std::size_t index = index_of(q, at.output_shape(), i);
    y[i] = static_cast<float>(static_cast<double>(x[i] - q.zero_point(index)) * q.step(index));
  }
  return result;
}

Tensor accumulator(const Conv& op, const Operation& at) {
  check_no_activation(at.node, op.activation);
  CHECK(at.operand(1).type() == ElementType::Int8, "node '{}': weights of {}", at.node.name,
        to_string(at.operand(1).type()));
  switch (at.operand(0).type()) {
    case ElementType::Uint8:
      return convolved<std::uint8_t, std::int8_t, std::int16_t>(op, at, dot);
    case ElementType::Int8:
      return convolved<std::int8_t, std::int8_t, std::int16_t>(op, at, dot);
    case ElementType::Int32:
      return convolved<std::int32_t, std::int8_t, std::int64_t>(op, at, wide_dot<std::int64_t>);
    default:
      CHECK(false, "node '{}' convolves {}", at.node.name, to_string(at.operand(0).type()));
  }
}

Tensor accumulator(const Gemm& op, const Operation& at) {
  check_no_activation(at.node, op.activation);
  CHECK(op.alpha == 1 && op.beta == 1, "node '{}': alpha {} and beta {}", at.node.name, op.alpha,
        op.beta);
  const std::vector<std::int64_t> a = integers(at.operand(0)), b = integers(at.operand(1));
  const std::int64_t rows = at.output_shape()[0], columns = at.output_shape()[1];
  const std::int64_t depth = at.operand(0).dim(op.transpose_a ? 0 : 1);
  Tensor result = wide_result(at.output_shape());
  const auto sums = result.mutable_values<std::int64_t>();
  for (std::int64_t m = 0; m < rows; ++m) {
    for (std::int64_t n = 0; n < columns; ++n) {
      std::int64_t sum = 0;
      for (std::int64_t k = 0; k < depth; ++k) {
        const std::int64_t i = op.transpose_a ? k * rows + m : m * depth + k;
        const std::int64_t j = op.transpose_b ? n * depth + k : k * columns + n;
        sum += a[static_cast<std::size_t>(i)] * b[static_cast<std::size_t>(j)];
      }
      sums[static_cast<std::size_t>(m * columns + n)] = sum;
    }
  }
  if (at.has(2)) {
    const std::vector<std::int64_t> c = integers(at.operand(2));
    const auto from = broadcast_offsets(at.operand(2).shape(), at.output_shape());
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += c[static_cast<std::size_t>(from[i])];
  }
  return result;
}

Tensor accumulator(const MatMul&, const Operation& at) {
  const std::vector<std::int64_t> a = integers(at.operand(0)), b = integers(at.operand(1));
  CHECK(at.operand(1).rank() == 2, "node '{}' multiplies by {}", at.node.name,
        to_string(at.operand(1).shape()));
  const std::int64_t depth = at.operand(1).dim(0), columns = at.operand(1).dim(1);
  Tensor result = wide_result(at.output_shape());
  const auto sums = result.mutable_values<std::int64_t>();
  for (std::size_t i = 0; i < sums.size(); ++i) {
    const auto row = static_cast<std::int64_t>(i) / columns;
    const auto column = static_cast<std::int64_t>(i) % columns;
    for (std::int64_t k = 0; k < depth; ++k) {
      sums[i] += a[static_cast<std::size_t>(row * depth + k)] *
                 b[static_cast<std::size_t>(k * columns + column)];
    }
  }
  return result;
}

Tensor accumulator(const AveragePool& op, const Operation& at) {
  const Shape& in = at.operand(0).shape();
  const Shape& out = at.output_shape();
  const Shape in_plane(in.begin() + 2, in.end()), out_plane(out.begin() + 2, out.end());
  const std::int64_t in_size = element_count(in_plane), out_size = element_count(out_plane);
  const std::vector<std::int64_t> x = integers(at.operand(0));
  Tensor result = wide_result(out);
  const auto sums = result.mutable_values<std::int64_t>();
  for (std::int64_t output = 0; output < out_size; ++output) {
    const auto cells = cells_under_window(op.window, in_plane, position_of(out_plane, output));
    for (std::int64_t map = 0; map < out[0] * out[1]; ++map) {
      std::int64_t& sum = sums[static_cast<std::size_t>(map * out_size + output)];
      for (const std::int64_t cell : cells) {
        if (cell != kPadding) sum += x[static_cast<std::size_t>(map * in_size + cell)];
      }
    }
  }
  return result;
}

Tensor rescaled_operand(const Operation& at, std::size_t i) {
  const Tensor x = widened(at.operand(i));
  if (at.node.operand_affine.empty()) return x;
  check_affine(at.node, at.node.operand_affine.at(i), x.shape());
  return rescaled_tensor<std::int64_t>(x, at.node.operand_affine[i]);
}

Tensor accumulator(const Binary& op, const Operation& at) {
  check_no_activation(at.node, op.activation);
  CHECK(op.kind == Binary::Kind::Add, "node '{}': only sums are integer", at.node.name);
  const Tensor a = rescaled_operand(at, 0), b = rescaled_operand(at, 1);
  const auto a_offsets = broadcast_offsets(a.shape(), at.output_shape());
  const auto b_offsets = broadcast_offsets(b.shape(), at.output_shape());
  Tensor result = wide_result(at.output_shape());
  const auto sums = result.mutable_values<std::int64_t>();
  for (std::size_t i = 0; i < sums.size(); ++i) {
    sums[i] = a.values<std::int64_t>()[static_cast<std::size_t>(a_offsets[i])] +
              b.values<std::int64_t>()[static_cast<std::size_t>(b_offsets[i])];
  }
  return result;
}

Tensor accumulator(const Identity&, const Operation& at) { return widened(at.operand(0)); }

Tensor accumulator(const Operation& at) {
  return std::visit(
      [&]<typename Op>(const Op& op) -> Tensor {
        if constexpr (requires { accumulator(op, at); }) {
          return accumulator(op, at);
        } else {
          CHECK(false, "node '{}': an {} has no affine rescaling", at.node.name,
                op_name(at.node.op));
        }
      },
      at.node.op);
}

Tensor affine(const Operation& at) {
  CHECK(at.node.affine.has_value(), "node '{}' has no affine rescaling", at.node.name);
  check_affine(at.node, *at.node.affine, at.output_shape());
  const Tensor sums = accumulator(at);
  return with_code(at.output().type, [&]<typename Code>(Code) {
    return rescaled_tensor<Code>(sums, *at.node.affine);
  });
}

}  // namespace workbench::golden
