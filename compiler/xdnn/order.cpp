#include "compiler/xdnn/order.h"

#include <algorithm>
#include <map>
#include <sstream>

#include "compiler/xdnn/lower.h"
#include "compiler/xdnn/network_tasks.h"

namespace workbench::xdnn {

// --- orders of the search ------------------------------------------------------------------------

namespace {

bool is_pool(const Graph& graph, const Node& node) {
  return (std::holds_alternative<MaxPool>(node.op) ||
          std::holds_alternative<AveragePool>(node.op)) &&
         on_accelerator(graph, node);
}

CandidateOrder stitched(const char* name, const NetworkTasks& network, Goal goal) {
  CandidateOrder candidate{.name = name, .nodes = {}};
  TaskOrder order;
  EngineClock clock;
  const NetworkParts parts(network.compiled);
  for (const Region& region : network.regions) {
    const SearchResult best = best_order(parts.part(region, clock), goal);
    for (const int task : best.order) order.push_back(region.begin + task);
    clock = best.score.clock;
    candidate.stopped = candidate.stopped || best.stopped;
  }
  candidate.nodes = nodes_in(network, order);
  return candidate;
}

}  // namespace

std::vector<std::size_t> natural_order(const Graph& quantized) {
  const auto readers = consumers(quantized);
  std::vector<std::size_t> order;
  std::vector<bool> done(quantized.nodes.size(), false);
  const auto emit = [&](std::size_t n, const auto& self) -> void {
    order.push_back(n);
    done[n] = true;
    for (const std::size_t reader :
         readers[static_cast<std::size_t>(quantized.nodes[n].outputs[0])]) {
      if (!done[reader] && is_pool(quantized, quantized.nodes[reader])) self(reader, self);
    }
  };
  for (std::size_t n = 0; n < quantized.nodes.size(); ++n) {
    if (!done[n]) emit(n, emit);
  }
  return order;
}

std::vector<std::size_t> order_nodes(const Graph& quantized, const Machine& machine,
                                     OrderGoal goal) {
  if (goal == OrderGoal::Natural) return natural_order(quantized);
  const NetworkTasks network = network_tasks(quantized, machine);
  return stitched("", network, goal == OrderGoal::Time ? Goal::Time : Goal::Space).nodes;
}

std::vector<CandidateOrder> candidate_orders(const Graph& quantized, const Machine& machine,
                                             const OrderOptions& options) {
  if (options.file) return {{options.file->path, order_nodes(quantized, *options.file), false}};
  if (options.goal == OrderGoal::Natural) return {{"natural", natural_order(quantized), false}};
  const NetworkTasks network = network_tasks(quantized, machine);
  std::vector<CandidateOrder> candidates = {stitched("space", network, Goal::Space)};
  if (options.goal == OrderGoal::Space) return candidates;
  const auto put_first = [&](CandidateOrder candidate) {
    const bool known = std::any_of(candidates.begin(), candidates.end(),
                                   [&](const auto& c) { return c.nodes == candidate.nodes; });
    if (!known) candidates.insert(candidates.begin(), std::move(candidate));
  };
  put_first({"natural", natural_order(quantized), false});
  put_first(stitched("time", network, Goal::Time));
  return candidates;
}

// --- the order of a file -------------------------------------------------------------------------

// An order that the user wrote: names of nodes, completed to an order of all nodes.

namespace {

// Completes the order of the named nodes, checking it on the way.
class Completion {
 public:
  Completion(const Graph& graph, const OrderFile& file)
      : graph_(graph),
        file_(file),
        readers_(consumers(graph)),
        writer_(producers(graph)),
        line_(graph.nodes.size(), 0),
        done_(graph.nodes.size(), false) {}

  std::vector<std::size_t> run() {
    const std::vector<std::size_t> named = nodes_named();
    for (const std::size_t n : named) emit_with_operands(n, n);
    for (const std::size_t n : natural_order(graph_)) emit_with_operands(n, n);
    return std::move(order_);
  }

 private:
  // Also notes in which line each is.
  std::vector<std::size_t> nodes_named() {
    std::map<std::string, std::size_t> by_name;
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      by_name[graph_.nodes[n].name] = n;
      for (const std::string& name : graph_.nodes[n].merged) by_name.emplace(name, n);
    }
    std::vector<std::size_t> nodes;
    for (const OrderFile::Entry& entry : file_.entries) {
      const auto found = by_name.find(entry.node);
      if (found == by_name.end()) {
        fail("{}:{}: expected the name of a node of '{}', found '{}'", file_.path, entry.line,
             graph_.name, entry.node);
      }
      if (line_[found->second] > 0) continue;  // a name that was merged into an earlier one
      line_[found->second] = entry.line;
      nodes.push_back(found->second);
    }
    return nodes;
  }

  bool ready(std::size_t n) const {
    for (const ValueId id : graph_.nodes[n].inputs) {
      const std::ptrdiff_t from = id == kNoValue ? -1 : writer_[static_cast<std::size_t>(id)];
      if (from >= 0 && !done_[static_cast<std::size_t>(from)]) return false;
    }
    return true;
  }

  // Pools, joins and host steps are issued as soon as possible.
  bool eager(std::size_t n) const {
    const Node& node = graph_.nodes[n];
    return !on_accelerator(graph_, node) || std::holds_alternative<Concat>(node.op) ||
           std::holds_alternative<MaxPool>(node.op) || std::holds_alternative<AveragePool>(node.op);
  }

  // `named`: the node for whose sake, itself or a reader.
  void emit_with_operands(std::size_t n, std::size_t named) {
    if (done_[n]) return;
    if (n != named && line_[n] > 0) {
      fail("{}:{}: '{}' is scheduled before its operand '{}' (line {})", file_.path, line_[named],
           graph_.nodes[named].name, graph_.nodes[n].name, line_[n]);
    }
    for (const ValueId id : graph_.nodes[n].inputs) {
      const std::ptrdiff_t from = id == kNoValue ? -1 : writer_[static_cast<std::size_t>(id)];
      if (from >= 0) emit_with_operands(static_cast<std::size_t>(from), named);
    }
    emit(n);
  }

  void emit(std::size_t n) {
    done_[n] = true;
    order_.push_back(n);
    for (const ValueId id : graph_.nodes[n].outputs) {
      if (id == kNoValue) continue;
      for (const std::size_t reader : readers_[static_cast<std::size_t>(id)]) {
        if (!done_[reader] && line_[reader] == 0 && eager(reader) && ready(reader)) emit(reader);
      }
    }
  }

  const Graph& graph_;
  const OrderFile& file_;
  std::vector<std::vector<std::size_t>> readers_;
  std::vector<std::ptrdiff_t> writer_;
  std::vector<int> line_;  // of the file; 0: not named
  std::vector<bool> done_;
  std::vector<std::size_t> order_;
};

}  // namespace

OrderFile parse_order_file(const std::string& text, const std::string& path) {
  OrderFile file{.path = path, .entries = {}};
  std::map<std::string, int> known;
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    constexpr std::string_view kBlanks = " \t\r";
    line = line.substr(0, line.find('#'));
    const std::size_t begin = line.find_first_not_of(kBlanks);
    if (begin == std::string::npos) continue;
    const std::string name = line.substr(begin, line.find_last_not_of(kBlanks) + 1 - begin);
    const auto [first, added] = known.emplace(name, number);
    if (!added) {
      fail("{}:{}: '{}' is scheduled a second time, first in line {}", path, number, name,
           first->second);
    }
    file.entries.push_back({name, number});
  }
  return file;
}

std::vector<std::size_t> order_nodes(const Graph& quantized, const OrderFile& file) {
  return Completion(quantized, file).run();
}

}  // namespace workbench::xdnn
