#include "compiler/xdnn/task_groups.h"

#include <algorithm>
#include <set>

namespace workbench::xdnn {

namespace {

// Which task each node belongs to. Tasks are numbered in the order of their first nodes, so that
// operands have lower numbers than their readers.
class Grouper {
 public:
  Grouper(const Graph& graph, const Lowered& lowered, const std::vector<std::size_t>& order,
          Grouping grouping)
      : graph_(graph),
        order_(order),
        grouping_(grouping),
        readers_(consumers(graph)),
        writer_(producers(graph)),
        task_of_(graph.nodes.size(), kPrologue) {
    for (const LoweredOp& op : lowered.ops) {
      if (op.owner >= 0) executes_.insert(op.owner);
      if (op.fused_pool >= 0) fused_.insert(op.fused_pool);
    }
  }

  Groups run() {
    Groups groups;
    const std::vector<bool> leads_on = leads_to_accelerator();
    for (const std::size_t n : order_) {
      const Node& node = graph_.nodes[n];
      const int latest = latest_operand(node);
      int task = kPrologue;
      if (on_accelerator(graph_, node) ? goes_with_operand(n) : latest < 0 || !leads_on[n]) {
        task = latest;
      } else if (const int twin = merged_into(n); twin >= 0) {
        task = twin;
      } else {
        task = static_cast<int>(groups.nodes.size());
        groups.nodes.emplace_back();
      }
      task_of_[n] = task;
      (task < 0 ? groups.prologue : groups.nodes[static_cast<std::size_t>(task)]).push_back(n);
    }
    groups.task_of = std::move(task_of_);
    return groups;
  }

 private:
  std::vector<bool> leads_to_accelerator() const {
    std::vector<bool> leads(graph_.nodes.size(), false);
    for (std::size_t i = order_.size(); i-- > 0;) {
      const Node& node = graph_.nodes[order_[i]];
      for (const ValueId id : node.outputs) {
        if (id == kNoValue) continue;
        for (const std::size_t reader : readers_[static_cast<std::size_t>(id)]) {
          if (leads[reader] || on_accelerator(graph_, graph_.nodes[reader])) {
            leads[order_[i]] = true;
          }
        }
      }
    }
    return leads;
  }

  int latest_operand(const Node& node) const {
    int latest = kPrologue;
    for (const ValueId id : node.inputs) {
      const std::ptrdiff_t from = id == kNoValue ? -1 : writer_[static_cast<std::size_t>(id)];
      if (from >= 0) latest = std::max(latest, task_of_[static_cast<std::size_t>(from)]);
    }
    return latest;
  }

  bool goes_with_operand(std::size_t n) const {
    const auto id = static_cast<std::ptrdiff_t>(n);
    const bool join = std::holds_alternative<Concat>(graph_.nodes[n].op);
    return fused_.contains(id) || (!join && !executes_.contains(id));
  }

  // A reduce: 1x1, dense, and read by convolutions only.
  bool reduces(const Node& node) const {
    const auto* conv = std::get_if<workbench::Conv>(&node.op);
    if (conv == nullptr || conv->groups > 1) return false;
    const auto& kernel = conv->window.kernel;
    if (!std::all_of(kernel.begin(), kernel.end(), [](auto k) { return k == 1; })) return false;
    const auto& readers = readers_[static_cast<std::size_t>(node.outputs[0])];
    return !readers.empty() && std::all_of(readers.begin(), readers.end(), [&](std::size_t n) {
      return std::holds_alternative<workbench::Conv>(graph_.nodes[n].op);
    });
  }

  // The task of an earlier reduce that `n` can be one convolution with; -1: none.
  int merged_into(std::size_t n) {
    const Node& node = graph_.nodes[n];
    if (grouping_ != Grouping::MergedReduces || !reduces(node)) return -1;
    const Window& window = std::get<workbench::Conv>(node.op).window;
    for (const std::size_t other : readers_[static_cast<std::size_t>(node.inputs[0])]) {
      const Node& twin = graph_.nodes[other];
      if (other == n || task_of_[other] < 0 || !reduces(twin)) continue;
      if (std::get<workbench::Conv>(twin.op).window == window) return task_of_[other];
    }
    return -1;
  }

  const Graph& graph_;
  const std::vector<std::size_t>& order_;
  Grouping grouping_;
  std::vector<std::vector<std::size_t>> readers_;
  std::vector<std::ptrdiff_t> writer_;
  std::vector<int> task_of_;
  std::set<std::ptrdiff_t> executes_, fused_;
};

}  // namespace

Groups group_nodes(const Graph& graph, const Lowered& lowered,
                   const std::vector<std::size_t>& order, Grouping grouping) {
  return Grouper(graph, lowered, order, grouping).run();
}

}  // namespace workbench::xdnn
