// workbench ops: the importer's own table, and which unit of each family runs an operator.
#include <string>
#include <string_view>
#include <vector>

#include "app/commands.h"
#include "app/terminal.h"
#include "compiler/import/import.h"
#include "compiler/pulp/op_units.h"
#include "compiler/xdnn/op_units.h"
#include "explore/flow/machine.h"
#include "explore/table.h"

namespace workbench::app {

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
      row.push_back(xdnn::where_it_runs(on_reals(op.name), machine));
    }
    row.push_back(pulp::where_it_runs(on_reals(op.name), cluster));
    row.push_back(op.note);
    table.rows.push_back(std::move(row));
  }
  for (const std::string& line : lines(table)) print(line + "\n");
  return 0;
}

}  // namespace workbench::app
