#include "compiler/pulp/fabric/writer.h"

#include <algorithm>

#include "compiler/pulp/c_text.h"
#include "compiler/pulp/fabric/moves.h"
#include "core/error.h"

namespace workbench::pulp {

void Body::line(const std::string& text) {
  text_ += std::string(2 * static_cast<std::size_t>(depth_), ' ') + text + "\n";
}
void Body::open(const std::string& text) {
  line(text + " {");
  ++depth_;
}
void Body::close() {
  --depth_;
  line("}");
}
void Body::loop(const std::string& index, std::int64_t count) {
  open(fmt::format("for (int32_t {0} = 0; {0} < {1}; ++{0})", index, count));
}
void Body::close_all() {
  while (depth_ > 1) close();
}

std::string offset_text(const std::vector<std::pair<std::string, std::int64_t>>& terms) {
  std::string sum;
  for (const auto& [index, step] : terms) {
    if (index == "0" || step == 0) continue;
    sum += sum.empty() ? "" : " + ";
    sum += step == 1 ? index : fmt::format("({}) * {}", index, step);
  }
  return sum.empty() ? "0" : sum;
}

std::vector<std::int64_t> row_major_steps(const Shape& shape) {
  std::vector<std::int64_t> steps(shape.size(), 1);
  for (std::size_t d = shape.size(); d-- > 1;) steps[d - 1] = steps[d] * shape[d];
  return steps;
}

std::string c_type(const Value& value) {
  switch (value.type) {
    case ElementType::Float32:
      return "float";
    case ElementType::Int8:
    case ElementType::Uint8:
    case ElementType::Int16:
    case ElementType::Uint16:
    case ElementType::Int32:
    case ElementType::Int64:  // indices: they fit
    case ElementType::Bool:
      return "int32_t";
    default:
      return "";
  }
}

std::string_view c_integer(ElementType type) {
  switch (type) {
    case ElementType::Int8:
      return "int8_t";
    case ElementType::Uint8:
      return "uint8_t";
    case ElementType::Int16:
      return "int16_t";
    case ElementType::Uint16:
      return "uint16_t";
    case ElementType::Int32:
    case ElementType::Int64:
      return "int32_t";
    default:
      return "";
  }
}

bool ElementWriter::all_real() const {
  for (std::size_t k = 0; k < node.inputs.size(); ++k) {
    if (has(k) && !is_real(k)) return false;
  }
  return result().type == ElementType::Float32;
}

std::size_t ElementWriter::axis(std::int64_t axis) const {
  return static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(out().size()) : axis);
}

std::string ElementWriter::digit(std::size_t d) const { return c_digit("i", out(), d); }

std::string ElementWriter::broadcast(std::size_t k) const {
  const Shape& shape = in(k);
  if (shape == out()) return "i";
  const std::vector<std::int64_t> steps = row_major_steps(shape);
  std::vector<std::pair<std::string, std::int64_t>> terms;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    if (shape[d] != 1) terms.emplace_back(digit(out().size() - shape.size() + d), steps[d]);
  }
  return offset_text(terms);
}

std::string ElementWriter::doubles(const std::string& what, const std::vector<double>& values) {
  const std::string table = fmt::format("{}_{}", name, what);
  tables += fmt::format("static const double {}[] = {{", table);
  for (std::size_t i = 0; i < values.size(); ++i) {
    tables += fmt::format("{}{},", i % 4 == 0 ? "\n    " : " ", c_double(values[i]));
  }
  tables += "\n};\n";
  return table;
}

std::string ElementWriter::wide_integers(const std::string& what,
                                         const std::vector<std::int64_t>& values) {
  const std::string table = fmt::format("{}_{}", name, what);
  tables += fmt::format("static const int64_t {}[] = {{", table);
  for (std::size_t i = 0; i < values.size(); ++i) {
    tables += fmt::format("{}INT64_C({}),", i % 4 == 0 ? "\n    " : " ", values[i]);
  }
  tables += "\n};\n";
  return table;
}

std::string ElementWriter::chosen(const std::string& what, const std::vector<double>& values,
                                  const std::string& index) {
  const bool same = std::ranges::all_of(values, [&](double v) { return v == values[0]; });
  return same ? c_double(values[0]) : fmt::format("{}[{}]", doubles(what, values), index);
}

namespace {

std::vector<double> as_doubles(const std::vector<float>& values) {
  return {values.begin(), values.end()};
}

// The activation of a double "x", in C.
std::string function_of(const Activation& activation, const std::string& slope,
                        const std::string& bound) {
  const std::string alpha = c_double(static_cast<double>(activation.alpha));
  const std::string beta = c_double(static_cast<double>(activation.beta));
  using Kind = Activation::Kind;
  switch (activation.kind) {
    case Kind::None:
      return "x";
    case Kind::Relu:
      return "x < 0 ? 0 : x";
    case Kind::Clip:
      return fmt::format("fabric_clip(x, {}, {})", alpha, bound);
    case Kind::LeakyRelu:
      return fmt::format("x < 0 ? {} * x : x", alpha);
    case Kind::PRelu:
      return fmt::format("x < 0 ? {} * x : x", slope);
    case Kind::Sigmoid:
      return "1 / (1 + exp(-x))";
    case Kind::Tanh:
      return "tanh(x)";
    case Kind::HardSigmoid:
      return fmt::format("fabric_unit({} * x + {})", alpha, beta);
    case Kind::HardSwish:
      return "x * fabric_unit(x / 6 + 0.5)";
    case Kind::Exp:
      return "exp(x)";
    case Kind::Floor:
      return "floor(x)";
    case Kind::Truncate:
      return "trunc(x)";
    case Kind::Abs:
      return "fabs(x)";
    case Kind::Neg:
      return "-x";
    case Kind::Sign:
      return "x > 0 ? 1 : x < 0 ? -1 : x";
    case Kind::Ceil:
      return "ceil(x)";
    case Kind::Round:
      return "fabric_round(x)";
    case Kind::Sqrt:
      return "sqrt(x)";
    case Kind::Reciprocal:
      return "1 / x";
    case Kind::Log:
      return "log(x)";
    case Kind::Erf:
      return "erf(x)";
    case Kind::Sin:
      return "sin(x)";
    case Kind::Cos:
      return "cos(x)";
    case Kind::Tan:
      return "tan(x)";
    case Kind::Asin:
      return "asin(x)";
    case Kind::Acos:
      return "acos(x)";
    case Kind::Atan:
      return "atan(x)";
    case Kind::Sinh:
      return "sinh(x)";
    case Kind::Cosh:
      return "cosh(x)";
    case Kind::Asinh:
      return "asinh(x)";
    case Kind::Acosh:
      return "acosh(x)";
    case Kind::Atanh:
      return "atanh(x)";
    case Kind::Softplus:
      return "fabric_softplus(x)";
    case Kind::Softsign:
      return "x / (1 + fabs(x))";
    case Kind::Elu:
      return fmt::format("x < 0 ? {} * expm1(x) : x", alpha);
    case Kind::Selu:
      return fmt::format("{} * (x > 0 ? x : {} * expm1(x))", beta, alpha);
    case Kind::Celu:
      return fmt::format("x < 0 ? {0} * expm1(x / {0}) : x", alpha);
    case Kind::ThresholdedRelu:
      return fmt::format("x > {} ? x : 0", alpha);
    case Kind::Shrink:
      return fmt::format("x < -{0} ? x + {1} : x > {0} ? x - {1} : 0", alpha, beta);
    case Kind::Gelu:
      return fmt::format("0.5 * x * (1 + erf(x * {}))", c_double(0.70710678118654752440));
    case Kind::GeluTanh:
      return fmt::format("0.5 * x * (1 + tanh({} * (x + 0.044715 * x * x * x)))",
                         c_double(0.79788456080286535588));
    case Kind::Mish:
      return "x * tanh(fabric_softplus(x))";
    case Kind::Not:
      return "!x";
    case Kind::IsNaN:
      return "x != x";
  }
  CHECK(false, "activation {}", static_cast<int>(activation.kind));
}

}  // namespace

std::string ElementWriter::activated(const Activation& activation, const std::string& channel) {
  std::string slope, bound = c_double(static_cast<double>(activation.beta));
  if (!activation.slopes.empty()) slope = chosen("slopes", as_doubles(activation.slopes), channel);
  if (!activation.bounds.empty()) bound = chosen("bounds", as_doubles(activation.bounds), channel);
  return function_of(activation, slope, bound);
}

bool ElementWriter::finish(const Activation& activation, const std::string& x,
                           const std::string& channel) {
  const std::string text = activated(activation, channel);
  if (text == "x") {
    body.line(fmt::format("return (float)({});", x));
    return true;
  }
  body.line(fmt::format("const double x = {};", x));
  body.line(fmt::format("return (float)({});", text));
  return true;
}

}  // namespace workbench::pulp
