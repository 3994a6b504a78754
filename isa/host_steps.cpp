#include "isa/host_steps.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/shapes.h"
#include "isa/host_time.h"

namespace workbench {

namespace {

std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }

bool is_code_of(const Value& value) {
  return value.quantization && value.type != ElementType::Float32;
}

double elements(const Value& value) { return static_cast<double>(element_count(value.shape)); }

// Of a value as it lies in memory: codes in their width, all else as 4 bytes.
double bytes_of(const Value& value) {
  return elements(value) *
         (is_code_of(value) ? static_cast<double>(element_bytes(value.type)) : 4.0);
}

class Passes {
 public:
  Passes(const Graph& graph, std::span<const std::size_t> nodes)
      : graph_(graph),
        nodes_(nodes),
        readers_(consumers(graph)),
        pass_of_(graph.values.size(), -1),
        origin_(graph.values.size()),
        codes_of_(graph.values.size(), kNoValue),
        pass_of_node_(graph.nodes.size(), -1) {
    for (std::size_t i = 0; i < origin_.size(); ++i) origin_[i] = static_cast<ValueId>(i);
  }

  std::vector<HostPass> run() {
    for (const std::size_t n : nodes_) add(n);
    for (std::size_t p = 0; p < passes_.size(); ++p) measure(static_cast<int>(p));
    std::vector<HostPass> result;
    for (Pass& pass : passes_) result.push_back(std::move(pass.made));
    return result;
  }

 private:
  struct Pass {
    HostPass made;
    bool elementwise = false;  // a result depends on an element of each operand, moved or not
    Shape shape;
  };

  const Value& value(ValueId id) const { return graph_.value(id); }
  bool is_constant(ValueId id) const { return value(id).constant.has_value(); }
  // What lies in memory under another name.
  ValueId origin(ValueId id) const { return origin_[at(id)]; }

  void add(std::size_t n) {
    const Node& node = graph_.nodes[n];
    if (std::holds_alternative<Dequantize>(node.op) && is_code_of(value(node.inputs[0]))) {
      codes_of_[at(node.outputs[0])] = origin(node.inputs[0]);
      pass_of_[at(node.outputs[0])] = pass_of_[at(origin(node.inputs[0]))];
      if (leaves_turn(node.outputs[0])) place(n);
      return;
    }
    // Codes that only change their order in memory are moved.
    const bool renames = traits(node.op).silent && !std::holds_alternative<Quantize>(node.op) &&
                         !is_code_of(value(node.outputs[0]));
    if (renames) {
      origin_[at(node.outputs[0])] = origin(node.inputs[0]);
      pass_of_[at(node.outputs[0])] = pass_of_[at(origin(node.inputs[0]))];
      codes_of_[at(node.outputs[0])] = codes_of_[at(origin(node.inputs[0]))];
      return;
    }
    place(n);
  }

  // Read by nodes of other turns, by the user, or by the engines, whose nodes are not in the graph.
  bool leaves_turn(ValueId id) const {
    if (is_code_of(value(id)) || readers_[at(id)].empty()) return true;
    if (std::ranges::find(graph_.outputs, id) != graph_.outputs.end()) return true;
    return std::ranges::any_of(readers_[at(id)], [&](std::size_t reader) {
      return !std::ranges::binary_search(nodes_, reader);
    });
  }

  static bool is_elementwise(const Op& op) {
    return traits(op).elementwise || std::holds_alternative<Quantize>(op) ||
           std::holds_alternative<Dequantize>(op);
  }

  // The pass that writes the latest of the operands, if the node can be computed along with it.
  int pass_for(const Node& node) const {
    int latest = -1;
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) latest = std::max(latest, pass_of_[at(id)]);
    }
    if (latest < 0) return -1;
    const Pass& pass = passes_[static_cast<std::size_t>(latest)];
    if (pass.shape != value(node.outputs[0]).shape) return -1;
    if (std::holds_alternative<Quantize>(node.op)) return latest;
    return pass.elementwise && is_elementwise(node.op) ? latest : -1;
  }

  void place(std::size_t n) {
    const Node& node = graph_.nodes[n];
    int pass = pass_for(node);
    if (pass < 0) pass = reading_alike(node);
    if (pass < 0) {
      pass = static_cast<int>(passes_.size());
      passes_.push_back({.elementwise = is_elementwise(node.op) || traits(node.op).moves_data,
                         .shape = value(node.outputs[0]).shape});
    }
    passes_[static_cast<std::size_t>(pass)].made.nodes.push_back(n);
    pass_of_node_[n] = pass;
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) pass_of_[at(id)] = pass;
    }
  }

  // An elementwise node of nothing that this turn computes joins an elementwise pass that reads
  // the same tensor: x and sigmoid(x) of x * sigmoid(x).
  int reading_alike(const Node& node) const {
    if (!is_elementwise(node.op) || computed(node)) return -1;
    for (std::size_t p = 0; p < passes_.size(); ++p) {
      const Pass& pass = passes_[p];
      if (!pass.elementwise || pass.shape != value(node.outputs[0]).shape) continue;
      for (const std::size_t other : pass.made.nodes) {
        if (computed(graph_.nodes[other])) continue;
        for (const ValueId id : graph_.nodes[other].inputs) {
          if (id != kNoValue && !is_constant(id) && origin(id) == origin(node.inputs[0])) {
            return static_cast<int>(p);
          }
        }
      }
    }
    return -1;
  }
  bool computed(const Node& node) const {
    return std::ranges::any_of(node.inputs,
                               [&](ValueId id) { return id != kNoValue && pass_of_[at(id)] >= 0; });
  }

  void measure(int p) {
    Pass& pass = passes_[static_cast<std::size_t>(p)];
    HostPass& made = pass.made;
    std::set<ValueId> reads;  // in memory: codes where they are numbers in this pass alone
    for (const std::size_t n : made.nodes) {
      const Node& node = graph_.nodes[n];
      made.work.operations += host_operations(graph_, node);
      for (const ValueId id : node.inputs) {
        if (id == kNoValue || (pass_of_[at(id)] == p && !only_codes(id, p))) continue;
        read(id, reads, made);
      }
    }
    for (const ValueId id : reads) made.work.bytes += bytes_of(value(id));
    find_table(p, reads);
  }

  // A number whose codes an earlier pass, or this one, has written.
  bool only_codes(ValueId id, int p) const {
    return codes_of_[at(origin(id))] != kNoValue && pass_of_[at(codes_of_[at(origin(id))])] != p;
  }

  void read(ValueId id, std::set<ValueId>& reads, HostPass& made) const {
    const ValueId from = origin(id);
    const ValueId codes = codes_of_[at(from)];
    if (codes == kNoValue) {
      reads.insert(from);
    } else if (reads.insert(codes).second) {
      made.work.operations += elements(value(codes));  // to numbers
    }
  }

  void find_table(int p, const std::set<ValueId>& reads) {
    Pass& pass = passes_[static_cast<std::size_t>(p)];
    if (!pass.elementwise) return;
    ValueId codes = kNoValue;
    for (const ValueId id : reads) {
      if (is_constant(id) && is_per_channel(value(id).shape, pass.shape)) continue;
      if (is_constant(id) || codes != kNoValue || !is_code_of(value(id))) return;
      codes = id;
    }
    if (codes == kNoValue) return;
    const Quantization& quantization = *value(codes).quantization;
    if (quantization.bits > 8 || quantization.thresholds.size() != 1) return;
    if (meets_moved(pass.made.nodes, codes)) return;
    double leaving = 0;
    for (const std::size_t n : pass.made.nodes) {
      for (const ValueId id : graph_.nodes[n].outputs) leaving += leaves_pass(id, p) ? 1 : 0;
    }
    const auto count = static_cast<double>(element_count(pass.shape));
    if (count == 0) return;
    // The entries are computed when the network is compiled; an element that moves has its index.
    const bool moves = traits(graph_.nodes[pass.made.nodes.front()].op).moves_data;
    pass.made.by_table = HostWork{.operations = moves ? count : 0,
                                  .bytes = pass.made.work.bytes + 4 * leaving * count};
    pass.made.codes = codes;
  }

  // Whether elements of the tensor that the first node moves meet others of it where they arrive.
  bool meets_moved(const std::vector<std::size_t>& nodes, ValueId codes) const {
    if (!traits(graph_.nodes[nodes.front()].op).moves_data) return false;
    return std::any_of(nodes.begin() + 1, nodes.end(), [&](std::size_t n) {
      return std::ranges::any_of(graph_.nodes[n].inputs, [&](ValueId id) {
        return id != kNoValue && (origin(id) == codes || codes_of_[at(origin(id))] == codes);
      });
    });
  }

  bool leaves_pass(ValueId id, int p) const {
    if (id == kNoValue) return false;
    if (leaves_turn(id)) return true;
    return std::ranges::any_of(readers_[at(id)],
                               [&](std::size_t reader) { return pass_of_node_[reader] != p; });
  }

  const Graph& graph_;
  std::span<const std::size_t> nodes_;
  std::vector<std::vector<std::size_t>> readers_;
  std::vector<int> pass_of_;       // by value: the pass of this turn that writes it, or -1
  std::vector<ValueId> origin_;    // by value: the value that it is another name of
  std::vector<ValueId> codes_of_;  // by value: the codes that it is made of, or kNoValue
  std::vector<int> pass_of_node_;  // -1: takes none
  std::vector<Pass> passes_;
};

}  // namespace

double HostWork::milliseconds(const HostRates& rates) const {
  return 1e3 *
         std::max(operations / (rates.gflops * 1e9), bytes / (rates.gigabytes_per_second * 1e9));
}

double HostPass::milliseconds(const HostRates& rates) const {
  const double each = work.milliseconds(rates);
  return by_table ? std::min(each, by_table->milliseconds(rates)) : each;
}

std::vector<HostPass> host_passes(const Graph& graph, std::span<const std::size_t> nodes) {
  return Passes(graph, nodes).run();
}

double host_milliseconds(const Graph& graph, std::span<const std::size_t> nodes,
                         const HostRates& rates) {
  double milliseconds = 0;
  for (const HostPass& pass : host_passes(graph, nodes)) milliseconds += pass.milliseconds(rates);
  return milliseconds;
}

namespace {

void add_once(std::vector<std::string>& list, const std::string& text) {
  if (std::ranges::find(list, text) == list.end()) list.push_back(text);
}

// "Sigmoid, Mul"; of a long list each kind with its number, in order of appearance: "8 Mul, 3 Add".
std::string operators_of(const std::vector<HostNodeInfo>& nodes) {
  constexpr std::size_t kInFull = 4;
  std::vector<std::string> parts;
  for (const HostNodeInfo& node : nodes) {
    nodes.size() > kInFull ? add_once(parts, node.op) : parts.push_back(node.op);
  }
  if (nodes.size() > kInFull) {
    for (std::string& part : parts) {
      const auto times = std::ranges::count(nodes, part, &HostNodeInfo::op);
      if (times > 1) part = fmt::format("{} {}", times, part);
    }
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

// Codes that cross: of the engines to the host, and of the host to the engines.
void add_crossings(const Graph& host, std::span<const std::size_t> turn, std::vector<bool>& on_host,
                   HostStepInfo& step) {
  for (const std::size_t n : turn) {
    const Node& node = host.nodes[n];
    for (const ValueId id : node.inputs) {
      if (id == kNoValue || on_host[at(id)] || !is_code_of(host.value(id))) continue;
      if (host.value(id).constant) continue;
      step.bytes_in += static_cast<std::int64_t>(bytes_of(host.value(id)));
      on_host[at(id)] = true;
    }
    for (const ValueId id : node.outputs) {
      if (id == kNoValue) continue;
      on_host[at(id)] = true;
      if (!is_code_of(host.value(id))) continue;
      step.bytes_out += static_cast<std::int64_t>(bytes_of(host.value(id)));
    }
  }
}

void name(HostStepInfo& step) {
  const std::vector<HostNodeInfo>& nodes = step.nodes;
  step.name = nodes.size() == 1
                  ? nodes[0].name
                  : nodes.front().name + (nodes.size() == 2 ? ", " : " ... ") + nodes.back().name;
  step.op = operators_of(nodes);
  std::vector<std::string> reasons;
  for (const HostNodeInfo& node : nodes) add_once(reasons, node.reason);
  step.reason = fmt::format("{}", fmt::join(reasons, "; "));
}

}  // namespace

std::vector<HostStepInfo> describe_host_steps(const Graph& host,
                                              std::span<const std::vector<std::size_t>> turns,
                                              const std::map<std::string, std::string>& reasons,
                                              const HostRates& rates) {
  std::vector<HostStepInfo> steps;
  std::vector<bool> on_host(host.values.size(), false);
  for (const std::vector<std::size_t>& turn : turns) {
    HostStepInfo step;
    for (const std::size_t n : turn) {
      const Node& node = host.nodes[n];
      step.macs += macs(host, node);
      const auto reason = reasons.find(node.name);
      if (reason == reasons.end()) continue;
      step.nodes.push_back({node.name, op_name(node.op), reason->second});
    }
    add_crossings(host, turn, on_host, step);
    if (step.nodes.empty()) continue;
    step.milliseconds = host_milliseconds(host, turn, rates);
    name(step);
    steps.push_back(std::move(step));
  }
  return steps;
}

}  // namespace workbench
