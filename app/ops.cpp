// workbench ops: the importer's own table.
#include "app/commands.h"
#include "app/terminal.h"
#include "compiler/import/import.h"
#include "explore/table.h"

namespace workbench::app {

int ops() {
  Table table{.columns = {{"ONNX operator", false}, {"notes", false, 100}}};
  for (const SupportedOp& op : importable_ops()) table.rows.push_back({op.name, op.note});
  for (const std::string& line : lines(table)) print(line + "\n");
  return 0;
}

}  // namespace workbench::app
