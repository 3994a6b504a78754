// workbench compare: runs of other machines, networks or options, side by side.
#include "app/commands.h"
#include "app/terminal.h"
#include "core/file.h"
#include "explore/html/page.h"
#include "explore/track/side_by_side.h"

namespace workbench::app {

int compare(const CompareOptions& options) {
  require_writable_file(options.json);
  require_writable_file(options.html);
  limit_threads(options.threads);
  ProgressBar progress;
  const auto runs = track::compared_runs(options.runs, options.golden, progress.callback());
  progress.clear();
  const std::string json = track::compared_json(runs);
  if (!options.json.empty()) write_file(options.json, json);
  if (!options.html.empty()) write_file(options.html, compare_html(json));
  print(track::compared_text(runs, options.layers));
  return 0;
}

}  // namespace workbench::app
