// workbench inspect: what a model file is and where it would run; convert: any format as ONNX.
#include "app/commands.h"
#include "app/terminal.h"
#include "compiler/import/describe.h"
#include "core/file.h"
#include "explore/flow/inspect.h"
#include "explore/flow/machine.h"

namespace workbench::app {

int inspect(const InspectOptions& options) {
  CompileRequest request = options.request;
  request.keep_reference = false;
  if (!request.machine.empty()) {
    request.machine = find_machine_file(request.machine.string());
  } else if (request.target.empty()) {
    request.target = "none";
  }
  const Inspection inspection = workbench::inspect(request);
  warn(inspection.warnings);
  print(to_text(inspection));
  return inspection.obstacle.empty() ? 0 : 1;
}

int convert(const ConvertOptions& options) {
  require_writable_file(options.output);
  write_file(options.output, converted_onnx_bytes(options.model.name, options.model.import));
  return 0;
}

}  // namespace workbench::app
