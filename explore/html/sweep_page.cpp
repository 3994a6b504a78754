#include "explore/html/sweep_page.h"

#include "explore/html/embedded.h"
#include "explore/html/page.h"

namespace workbench {

std::string sweep_html(const SweepReport& report) {
  std::string script;
  for (const char* file : {"sweep_charts.js", "sweep_points.js", "sweep.js"}) {
    script += embedded_file(file);
  }
  return html_page({.title = report.name, .json = sweep_json(report), .script = script});
}

}  // namespace workbench
