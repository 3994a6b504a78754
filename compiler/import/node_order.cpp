#include "compiler/import/node_order.h"

#include <queue>
#include <set>
#include <unordered_map>

#include "core/error.h"

namespace workbench::importer {

namespace {

using Writers = std::unordered_map<std::string, int>;

Writers writers(const Nodes& nodes, const IsName& is_taken) {
  Writers writer;
  for (int n = 0; n < nodes.size(); ++n) {
    for (const std::string& output : nodes[n].output()) {
      if (output.empty()) continue;
      if (is_taken(output) || !writer.emplace(output, n).second) {
        fail("{}: expected an output name of its own, found '{}', which is already taken",
             describe(nodes[n]), output);
      }
    }
  }
  return writer;
}

class Sorter {
 public:
  Sorter(const Nodes& nodes, const IsName& is_taken, const IsName& is_known)
      : nodes_(nodes),
        is_known_(is_known),
        writer_(writers(nodes, is_taken)),
        operands_(static_cast<std::size_t>(nodes.size())),
        live_(operands_.size(), false) {}

  Reading run(const std::vector<std::string>& wanted) {
    for (const std::string& name : wanted) {
      reading_.names.insert(name);
      if (const auto found = writer_.find(name); found != writer_.end()) enliven(found->second);
    }
    sort();
    return std::move(reading_);
  }

 private:
  static std::size_t at(int n) { return static_cast<std::size_t>(n); }

  // Marks node `n` and all it depends on, and lists the writers of their operands.
  void enliven(int n) {
    std::vector<int> open;
    const auto mark = [&](int node) {
      if (live_[at(node)]) return;
      live_[at(node)] = true;
      open.push_back(node);
    };
    mark(n);
    while (!open.empty()) {
      const int node = open.back();
      open.pop_back();
      for_each_operand(nodes_[node], [&](const std::string& name) {
        reading_.names.insert(name);
        const auto found = writer_.find(name);
        if (found != writer_.end()) {
          operands_[at(node)].push_back(found->second);
          mark(found->second);
        } else if (!is_known_(name)) {
          fail(
              "{}: expected an input that something writes, found '{}', which no node, graph input "
              "or initializer provides",
              describe(nodes_[node]), name);
        }
      });
    }
  }

  void sort() {
    std::vector<std::size_t> missing(live_.size(), 0);  // operands not yet written
    std::vector<std::vector<int>> readers(live_.size());
    std::priority_queue<int, std::vector<int>, std::greater<>> ready;
    std::size_t count = 0;
    for (int n = 0; n < nodes_.size(); ++n) {
      if (!live_[at(n)]) continue;
      ++count;
      missing[at(n)] = operands_[at(n)].size();
      for (const int operand : operands_[at(n)]) readers[at(operand)].push_back(n);
      if (missing[at(n)] == 0) ready.push(n);
    }
    while (!ready.empty()) {
      const int n = ready.top();
      ready.pop();
      reading_.order.push_back(n);
      for (const int reader : readers[at(n)]) {
        if (--missing[at(reader)] == 0) ready.push(reader);
      }
    }
    if (reading_.order.size() != count) fail_at_cycle(missing);
  }

  // Names a cycle among the remaining nodes: follows operands until a node repeats.
  [[noreturn]] void fail_at_cycle(const std::vector<std::size_t>& missing) const {
    int node = 0;
    while (missing[at(node)] == 0) ++node;
    std::set<int> seen;
    while (seen.insert(node).second) {
      for (const int operand : operands_[at(node)]) {
        if (missing[at(operand)] > 0) {
          node = operand;
          break;
        }
      }
    }
    fail("{}: expected a graph without cycles, found one through this node",
         describe(nodes_[node]));
  }

  const Nodes& nodes_;
  const IsName& is_known_;
  Writers writer_;
  std::vector<std::vector<int>> operands_;  // node -> the nodes that write what it reads
  std::vector<bool> live_;
  Reading reading_;
};

void visit_free_names(const onnx::GraphProto& graph, const IsName& is_inner,
                      const std::function<void(const std::string&)>& visit);

void visit_operands(const onnx::NodeProto& node, const IsName& is_inner,
                    const std::function<void(const std::string&)>& visit) {
  for (const std::string& name : node.input()) {
    if (!name.empty() && !is_inner(name)) visit(name);
  }
  for (const onnx::AttributeProto& attribute : node.attribute()) {
    if (attribute.has_g()) visit_free_names(attribute.g(), is_inner, visit);
    for (const onnx::GraphProto& graph : attribute.graphs()) {
      visit_free_names(graph, is_inner, visit);
    }
  }
}

void visit_free_names(const onnx::GraphProto& graph, const IsName& is_inner,
                      const std::function<void(const std::string&)>& visit) {
  std::unordered_set<std::string> own;
  for (const auto& input : graph.input()) own.insert(input.name());
  for (const auto& tensor : graph.initializer()) own.insert(tensor.name());
  for (const auto& tensor : graph.sparse_initializer()) own.insert(tensor.values().name());
  for (const onnx::NodeProto& node : graph.node()) {
    own.insert(node.output().begin(), node.output().end());
  }
  const IsName is_own = [&](const std::string& name) {
    return own.contains(name) || is_inner(name);
  };
  for (const onnx::NodeProto& node : graph.node()) visit_operands(node, is_own, visit);
  for (const auto& output : graph.output()) {
    if (!is_own(output.name())) visit(output.name());
  }
}

}  // namespace

std::string title(const onnx::NodeProto& node) {
  if (!node.name().empty()) return text_name(node.name());
  const std::string output = node.output_size() > 0 ? node.output(0) : "";
  return text_name(fmt::format("{}_{}", node.op_type(), output));
}

std::string describe(const onnx::NodeProto& node) {
  return fmt::format("node '{}' ({})", node.name(), node.op_type());
}

void name_nodes(Nodes& nodes, Names& taken) {
  for (const bool named : {true, false}) {  // the names in the file come first
    for (onnx::NodeProto& node : nodes) {
      if (named == node.name().empty()) continue;
      node.set_name(taken.take(title(node)));
    }
  }
}

void for_each_operand(const onnx::NodeProto& node,
                      const std::function<void(const std::string&)>& visit) {
  visit_operands(
      node, [](const std::string&) { return false; }, visit);
}

Reading reading_of(const Nodes& nodes, const std::vector<std::string>& wanted,
                   const IsName& is_taken, const IsName& is_known) {
  return Sorter(nodes, is_taken, is_known).run(wanted);
}

}  // namespace workbench::importer
