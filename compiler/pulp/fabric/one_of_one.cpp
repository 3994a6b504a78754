// Elements of one element of each operand: codes to numbers and back, functions, operators.
#include <algorithm>
#include <cmath>

#include "compiler/pulp/c_text.h"
#include "compiler/pulp/fabric/elements.h"
#include "core/error.h"

namespace workbench::pulp {

namespace {

// Expressions of step and zero point of element i.
std::pair<std::string, std::string> scale(ElementWriter& w, const Quantization& quantization) {
  std::vector<double> steps, zeros;
  for (std::size_t i = 0; i < quantization.thresholds.size(); ++i) {
    steps.push_back(quantization.step(i));
    zeros.push_back(static_cast<double>(quantization.zero_point(i)));
  }
  const auto rank = static_cast<int>(w.out().size());
  const int axis = quantization.axis < 0 ? quantization.axis + rank : quantization.axis;
  const std::string index = steps.size() > 1 ? w.digit(static_cast<std::size_t>(axis)) : "0";
  return {w.chosen("steps", steps, index), w.chosen("zeros", zeros, index)};
}

std::string_view c_rounding(Rounding rounding) {  // runtime/pulp/network/fabric.h
  switch (rounding) {
    case Rounding::HalfUp:
      return "kHalfUp";
    case Rounding::HalfEven:
      return "kHalfEven";
    case Rounding::HalfAwayFromZero:
      return "kHalfAwayFromZero";
    case Rounding::Floor:
      return "kFloor";
    case Rounding::TowardZero:
      return "kTowardZero";
  }
  CHECK(false, "rounding {}", static_cast<int>(rounding));
}

// The operator between floats or doubles "a" and "b".
std::string combined(Binary::Kind kind, bool in_double) {
  using Kind = Binary::Kind;
  switch (kind) {
    case Kind::Add:
      return "a + b";
    case Kind::Sub:
      return "a - b";
    case Kind::Mul:
      return "a * b";
    case Kind::Div:
      return "a / b";
    case Kind::Max:
      return "a > b || a != a ? a : b";
    case Kind::Min:
      return "a < b || a != a ? a : b";
    case Kind::Pow:
      return "pow(a, b)";
    case Kind::Mod:
      return in_double ? "" : "fabric_modulo(a, b)";
    case Kind::Fmod:
      return in_double ? "fmod(a, b)" : "fmodf(a, b)";
    case Kind::Equal:
      return "a == b";
    case Kind::Less:
      return "a < b";
    case Kind::LessOrEqual:
      return "a <= b";
    case Kind::Greater:
      return "a > b";
    case Kind::GreaterOrEqual:
      return "a >= b";
    case Kind::And:
      return "a != 0 && b != 0";
    case Kind::Or:
      return "a != 0 || b != 0";
    case Kind::Xor:
      return "(a != 0) != (b != 0)";
  }
  CHECK(false, "binary {}", static_cast<int>(kind));
}

}  // namespace

bool write_element(ElementWriter& w, const Quantize&) {
  if (!w.result().quantization || !w.is_real(0)) return false;
  const Quantization& quantization = *w.result().quantization;
  const auto [step, zero] = scale(w, quantization);
  w.body.line(fmt::format("return fabric_quantize({}, {}, (int32_t){}, {}, {}, {});",
                          w.read(0, "i"), step, zero, quantization.low(), quantization.high(),
                          c_rounding(quantization.rounding)));
  return true;
}
bool write_element(ElementWriter& w, const Dequantize&) {
  if (!w.operand(0).quantization) return false;
  const auto [step, zero] = scale(w, *w.operand(0).quantization);
  w.body.line(zero == "0.0"
                  ? fmt::format("return (float)({} * {});", w.read(0, "i"), step)
                  : fmt::format("return (float)(({} - {}) * {});", w.read(0, "i"), zero, step));
  return true;
}

namespace {

// Codes of a network of integers, rescaled in 64 bits.
bool rescaled(ElementWriter& w, const AffineRequantize& how) {
  constexpr std::int64_t kMultiplier = std::int64_t{1} << 31, kOffset = std::int64_t{1} << 61;
  const auto below = [](const std::vector<std::int64_t>& list, std::int64_t bound) {
    return std::ranges::all_of(list, [&](std::int64_t v) { return v > -bound && v < bound; });
  };
  if (c_type(w.result()) == "float" || w.operand(0).type == ElementType::Int64) return false;
  if (!below(how.multiplier, kMultiplier) || !below(how.offset, kOffset)) return false;
  const auto of_channel = [&](const char* what, const std::vector<std::int64_t>& list) {
    return list.size() == 1 ? fmt::format("INT64_C({})", list[0])
                            : fmt::format("{}[{}]", w.wide_integers(what, list), w.channel());
  };
  w.body.line(fmt::format("const int64_t sum = (int64_t){} * {} + {};", w.read(0, "i"),
                          of_channel("multipliers", how.multiplier),
                          of_channel("offsets", how.offset)));
  const std::int64_t half = how.rounding == Rounding::HalfUp ? how.divisor / 2 : 0;
  w.body.line(fmt::format("const int64_t n = sum + {0}, whole = n / {1};", half, how.divisor));
  w.body.line(how.rounding == Rounding::TowardZero
                  ? std::string("const int64_t code = whole;")
                  : fmt::format("const int64_t code = whole - (n % {} < 0);", how.divisor));
  w.body.line(fmt::format("return (int32_t)(code < {0} ? {0} : code > {1} ? {1} : code);", how.low,
                          how.high));
  return true;
}

}  // namespace

namespace {

std::string least_and_most(ElementType type) {
  const std::string_view integer = c_integer(type);
  const std::string bits(
      integer.substr(integer.find("int") + 3, integer.size() - 5 - integer.find("int")));
  return integer.starts_with("u") ? fmt::format("0, UINT{}_MAX", bits)
                                  : fmt::format("INT{0}_MIN, INT{0}_MAX", bits);
}

// "x" of one type as another has it. Empty: it cannot.
std::string converted(ElementType from, ElementType to) {
  const bool whole = from == ElementType::Bool || !c_integer(from).empty();
  if (from == to) return "x";
  if (!whole && from != ElementType::Float32) return "";
  if (to == ElementType::Bool) return "x != 0";
  if (to == ElementType::Float32) return "(float)x";
  if (c_integer(to).empty()) return "";
  if (whole) return fmt::format("({})x", c_integer(to));
  return fmt::format("fabric_cast(x, {})", least_and_most(to));
}

bool finish_converted(ElementWriter& w, const std::string& x) {
  const std::string text = converted(w.operand(0).type, w.result().type);
  if (text.empty()) return false;
  w.body.line(fmt::format("const {} x = {};", c_type(w.operand(0)), x));
  w.body.line(fmt::format("return {};", text));
  return true;
}

}  // namespace

// A conversion; what only changes its name or shape is moved (elements.cpp).
bool write_element(ElementWriter& w, const Identity&) {
  if (w.node.affine) return rescaled(w, *w.node.affine);
  return finish_converted(w, w.read(0, "i"));
}

bool write_element(ElementWriter& w, const Activate& op) {
  if (gives_truth(op.activation.kind)) {
    w.body.line(fmt::format("const {} x = {};", c_type(w.operand(0)), w.read(0, "i")));
    w.body.line(fmt::format("return {};", w.activated(op.activation, "0")));
    return true;
  }
  const std::string x = fmt::format("(double){}", w.read(0, "i"));
  if (w.all_real()) return w.finish(op.activation, x, w.channel());
  const ElementType type = w.operand(0).type;
  if (type != ElementType::Float32 && c_integer(type).empty()) return false;
  w.tables += fmt::format(
      "static double {}_of(double x, int32_t channel) {{\n  (void)channel;\n"
      "  return {};\n}}\n",
      w.name, w.activated(op.activation, "channel"));
  return finish_converted(
      w, fmt::format("({}){}_of({}, {})", w.is_real(0) ? "float" : c_integer(type), w.name, x,
                     w.channel()));
}
bool write_element(ElementWriter& w, const PRelu&) {
  if (!w.all_real()) return false;
  w.body.line(
      fmt::format("const float x = {}, slope = {};", w.read(0, "i"), w.read(1, w.broadcast(1))));
  w.body.line("return x < 0 ? slope * x : x;");
  return true;
}
namespace {

// The operator between integers "a" and "b" of 64 bits, of which the low bits count. A division by
// 0 ends a run of the simulator; here it gives 0.
std::string combined_integers(Binary::Kind kind) {
  using Kind = Binary::Kind;
  switch (kind) {
    case Kind::Add:
      return "a + b";
    case Kind::Sub:
      return "a - b";
    case Kind::Mul:
      return "a * b";
    case Kind::Div:
      return "b == 0 ? 0 : a / b";
    case Kind::Max:
      return "a > b ? a : b";
    case Kind::Min:
      return "a < b ? a : b";
    case Kind::Pow:
      return "fabric_integer_power(a, b)";
    case Kind::Mod:
      return "fabric_integer_modulo(a, b)";
    case Kind::Fmod:
      return "b == 0 ? 0 : a % b";
    default:
      return "";
  }
}

bool write_integers(ElementWriter& w, const Binary& op) {
  const ElementType type = w.result().type;
  const bool plain = op.activation.kind == Activation::Kind::None ||
                     op.activation.kind == Activation::Kind::Truncate;
  const std::string text = combined_integers(op.kind);
  if (c_integer(type).empty() || !plain || text.empty()) return false;
  if (w.operand(0).type != type || w.operand(1).type != type) return false;
  w.body.line(fmt::format("const int64_t a = {}, b = {};", w.read(0, w.broadcast(0)),
                          w.read(1, w.broadcast(1))));
  w.body.line(fmt::format("return ({})({});", c_integer(type), text));
  return true;
}

}  // namespace

bool write_element(ElementWriter& w, const Binary& op) {
  const bool truth = gives_truth(op.kind);
  if (!truth && !w.all_real()) return write_integers(w, op);
  if (c_type(w.operand(0)) != c_type(w.operand(1)) || c_type(w.operand(0)).empty()) return false;
  const bool plain = op.activation.kind == Activation::Kind::None;
  const std::string text = combined(op.kind, !plain);
  if (text.empty()) return false;
  const std::string type = plain ? c_type(w.operand(0)) : "double";
  w.body.line(fmt::format("const {} a = {}, b = {};", type, w.read(0, w.broadcast(0)),
                          w.read(1, w.broadcast(1))));
  if (!plain) return w.finish(op.activation, text, w.channel());
  w.body.line(fmt::format("return {};", truth ? text : fmt::format("(float)({})", text)));
  return true;
}
bool write_element(ElementWriter& w, const Where&) {
  if (c_type(w.operand(1)) != c_type(w.result()) || c_type(w.operand(2)) != c_type(w.result())) {
    return false;
  }
  w.body.line(fmt::format("return {} != 0 ? {} : {};", w.read(0, w.broadcast(0)),
                          w.read(1, w.broadcast(1)), w.read(2, w.broadcast(2))));
  return true;
}
bool write_element(ElementWriter& w, const BatchNorm& op) {
  if (!w.all_real()) return false;
  std::vector<std::vector<double>> lists;
  for (std::size_t k = 1; k < 5; ++k) {
    if (!w.operand(k).constant) return false;
    const auto values = w.operand(k).constant->values<float>();
    lists.emplace_back(values.begin(), values.end());
  }
  for (double& v : lists[3]) v = std::sqrt(v + static_cast<double>(op.epsilon));
  const std::string c = w.channel();
  w.body.line(fmt::format("const double centred = (double){} - {};", w.read(0, "i"),
                          w.chosen("means", lists[2], c)));
  w.body.line(fmt::format("return (float)(centred / {} * {} + {});",
                          w.chosen("deviations", lists[3], c), w.chosen("scales", lists[0], c),
                          w.chosen("biases", lists[1], c)));
  return true;
}

}  // namespace workbench::pulp
