#include "compiler/quantize/nemo_codes.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "compiler/quantize/kept_codes.h"

namespace workbench {

namespace {

constexpr double kNoCap = std::numeric_limits<double>::infinity();

// Every window covers as many cells: none hangs over the edge, unless padding counts.
bool windows_count_alike(const AveragePool& op, const Shape& in) {
  for (std::size_t d = 0; d < op.window.kernel.size(); ++d) {
    const std::int64_t padded = in[d + 2] + op.window.pads_begin[d] + op.window.pads_end[d];
    const std::int64_t reach = (op.window.kernel[d] - 1) * op.window.dilations[d] + 1;
    if (op.ceil_mode && (padded - reach) % op.window.strides[d] != 0) return false;
    if (!op.count_include_pad && padded != in[d + 2]) return false;
  }
  return true;
}

// [1, ...] to or from a row: the order of elements is all a Gemm sees.
bool flattens(const Shape& in, const Shape& out) {
  if (in.empty() || out.empty() || in[0] != 1 || out[0] != 1) return false;
  return in.size() == 2 || out.size() == 2;
}

// What each op can be, constants and activation aside.
struct RoleOf {
  const Graph& graph;
  const Node& node;
  using Result = std::optional<Role>;

  const Shape& in(std::size_t i = 0) const { return graph.value(node.inputs[i]).shape; }
  const Shape& out() const { return graph.value(node.outputs[0]).shape; }

  Result operator()(const Conv&) const {
    const bool ok = in().size() == 4 && has_constant_parameters(graph, node);
    return ok ? Result(Role::Weighted) : std::nullopt;
  }
  Result operator()(const Gemm& op) const {
    if (op.transpose_a || !has_constant_parameters(graph, node)) return std::nullopt;
    const bool biased = node.inputs.size() > 2 && node.inputs[2] != kNoValue;
    const std::int64_t count = biased ? graph.value(node.inputs[2]).constant->size() : 1;
    return count == 1 || count == out()[1] ? Result(Role::Weighted) : std::nullopt;
  }
  Result operator()(const AveragePool& op) const {
    const bool ok = in().size() == 4 && windows_count_alike(op, in());
    return ok ? Result(Role::Average) : std::nullopt;
  }
  Result operator()(const Binary& op) const {
    const bool sum = op.kind == Binary::Kind::Add && is_real(graph, node.inputs[1]);
    return sum && in(0).size() == 4 && in(0) == in(1) ? Result(Role::Sum) : std::nullopt;
  }
  Result operator()(const Activate& op) const {
    const bool ok = in().size() == 4 && op.activation.kind != Activation::Kind::None;
    return ok && is_saturation(op.activation) ? Result(Role::Rescale) : std::nullopt;
  }
  Result operator()(const Concat& op) const {
    return op.axis == 1 && in().size() == 4 ? Result(Role::Concat) : std::nullopt;
  }
  Result operator()(const MaxPool&) const {
    return in().size() == 4 ? Result(Role::Move) : std::nullopt;
  }
  Result operator()(const Reshape&) const {
    return flattens(in(), out()) ? Result(Role::Move) : std::nullopt;
  }
  Result operator()(const Identity&) const { return Role::Move; }
  template <typename Op>
  Result operator()(const Op&) const {
    return std::nullopt;
  }
};

std::optional<Role> role_of(const Graph& graph, const Node& node, bool clip_per_channel) {
  if (node.inputs.empty() || node.outputs.size() != 1) return std::nullopt;
  if (!is_real(graph, node.inputs[0]) || node.affine || node.requantize) return std::nullopt;
  const std::optional<Role> role = std::visit(RoleOf{graph, node}, node.op);
  const Activation& activation = activation_of(node.op);
  const bool per_channel = clip_per_channel && !activation.bounds.empty();
  if (!role || !(per_channel || is_saturation(activation))) return std::nullopt;
  const auto operands = data_operands(node, *role);
  const bool all_real =
      is_real(graph, node.outputs[0]) &&
      std::all_of(operands.begin(), operands.end(), [&](ValueId id) { return is_real(graph, id); });
  return all_real ? role : std::nullopt;
}

// The sign of an activation's results for any operand.
bool gives_no_negative(const Activation& activation) {
  using Kind = Activation::Kind;
  const Kind kind = activation.kind;
  return kind == Kind::Relu || kind == Kind::Sigmoid || kind == Kind::HardSigmoid ||
         kind == Kind::Exp || (kind == Kind::Clip && activation.alpha >= 0);
}

// Whether the op gives no negative result where no operand is negative.
struct KeepsSign {
  bool operator()(const Activate& op) const {
    using Kind = Activation::Kind;
    const Kind kind = op.activation.kind;
    return kind == Kind::LeakyRelu || kind == Kind::HardSwish || kind == Kind::Tanh;
  }
  bool operator()(const Binary& op) const { return op.kind != Binary::Kind::Sub; }
  template <typename T>
  bool operator()(const T& op) const {
    return T::kTraits.keeps_sign && fill_value(op).value_or(0) >= 0;
  }
};

bool has_negative(const Value& value) {
  if (!value.constant || value.constant->type() != ElementType::Float32) return true;
  const auto values = value.constant->values<float>();
  return std::any_of(values.begin(), values.end(), [](float v) { return !(v >= 0); });
}

bool cannot_be_negative(const Graph& graph, const Node& node, const std::vector<bool>& known) {
  if (gives_no_negative(activation_of(node.op))) return true;
  if (const auto* softmax = std::get_if<Softmax>(&node.op)) return !softmax->log;
  if (!std::visit(KeepsSign{}, node.op)) return false;
  return std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId id) {
    if (id == kNoValue || known[static_cast<std::size_t>(id)]) return true;
    const Value& value = graph.value(id);
    return value.constant && !has_negative(value);
  });
}

std::vector<bool> non_negative_values(const Graph& graph, const NemoOptions& options) {
  std::vector<bool> known(graph.values.size(), false);
  for (const ValueId id : graph.inputs) {
    const Value& value = graph.value(id);
    const auto& hint = value.quantization;
    known[static_cast<std::size_t>(id)] =
        options.non_negative.contains(value.name) || (hint && hint->zero_point() == hint->low());
  }
  for (const Node& node : graph.nodes) {
    known[static_cast<std::size_t>(node.outputs[0])] = cannot_be_negative(graph, node, known);
  }
  return known;
}

void tie_concat(const Node& node, const std::vector<bool>& non_negative, ScaleClasses& ties) {
  const ValueId out = node.outputs[0];
  const double first = ties.cap(node.inputs[0]);
  const bool alike = std::all_of(node.inputs.begin(), node.inputs.end(),
                                 [&](ValueId id) { return ties.cap(id) == first; });
  for (const ValueId id : node.inputs) {
    const bool same_sign =
        non_negative[static_cast<std::size_t>(id)] == non_negative[static_cast<std::size_t>(out)];
    if (same_sign && (alike || ties.cap(id) == kNoCap)) ties.tie(id, out);
  }
}

ScaleClasses tied_values(const Graph& graph, const Roles& roles,
                         const std::vector<bool>& non_negative) {
  ScaleClasses ties(graph.values.size());
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (!roles[n]) continue;
    if (const auto cap = saturation_cap(activation_of(node.op))) ties.limit(node.outputs[0], *cap);
    if (roles[n] == Role::Move) ties.tie(node.inputs[0], node.outputs[0]);
    if (roles[n] == Role::Concat) tie_concat(node, non_negative, ties);
  }
  return ties;
}

// By set of tied values: the largest that an imported quantization can express, taken at its word;
// or, where no member came with one, that was calibrated, at most the Clip that saturation can be.
std::vector<std::optional<double>> set_thresholds(const Graph& graph,
                                                  const std::vector<bool>& present,
                                                  const Thresholds& calibrated,
                                                  ScaleClasses& ties) {
  std::vector<std::optional<double>> imported(graph.values.size()), seen(graph.values.size());
  for (std::size_t i = 0; i < present.size(); ++i) {
    if (!present[i]) continue;
    const Value& value = graph.values[i];
    const std::size_t set = ties.find(static_cast<ValueId>(i));
    const auto found = calibrated.find(value.name);
    if (value.quantization) {
      imported[set] = std::max(imported[set].value_or(0), magnitude(*value.quantization));
    } else if (found != calibrated.end()) {
      seen[set] = std::max(seen[set].value_or(0), found->second);
    }
  }
  for (std::size_t set = 0; set < seen.size(); ++set) {
    if (seen[set]) seen[set] = std::min(*seen[set], ties.cap(static_cast<ValueId>(set)));
    if (imported[set]) seen[set] = imported[set];
  }
  return seen;
}

// Widths of 2 and 4 bits that values came with, where all that share a scale did; an input of the
// network has 8, as has a result that came with no codes, and the operands of a sum have one width.
class FileWidths {
 public:
  FileWidths(const Graph& graph, const std::vector<bool>& present, const Codes& codes,
             ScaleClasses& ties)
      : graph_(graph), ties_(ties), widths_(graph.values.size(), 0) {
    for (std::size_t i = 0; i < present.size(); ++i) {
      if (present[i]) meet(ties.find(static_cast<ValueId>(i)), own_width(i, codes.is_unsigned[i]));
    }
    for (const ValueId id : graph.inputs) meet(ties.find(id), kFull);
    for (const ValueId id : graph.outputs) {
      if (!graph.value(id).quantization) meet(ties.find(id), kFull);
    }
  }

  void share_in_sums(const Roles& roles) {
    for (bool again = true; std::exchange(again, false);) {
      for (std::size_t n = 0; n < roles.size(); ++n) {
        if (roles[n] != Role::Sum) continue;
        const std::size_t a = ties_.find(graph_.nodes[n].inputs[0]);
        const std::size_t b = ties_.find(graph_.nodes[n].inputs[1]);
        if (of_set(a) == of_set(b)) continue;
        widths_[a] = widths_[b] = kFull;
        again = true;
      }
    }
  }

  int of(ValueId id) const { return of_set(ties_.find(id)); }

 private:
  static constexpr int kFull = 8;

  int of_set(std::size_t set) const { return widths_[set] == 0 ? kFull : widths_[set]; }

  // 0: it came with no codes.
  int own_width(std::size_t i, bool is_unsigned) const {
    const auto& came = graph_.values[i].quantization;
    if (!came) return 0;
    const bool usable = (came->bits == 2 || came->bits == 4) && came->thresholds.size() == 1 &&
                        came->zero_point() == 0 && came->is_signed != is_unsigned;
    return usable ? came->bits : kFull;
  }

  void meet(std::size_t set, int width) {
    if (width == 0) return;
    widths_[set] = widths_[set] == 0 || widths_[set] == width ? width : kFull;
  }

  const Graph& graph_;
  ScaleClasses& ties_;
  std::vector<int> widths_;  // by set
};

void keep_file_widths(const Graph& graph, const Roles& roles, const std::vector<bool>& present,
                      ScaleClasses& ties, Codes& codes) {
  FileWidths widths(graph, present, codes, ties);
  widths.share_in_sums(roles);
  for (std::size_t i = 0; i < present.size(); ++i) {
    const int bits = widths.of(static_cast<ValueId>(i));
    if (!present[i] || codes.kept[i] || bits == codes.bits) continue;
    codes.kept[i] = Quantization{
        .bits = bits, .is_signed = !codes.is_unsigned[i], .thresholds = {codes.thresholds[i]}};
  }
}

// Views between float nodes alone are not rounded.
void drop_idle_views(const Graph& graph, Roles& roles) {
  const auto writers = producers(graph);
  const auto readers = consumers(graph);
  const auto idle = [&](const Node& node) {
    const std::ptrdiff_t writer = writers[static_cast<std::size_t>(node.inputs[0])];
    if (writer >= 0 && roles[static_cast<std::size_t>(writer)]) return false;
    const auto& read_by = readers[static_cast<std::size_t>(node.outputs[0])];
    return std::none_of(read_by.begin(), read_by.end(),
                        [&](std::size_t n) { return roles[n].has_value(); });
  };
  // Backwards, then forwards: a chain of views is idle as a whole.
  for (const bool forward : {false, true}) {
    for (std::size_t i = 0; i < roles.size(); ++i) {
      const std::size_t n = forward ? i : roles.size() - 1 - i;
      const Op& op = graph.nodes[n].op;
      const bool view = std::holds_alternative<Reshape>(op) || std::holds_alternative<Identity>(op);
      if (roles[n] && view && idle(graph.nodes[n])) roles[n].reset();
    }
  }
}

}  // namespace

Roles nemo_roles(const Graph& graph, const NemoOptions& options) {
  Roles roles;
  for (const Node& node : graph.nodes) {
    roles.push_back(role_of(graph, node, options.clip_per_channel));
    if (options.host_reason && options.host_reason(graph, node)) roles.back().reset();
  }
  leave_final_joins(graph, roles);
  drop_idle_views(graph, roles);
  return roles;
}

Codes nemo_codes(const Graph& graph, const Roles& roles, const Thresholds& calibrated,
                 const NemoOptions& options) {
  Codes codes{.thresholds = std::vector<double>(graph.values.size(), 0.0),
              .bits = options.activation_bits,
              .is_unsigned = non_negative_values(graph, options)};
  ScaleClasses ties = tied_values(graph, roles, codes.is_unsigned);
  const std::vector<bool> present = coded_values(graph, roles);
  const auto largest = set_thresholds(graph, present, calibrated, ties);
  for (std::size_t i = 0; i < present.size(); ++i) {
    if (!present[i]) continue;
    const auto id = static_cast<ValueId>(i);
    const auto& threshold = largest[ties.find(id)];
    if (!threshold) fail("value '{}' has no threshold", graph.values[i].name);
    codes.thresholds[i] = *threshold > 0 ? *threshold : 1.0;
  }
  if (options.activation_bits == 8) {
    codes.kept = kept_codes(graph, roles, present, ties);
    keep_file_widths(graph, roles, present, ties, codes);
  }
  std::vector<bool> moves;
  for (const auto& role : roles) moves.push_back(role == Role::Move || role == Role::Concat);
  codes.groups = scale_groups(graph, ties, present, moves);
  return codes;
}

}  // namespace workbench
