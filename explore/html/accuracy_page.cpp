#include "explore/html/accuracy_page.h"

#include "explore/flow/accuracy_report.h"
#include "explore/html/embedded.h"
#include "explore/html/page.h"

namespace workbench {

std::string accuracy_html(const AccuracyReport& report) {
  return html_page({.title = "Accuracy of " + report.network,
                    .json = accuracy_json(report),
                    .script = embedded_file("accuracy.js")});
}

}  // namespace workbench
