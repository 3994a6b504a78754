#include "compiler/import/node_order.h"

#include <map>

#include "compiler/import/text.h"
#include "core/error.h"

namespace workbench::importer {

namespace {

std::map<std::string, int> writers(const onnx::GraphProto& graph,
                                   const std::set<std::string>& known) {
  std::map<std::string, int> writer;
  for (int n = 0; n < graph.node_size(); ++n) {
    const onnx::NodeProto& node = graph.node(n);
    for (const std::string& output : node.output()) {
      if (output.empty()) continue;
      if (known.contains(output) || !writer.emplace(output, n).second) {
        fail("{}: expected an output name of its own, found '{}', which is already taken",
             describe(node), output);
      }
    }
  }
  return writer;
}

// What is left when no node can be read any more: follow operands until a node comes again.
[[noreturn]] void fail_at_cycle(const onnx::GraphProto& graph,
                                const std::map<std::string, int>& writer,
                                const std::vector<int>& missing) {
  int at = 0;
  while (missing[static_cast<std::size_t>(at)] == 0) ++at;
  std::set<int> seen;
  while (seen.insert(at).second) {
    for (const std::string& input : graph.node(at).input()) {
      const auto found = writer.find(input);
      if (found != writer.end() && missing[static_cast<std::size_t>(found->second)] > 0) {
        at = found->second;
        break;
      }
    }
  }
  fail("{}: expected a graph without cycles, found one through this node",
       describe(graph.node(at)));
}

}  // namespace

std::string describe(const onnx::NodeProto& node) {
  return fmt::format("node '{}' ({})", node.name(), node.op_type());
}

void name_nodes(onnx::GraphProto& graph, std::set<std::string>& taken) {
  for (const bool named : {true, false}) {  // the names in the file come first
    for (onnx::NodeProto& node : *graph.mutable_node()) {
      if (named == node.name().empty()) continue;
      const std::string output = node.output_size() > 0 ? node.output(0) : "";
      const std::string wanted = named ? node.name() : fmt::format("{}_{}", node.op_type(), output);
      node.set_name(unique_name(taken, wanted));
    }
  }
}

std::vector<int> node_order(const onnx::GraphProto& graph, const std::set<std::string>& known) {
  const std::map<std::string, int> writer = writers(graph, known);
  const auto count = static_cast<std::size_t>(graph.node_size());
  std::vector<int> missing(count, 0);  // operands not yet written
  std::vector<std::vector<int>> readers(count);
  std::set<int> ready;
  for (int n = 0; n < graph.node_size(); ++n) {
    const auto index = static_cast<std::size_t>(n);
    for (const std::string& input : graph.node(n).input()) {
      if (input.empty() || known.contains(input)) continue;
      const auto found = writer.find(input);
      if (found == writer.end()) {
        fail(
            "{}: expected an input that something writes, found '{}', which no node, graph input "
            "or initializer provides",
            describe(graph.node(n)), input);
      }
      ++missing[index];
      readers[static_cast<std::size_t>(found->second)].push_back(n);
    }
    if (missing[index] == 0) ready.insert(n);
  }
  std::vector<int> order;
  while (!ready.empty()) {
    const int n = ready.extract(ready.begin()).value();
    order.push_back(n);
    for (const int reader : readers[static_cast<std::size_t>(n)]) {
      if (--missing[static_cast<std::size_t>(reader)] == 0) ready.insert(reader);
    }
  }
  if (order.size() != count) fail_at_cycle(graph, writer, missing);
  return order;
}

}  // namespace workbench::importer
