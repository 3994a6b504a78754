// workbench validate: figures of real machines, and what the models say of them.
#include "app/commands.h"
#include "app/terminal.h"
#include "core/file.h"
#include "explore/flow/machine.h"
#include "explore/html/page.h"
#include "explore/validate/validation.h"

namespace workbench::app {

int validate(const ValidateOptions& options) {
  require_writable_file(options.json);
  require_writable_file(options.html);
  std::vector<RealFigure> figures = load_figures(
      options.figures.empty() ? find_config_file("validation/published.yaml") : options.figures);
  if (!options.machine.empty()) {
    std::erase_if(figures, [&](const RealFigure& one) { return one.machine != options.machine; });
    if (figures.empty()) fail("--hw {}: there is no figure of such a machine", options.machine);
  }
  ProgressBar progress;
  const Validation validation = workbench::validate(figures, options.networks, progress.callback());
  progress.clear();
  const std::string json = validation_json(validation);
  if (!options.json.empty()) write_file(options.json, json);
  if (!options.html.empty()) write_file(options.html, validation_html(json));
  print(to_text(validation));
  return 0;
}

}  // namespace workbench::app
