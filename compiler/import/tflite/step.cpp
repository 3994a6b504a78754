#include <algorithm>
#include <span>

#include "compiler/import/tflite/converter.h"
#include "core/error.h"

namespace workbench::importer::tflite {

Step::Step(Converter& converter, const OperatorInfo& info)
    : net(converter), op(info), name(op.outputs.empty() ? op.name : net.name_of(op.outputs[0])) {}

int Step::in(std::size_t i) const {
  if (!has(i)) refuse("input {}: expected a tensor, found none", i);
  return op.inputs[i];
}

int Step::out(std::size_t i) const {
  if (i >= op.outputs.size()) {
    refuse("expected {} results or more, found {}", i + 1, op.outputs.size());
  }
  return op.outputs[i];
}

void Step::want_rank(std::size_t i, std::size_t wanted) const {
  if (rank(i) == wanted) return;
  refuse("input {}: expected {} dimensions, found {}", i, wanted, to_string(shape(i)));
}

Integers Step::integers(std::size_t i, std::string_view meaning) const {
  const auto known = net.integral(in(i));
  if (!known) {
    refuse("input {} ({}): expected whole numbers known before the network runs, found {} '{}'", i,
           meaning, type_name(net.info(in(i)).type), net.info(in(i)).name);
  }
  return known->values;
}

std::size_t Step::axis(std::int64_t axis, std::size_t rank) const {
  const auto size = static_cast<std::int64_t>(rank);
  if (axis < -size || axis >= size) {
    refuse("expected an axis in [{}, {}), found {}", -size, size, axis);
  }
  return static_cast<std::size_t>(axis < 0 ? axis + size : axis);
}

Shape Step::broadcast(const Shape& a, const Shape& b) const {
  Shape result(std::max(a.size(), b.size()));
  for (std::size_t i = 0; i < result.size(); ++i) {  // from the back
    const std::int64_t left = i < a.size() ? a[a.size() - 1 - i] : 1;
    const std::int64_t right = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (left != right && left != 1 && right != 1) {
      refuse("expected shapes that broadcast, found {} and {}", to_string(a), to_string(b));
    }
    result[result.size() - 1 - i] = left == 1 ? right : left;
  }
  return result;
}

Integers Step::common_order() {
  std::size_t most = 0;
  for (std::size_t i = 0; i < inputs(); ++i) most = std::max(most, rank(i));
  for (std::size_t i = 0; i < inputs(); ++i) {
    if (rank(i) != most) continue;
    Integers found = order(i);
    if (found != identity_order(most)) return found;
  }
  return identity_order(most);
}

std::optional<float> Step::known_scalar(std::size_t i) const {
  if (!net.is_constant(in(i)) || element_count(shape(i)) != 1) return std::nullopt;
  const Tensor tensor = net.real_constant(in(i));
  if (tensor.type() != ElementType::Float32) return std::nullopt;
  return tensor.values<float>()[0];
}

std::string Step::constant_scalar(std::size_t i, std::string_view meaning) const {
  const auto known = known_scalar(i);
  if (!known) {
    refuse("input {} ({}): expected one constant number, found '{}'", i, meaning,
           net.info(in(i)).name);
  }
  return scalar(*known);
}

Integers Step::order(std::size_t i) {
  const int id = in(i);
  if (net.is_constant(id) || !net.view(id).is_plain()) return identity_order(rank(i));
  return net.view(id).permutation;
}

// The numbers are docs/facts/tflite.md 1.3.
std::string Step::activated(std::string value, int activation) const {
  const auto clipped = [&](float low, float high) {
    return emit("Clip", {value, scalar(low), scalar(high)});
  };
  switch (activation) {
    case 0:
      return value;
    case 1:
      return emit("Relu", {value});
    case 2:
      return clipped(-1, 1);
    case 3:
      return clipped(0, 6);
    case 4:
      return emit("Tanh", {value});
    default:
      refuse("fused_activation_function: expected 0 to 4, found {}", activation);
  }
}

namespace {

constexpr std::string_view kStateful =
    "keeps state from one call to the next, which a network of this workbench does not";

struct Refusal {
  std::string_view name, reason;
};
constexpr Refusal kRefusals[] = {
    {"ASSIGN_VARIABLE", kStateful},
    {"CALL_ONCE", kStateful},
    {"IF", "control flow that depends on values is not supported"},
    {"LSTM", kStateful},
    {"NON_MAX_SUPPRESSION_V4", "its result's size depends on values"},
    {"NON_MAX_SUPPRESSION_V5", "its result's size depends on values"},
    {"READ_VARIABLE", kStateful},
    {"RNN", kStateful},
    {"SVDF", kStateful},
    {"VAR_HANDLE", kStateful},
    {"WHERE", "its result's size depends on values"},
    {"WHILE", "control flow that depends on values is not supported"},
};

}  // namespace

const Rule* find_rule(std::string_view name) {
  for (const auto& rules :
       {window_rules(), movement_rules(), arithmetic_rules(), recurrent_rules()}) {
    const auto found = std::ranges::find(rules, name, &Rule::name);
    if (found != rules.end()) return &*found;
  }
  return nullptr;
}

std::string_view refusal(std::string_view name) {
  const auto found = std::ranges::find(kRefusals, name, &Refusal::name);
  if (found != std::end(kRefusals)) return found->reason;
  if (name.starts_with("CUSTOM:")) return "a custom operator, whose meaning is not in the file";
  return "operator is not supported";
}

}  // namespace workbench::importer::tflite
