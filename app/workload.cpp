// What there is: workbench workload: the zoo as a list, or one of its networks as an ONNX file;
// ops: operators that can be imported, and which unit of each family runs them; passes: the table
// behind
// --with and --without.
#include <string>
#include <string_view>
#include <vector>

#include "app/commands.h"
#include "app/terminal.h"
#include "compiler/import/export.h"
#include "compiler/import/import.h"
#include "compiler/pulp/op_units.h"
#include "compiler/xdnn/support.h"
#include "explore/flow/inputs.h"
#include "explore/flow/machine.h"
#include "explore/flow/pipeline.h"
#include "explore/report/text.h"

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
  ModelSource model = options.model;
  if (model.name.empty()) fail("workload: expected --list or the name of a network");
  if (options.output.empty()) fail("workload {}: expected -o FILE.onnx", model.name);
  require_writable_file(options.output);
  model.name = "zoo:" + model.name;
  const Graph graph = load_model(model);
  export_onnx(graph, options.output);
  print(fmt::format("{}: {} MACs, {} parameters\n", options.output.string(),
                    thousands(total_macs(graph)), thousands(parameters(graph))));
  return 0;
}

namespace {

// One shipped machine of each family; of PULP's clusters, all of which run the same kernels, one.
struct FamilyColumn {
  const char* title;
  const char* machine;
};
constexpr FamilyColumn kFamilies[] = {
    {"V2", "v2_28"}, {"V3", "v3_96"}, {"Darius", "darius_64"}, {"MathEngine", "math_engine"}};

// Operators on codes run where the operator on real numbers does, which the importer makes of them.
std::string_view on_reals(std::string_view name) {
  constexpr std::string_view kPrefix = "QLinear";
  if (name.starts_with(kPrefix)) return name.substr(kPrefix.size());
  return name == "QGemm" ? "Gemm" : name;
}

}  // namespace

int ops() {
  std::vector<xdnn::Machine> machines;
  Table table{.columns = {{"ONNX operator", false}}};
  for (const FamilyColumn& family : kFamilies) {
    machines.push_back(xdnn::load_machine(find_machine_file(family.machine)));
    table.columns.push_back({family.title, false});
  }
  const pulp::Machine cluster = pulp::load_machine(find_machine_file("gap8"));
  table.columns.push_back({"PULP", false});
  table.columns.push_back({"notes", false, 100});
  for (const SupportedOp& op : importable_ops()) {
    std::vector<std::string> row = {op.name};
    for (const xdnn::Machine& machine : machines) {
      row.push_back(op.disappears ? "folded" : xdnn::where_it_runs(on_reals(op.name), machine));
    }
    row.push_back(op.disappears ? "folded" : pulp::where_it_runs(on_reals(op.name), cluster));
    row.push_back(op.note);
    table.rows.push_back(std::move(row));
  }
  for (const std::string& line : lines(table)) print(line + "\n");
  return 0;
}

int passes() {
  Table table{.columns = {{"pass", false}, {"default", false}, {"what it does", false, 100}}};
  for (const PassDescription& pass : known_passes()) {
    table.rows.push_back({std::string(pass.name), pass.on ? "on" : "off", std::string(pass.does)});
  }
  for (const std::string& line : lines(table)) print(line + "\n");
  return 0;
}

}  // namespace workbench::app
