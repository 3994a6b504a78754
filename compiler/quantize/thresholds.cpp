#include "compiler/quantize/thresholds.h"

#include <algorithm>
#include <cctype>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <utility>

namespace workbench {

namespace {

constexpr std::size_t kNodesNamed = 4;  // a residual network ties dozens

// "concat 'inception_3a/output'"
std::string named(const Node& node) {
  std::string op = op_name(node.op);
  for (char& c : op) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return fmt::format("{} '{}'", op, node.name);
}

std::string reason_of(const Graph& graph, const std::vector<std::size_t>& nodes) {
  std::string text;
  for (std::size_t i = 0; i < std::min(nodes.size(), kNodesNamed); ++i) {
    text += (i == 0 ? "" : ", ") + named(graph.nodes[nodes[i]]);
  }
  if (nodes.size() > kNodesNamed) text += fmt::format(" and {} more", nodes.size() - kNodesNamed);
  return text;
}

// Sets that `node` holds two values of.
std::set<std::size_t> tied_by(const Node& node, ScaleClasses& classes,
                              const std::vector<bool>& present) {
  std::set<ValueId> values(node.inputs.begin(), node.inputs.end());
  values.insert(node.outputs.begin(), node.outputs.end());
  std::set<std::size_t> seen, twice;
  for (const ValueId id : values) {
    if (id == kNoValue || !present[static_cast<std::size_t>(id)]) continue;
    if (!seen.insert(classes.find(id)).second) twice.insert(classes.find(id));
  }
  return twice;
}

}  // namespace

ScaleClasses::ScaleClasses(std::size_t values)
    : parent_(values), cap_(values, std::numeric_limits<double>::infinity()) {
  std::iota(parent_.begin(), parent_.end(), std::size_t{0});
}

std::size_t ScaleClasses::find(ValueId id) {
  auto at = static_cast<std::size_t>(id);
  while (parent_[at] != at) at = parent_[at] = parent_[parent_[at]];
  return at;
}

void ScaleClasses::tie(ValueId a, ValueId b) {
  limit(b, cap(a));
  parent_[find(a)] = find(b);
}

void ScaleClasses::limit(ValueId id, double cap) {
  double& own = cap_[find(id)];
  own = std::min(own, cap);
}

std::vector<bool> coded_values(const Graph& graph, const Roles& roles) {
  std::vector<bool> coded(graph.values.size(), false);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (!roles[n]) continue;
    const Node& node = graph.nodes[n];
    coded[static_cast<std::size_t>(node.outputs[0])] = true;
    for (const ValueId id : data_operands(node, *roles[n])) {
      coded[static_cast<std::size_t>(id)] = true;
    }
  }
  return coded;
}

std::vector<ScaleGroup> scale_groups(const Graph& graph, ScaleClasses& classes,
                                     const std::vector<bool>& present,
                                     const std::vector<bool>& ties) {
  std::map<std::size_t, std::vector<std::size_t>> nodes;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (!ties[n]) continue;
    for (const std::size_t set : tied_by(graph.nodes[n], classes, present)) nodes[set].push_back(n);
  }
  std::map<std::size_t, std::vector<ValueId>> members;
  for (std::size_t i = 0; i < present.size(); ++i) {
    const auto id = static_cast<ValueId>(i);
    if (present[i] && nodes.contains(classes.find(id))) members[classes.find(id)].push_back(id);
  }
  std::vector<ScaleGroup> groups;
  for (auto& [set, ids] : members) {
    groups.push_back({.reason = reason_of(graph, nodes.at(set)), .members = std::move(ids)});
  }
  return groups;
}

double magnitude(const Quantization& quantization) {
  double largest = 0;
  for (std::size_t i = 0; i < quantization.thresholds.size(); ++i) {
    const auto zero = static_cast<double>(quantization.zero_point(i));
    const double step = quantization.step(i);
    const double above = (static_cast<double>(quantization.high()) - zero) * step;
    const double below = (zero - static_cast<double>(quantization.low())) * step;
    largest = std::max(largest, zero == 0 ? quantization.thresholds[i] : std::max(above, below));
  }
  return largest;
}

Graph with_codes(Graph graph, const Roles& roles, Codes codes) {
  const std::vector<std::ptrdiff_t> writers = producers(graph);
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    if (!is_real(graph, static_cast<ValueId>(i))) continue;
    Value& value = graph.values[i];
    value.quantization.reset();
    if (codes.thresholds[i] == 0) continue;
    const bool computed = writers[i] >= 0 && roles[static_cast<std::size_t>(writers[i])];
    if (!codes.kept.empty() && codes.kept[i]) {
      value.quantization = *codes.kept[i];
    } else {
      value.quantization =
          Quantization{.bits = codes.bits,
                       .is_signed = codes.is_unsigned.empty() || !codes.is_unsigned[i],
                       .thresholds = {codes.thresholds[i]}};
    }
    value.quantization->rounding = computed ? Rounding::HalfUp : codes.host_rounding;
  }
  graph.scale_groups = std::move(codes.groups);
  return graph;
}

namespace {

enum class Authority { None, Calibration, Hint, Table };

struct OwnThreshold {
  double threshold = 0;
  Authority authority = Authority::None;
  const LayerQuantization* layer = nullptr;  // of the table, which says so
};

std::vector<OwnThreshold> own_thresholds(const Graph& graph, const Thresholds& calibrated) {
  std::vector<OwnThreshold> own(graph.values.size());
  for (std::size_t i = 0; i < own.size(); ++i) {
    const Value& value = graph.values[i];
    const auto found = calibrated.find(value.name);
    if (found != calibrated.end())
      own[i] = {.threshold = found->second, .authority = Authority::Calibration};
    if (value.quantization && value.type == ElementType::Float32) {
      own[i] = {.threshold = magnitude(*value.quantization), .authority = Authority::Hint};
      if (!std::isfinite(own[i].threshold)) {
        fail("value '{}': expected a finite quantization scale, found {}", value.name,
             own[i].threshold);
      }
    }
  }
  return own;
}

// Thresholds of one number written by two layers, decimals lost on the way.
bool agree(double a, double b) { return std::fabs(a - b) <= 1e-6 * std::max(a, b); }

void apply_table(const Graph& graph, const Roles& roles,
                 const std::vector<const LayerQuantization*>& layers, const QuantizerTable* table,
                 std::vector<OwnThreshold>& own) {
  if (table == nullptr) return;
  const auto set = [&](ValueId id, double threshold, const LayerQuantization& layer) {
    OwnThreshold& entry = own[static_cast<std::size_t>(id)];
    if (entry.authority == Authority::Table && !agree(entry.threshold, threshold)) {
      fail(
          "{}: the layers around '{}' must agree on its "
          "threshold, found {} by '{}' and {} by '{}'",
          layer.file, graph.value(id).name, entry.threshold, entry.layer->name, threshold,
          layer.name);
    }
    entry = {threshold, Authority::Table, &layer};
  };
  for (const ValueId id : graph.inputs) {
    for (const LayerQuantization& layer : table->layers) {
      if (layer.name == graph.value(id).name) set(id, layer.threshold_out, layer);
    }
  }
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (layers[n] == nullptr || !roles[n]) continue;
    for (const ValueId id : data_operands(graph.nodes[n], *roles[n])) {
      set(id, layers[n]->threshold_in, *layers[n]);
    }
    set(graph.nodes[n].outputs[0], layers[n]->threshold_out, *layers[n]);
  }
}

// Constraints of nodes on the values around them.
struct Members {
  ScaleClasses classes;
  std::vector<bool> present;  // has an int8 form
  std::vector<bool> follows;  // its threshold is another member's: copies, concat operands
};

// A concat's result speaks for its operands, through any data movement between.
void mark_followers(const Graph& graph, const Roles& roles, Members& members) {
  std::vector<bool> covered(graph.values.size(), false);
  std::vector<bool> concatenated(graph.values.size(), false);
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    if (roles[n] != Role::Concat && roles[n] != Role::Move) continue;
    const auto out = static_cast<std::size_t>(graph.nodes[n].outputs[0]);
    const bool concat = roles[n] == Role::Concat;
    if (concat) concatenated[out] = true;
    if (!concat) members.follows[out] = true;
    if (!concat && !covered[out]) continue;
    for (const ValueId id : data_operands(graph.nodes[n], *roles[n])) {
      covered[static_cast<std::size_t>(id)] = true;
    }
  }
  for (std::size_t i = 0; i < covered.size(); ++i) {
    members.follows[i] = (members.follows[i] || covered[i]) && !concatenated[i];
  }
}

Members gather(const Graph& graph, const Roles& roles) {
  const std::size_t count = graph.values.size();
  Members members{ScaleClasses(count), coded_values(graph, roles), std::vector<bool>(count, false)};
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (!roles[n]) continue;
    const Node& node = graph.nodes[n];
    const auto operands = data_operands(node, *roles[n]);
    for (const ValueId id : operands) members.classes.tie(id, operands[0]);
    if (roles[n] == Role::Concat || roles[n] == Role::Move) {
      members.classes.tie(node.outputs[0], operands[0]);
    }
    if (const auto cap = saturation_cap(activation_of(node.op))) {
      members.classes.limit(node.outputs[0], *cap);
    }
  }
  mark_followers(graph, roles, members);
  return members;
}

// The rules of thresholds.h for one class.
double class_threshold(const Graph& graph, const std::vector<std::size_t>& ids, Members& members,
                       const std::vector<OwnThreshold>& own) {
  Authority authority = Authority::None;
  for (const std::size_t id : ids) authority = std::max(authority, own[id].authority);
  double threshold = 0;
  std::optional<std::size_t> table_member;
  for (const std::size_t id : ids) {
    if (authority <= Authority::Calibration && members.follows[id]) continue;
    CHECK(own[id].authority != Authority::None || authority > Authority::Calibration,
          "value '{}' has no threshold", graph.values[id].name);
    if (own[id].authority != authority) continue;
    if (authority == Authority::Table && table_member && !agree(threshold, own[id].threshold)) {
      fail(
          "{}: '{}' and '{}' must share one threshold, found {} "
          "and {}",
          own[id].layer->file, graph.values[*table_member].name, graph.values[id].name, threshold,
          own[id].threshold);
    }
    if (!table_member) table_member = id;
    threshold = std::max(threshold, own[id].threshold);
  }
  if (authority <= Authority::Calibration) {
    threshold = std::min(threshold, members.classes.cap(static_cast<ValueId>(ids[0])));
  }
  return threshold > 0 ? threshold : 1.0;
}

}  // namespace

std::vector<const LayerQuantization*> table_layers(const Graph& graph,
                                                   const QuantizerTable* table) {
  std::vector<const LayerQuantization*> layers(graph.nodes.size(), nullptr);
  if (table == nullptr) return layers;
  std::map<std::string, std::size_t> nodes;
  std::set<std::string> others;  // names that are known and need nothing
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    nodes.emplace(graph.nodes[n].name, n);
    others.insert(graph.nodes[n].merged.begin(), graph.nodes[n].merged.end());
  }
  for (const ValueId id : graph.inputs) others.insert(graph.value(id).name);
  for (const LayerQuantization& layer : table->layers) {
    const auto found = nodes.find(layer.name);
    if (found != nodes.end()) {
      layers[found->second] = &layer;
    } else if (!others.contains(layer.name)) {
      fail(
          "{}: layer '{}': expected a layer of network '{}', "
          "found no such layer",
          layer.file, layer.name, graph.name);
    }
  }
  return layers;
}

namespace {

// Which sums are left, as leave_drowning_sums() has it.
class Sums {
 public:
  Sums(const Graph& graph, const Roles& roles)
      : graph_(graph), roles_(roles), writers_(producers(graph)), readers_(consumers(graph)) {}

  // Those whose operands are two values, one of which has another reader.
  std::vector<std::size_t> in_question() const {
    std::vector<std::size_t> found;
    for (std::size_t n = 0; n < roles_.size(); ++n) {
      if (roles_[n] != Role::Sum) continue;
      const auto& operands = graph_.nodes[n].inputs;
      const auto shared = [&](ValueId id) { return is_read_elsewhere(id, n); };
      if (operands[0] != operands[1] && std::ranges::any_of(operands, shared)) found.push_back(n);
    }
    return found;
  }

  bool drowns(std::size_t sum, const Codes& codes) const {
    const auto threshold = [&](ValueId id) {
      return codes.thresholds[static_cast<std::size_t>(id)];
    };
    const auto& operands = graph_.nodes[sum].inputs;
    const bool first = threshold(operands[0]) < threshold(operands[1]);
    const ValueId small = operands[first ? 0 : 1], large = operands[first ? 1 : 0];
    // A value without codes of its own has no reader that could lose them.
    if (threshold(small) == 0 || !is_read_elsewhere(small, sum)) return false;
    return threshold(large) > kSummedRatio * threshold(small);
  }

 private:
  // Whether an integer node other than the sum reads the value, or what it is a movement of.
  bool is_read_elsewhere(ValueId id, std::size_t sum) const {
    std::size_t towards = sum;
    while (true) {
      for (const std::size_t n : readers_[static_cast<std::size_t>(id)]) {
        if (n != towards && roles_[n]) return true;
      }
      const std::ptrdiff_t writer = writers_[static_cast<std::size_t>(id)];
      if (writer < 0 || roles_[static_cast<std::size_t>(writer)] != Role::Move) return false;
      towards = static_cast<std::size_t>(writer);
      id = graph_.nodes[towards].inputs[0];
    }
  }

  const Graph& graph_;
  const Roles roles_;  // with all sums
  std::vector<std::ptrdiff_t> writers_;
  std::vector<std::vector<std::size_t>> readers_;
};

}  // namespace

void leave_drowning_sums(const Graph& graph, const Thresholds& calibrated,
                         const std::vector<const LayerQuantization*>& layers,
                         const QuantizerTable* table, Roles& roles) {
  const Sums sums(graph, roles);
  std::vector<std::size_t> left = sums.in_question();
  for (const std::size_t n : left) roles[n].reset();
  for (bool changed = !left.empty(); changed;) {
    const Codes codes = int8_thresholds(graph, roles, calibrated, layers, table);
    const std::size_t before = left.size();
    std::erase_if(left, [&](std::size_t n) {
      if (sums.drowns(n, codes)) return false;
      roles[n] = Role::Sum;
      return true;
    });
    changed = left.size() < before;
  }
}

void drop_sums_of_two_scales(const Graph& annotated, Roles& roles) {
  for (std::size_t n = 0; n < roles.size(); ++n) {
    if (roles[n] != Role::Sum) continue;
    const auto& first = annotated.value(annotated.nodes[n].inputs[0]).quantization;
    const auto& second = annotated.value(annotated.nodes[n].inputs[1]).quantization;
    if (first && second && first->thresholds != second->thresholds) roles[n].reset();
  }
}

Codes int8_thresholds(const Graph& graph, const Roles& roles, const Thresholds& calibrated,
                      const std::vector<const LayerQuantization*>& layers,
                      const QuantizerTable* table) {
  std::vector<OwnThreshold> own = own_thresholds(graph, calibrated);
  apply_table(graph, roles, layers, table, own);
  Members members = gather(graph, roles);
  std::map<std::size_t, std::vector<std::size_t>> classes;
  for (std::size_t id = 0; id < own.size(); ++id) {
    if (members.present[id]) {
      classes[members.classes.find(static_cast<ValueId>(id))].push_back(id);
    }
  }
  // The host library truncates what it quantizes (docs/facts/xdnn.md 3.1).
  Codes codes{.thresholds = std::vector<double>(own.size(), 0.0),
              .host_rounding = Rounding::TowardZero};
  for (const auto& [root, ids] : classes) {
    const double threshold = class_threshold(graph, ids, members, own);
    for (const std::size_t id : ids) codes.thresholds[id] = threshold;
  }
  std::vector<bool> ties;
  for (const auto& role : roles) {
    ties.push_back(role == Role::Concat || role == Role::Move || role == Role::Sum);
  }
  codes.groups = scale_groups(graph, members.classes, members.present, ties);
  return codes;
}

}  // namespace workbench
