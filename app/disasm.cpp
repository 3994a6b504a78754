// workbench disasm: a saved program as text.
#include "app/commands.h"
#include "app/terminal.h"
#include "isa/xdnn/program.h"

namespace workbench::app {

int disasm(const std::filesystem::path& program) {
  print(xdnn::disassemble(xdnn::load(program)));
  return 0;
}

}  // namespace workbench::app
