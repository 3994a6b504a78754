// workbench workload: the zoo as a list, or one of its networks as an ONNX file.
#include "app/commands.h"
#include "app/network.h"
#include "app/terminal.h"
#include "compiler/import/export.h"
#include "explore/flow/inputs.h"
#include "explore/table.h"

namespace workbench::app {

namespace {

std::int64_t total_macs(const Graph& graph) {
  std::int64_t total = 0;
  for (const Node& node : graph.nodes) total += macs(graph, node);
  return total;
}

std::string zoo_table() {
  Table table{
      .columns = {{"name", false}, {"input"}, {"MACs"}, {"parameters"}, {"what it is", false}}};
  for (const WorkloadInfo& info : workloads()) {
    const Graph graph = build_workload(info.name);
    table.rows.push_back({info.name, fmt::format("{}", fmt::join(info.input, "x")),
                          scaled(static_cast<double>(total_macs(graph))),
                          scaled(static_cast<double>(parameters(graph))), info.description});
  }
  std::string text;
  for (const std::string& line : lines(table)) text += line + "\n";
  return text;
}

}  // namespace

int workload(const WorkloadCommandOptions& options) {
  if (options.list) {
    print(zoo_table());
    return 0;
  }
  if (options.name.empty()) fail("workload: expected --list or the name of a network");
  if (options.output.empty()) fail("workload {}: expected -o FILE.onnx", options.name);
  require_writable_file(options.output);
  const Graph graph = load_model({.name = "zoo:" + options.name,
                                  .width = options.width,
                                  .resolution = options.resolution,
                                  .seed = options.seed});
  export_onnx(graph, options.output);
  print(fmt::format("{}: {} MACs, {} parameters\n", options.output.string(),
                    thousands(total_macs(graph)), thousands(parameters(graph))));
  return 0;
}

}  // namespace workbench::app
