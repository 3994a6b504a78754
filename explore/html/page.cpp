#include "explore/html/page.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "core/error.h"
#include "explore/flow/accuracy_report.h"
#include "explore/sweep/sweep_report.h"

namespace workbench {

namespace {

// The browser itself refuses every request. Vega compiles its expressions: unsafe-eval.
constexpr std::string_view kHead = R"(<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline' 'unsafe-eval'; img-src data:">
<link rel="icon" href="data:,">
<title>{}</title>
<style>
{}</style>
</head>
<body>
<main><noscript>This page shows its tables and charts by JavaScript.</noscript></main>
<script type="application/json" id="data">{}</script>
)";

// What would end the element that holds it cannot be in a script: ours and Vega's have none.
void add_script(std::string_view script, std::string& html) {
  CHECK(script.find("</script") == std::string_view::npos &&
            script.find("<!--") == std::string_view::npos,
        "a script that HTML cannot hold");
  html += "<script>\n";
  html += script;
  html += "</script>\n";
}

// Browsers would look for the map beside the page.
std::string_view without_source_map(std::string_view module) {
  return module.substr(0, module.rfind("//# sourceMappingURL="));
}

std::string vega() {
  std::string script{embedded_file("vega_loader.js")};
  for (const EmbeddedFile& module : vega_modules()) {
    script += fmt::format("vegaModules[\"{}\"] = function (exports, require, module) {{\n{}\n}};\n",
                          module.name, without_source_map(module.contents));
  }
  return script;
}

}  // namespace

std::string escaped_for_html(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string json_for_script(std::string_view json) {
  const std::string compact = nlohmann::ordered_json::parse(json).dump();
  std::string escaped;
  escaped.reserve(compact.size());
  for (const char c : compact) {
    if (c == '<') {  // only within strings, where this is the same character
      escaped += "\\u003c";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

std::string html_page(const Page& page) {
  std::string html = fmt::format(kHead, escaped_for_html(page.title), embedded_file("page.css"),
                                 json_for_script(page.json));
  html += fmt::format("<!--\n{}-->\n", embedded_file("vega_notice.txt"));
  add_script(vega(), html);
  add_script(embedded_file("page.js"), html);
  add_script(page.script, html);
  html += "<footer>workbench. Charts by Vega, whose licence is in this file.</footer>\n";
  html += "</body>\n</html>\n";
  return html;
}

std::string accuracy_html(const AccuracyReport& report) {
  return html_page({.title = "Accuracy of " + report.network,
                    .json = accuracy_json(report),
                    .script = embedded_file("accuracy.js")});
}

std::string sweep_html(const SweepReport& report) {
  std::string script;
  for (const char* file : {"sweep_charts.js", "sweep_points.js", "sweep.js"}) {
    script += embedded_file(file);
  }
  return html_page({.title = report.name, .json = sweep_json(report), .script = script});
}

std::string compare_html(const std::string& json) {
  return html_page(
      {.title = "Runs side by side", .json = json, .script = embedded_file("compare.js")});
}

std::string validation_html(const std::string& json) {
  return html_page({.title = "Models against real machines",
                    .json = json,
                    .script = embedded_file("validation.js")});
}

std::string execution_html(const std::string& json) {
  return html_page(
      {.title = "Cycles of a program", .json = json, .script = embedded_file("execution.js")});
}

std::string retrain_html(const std::string& json) {
  return html_page({.title = "Retraining", .json = json, .script = embedded_file("retrain.js")});
}

std::string bits_html(const std::string& json) {
  return html_page({.title = "Widths of codes", .json = json, .script = embedded_file("bits.js")});
}

std::string track_html(const std::string& json) {
  return html_page(
      {.title = "History of figures", .json = json, .script = embedded_file("track.js")});
}

}  // namespace workbench
