// workbench passes: the table behind --with and --without.
#include "app/commands.h"
#include "app/terminal.h"
#include "explore/flow/pipeline.h"
#include "explore/table.h"

namespace workbench::app {

int passes() {
  Table table{.columns = {{"pass", false}, {"default", false}, {"what it does", false, 100}}};
  for (const PassDescription& pass : known_passes()) {
    table.rows.push_back({std::string(pass.name), pass.on ? "on" : "off", std::string(pass.does)});
  }
  for (const std::string& line : lines(table)) print(line + "\n");
  return 0;
}

}  // namespace workbench::app
