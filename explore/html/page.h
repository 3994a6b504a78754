// Report pages: one self-contained HTML file that asks the network for nothing, follows the
// reader's light or dark and prints well. A page is its data as JSON and a script that shows them
// with what page.js offers (elements, tables, charts by Vega, a dialog for details). The pages that
// show their command's --json and nothing else are here; that of a run is in run_page.h.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace workbench {

struct AccuracyReport;
struct SweepReport;

struct Page {
  std::string title;        // plain text
  std::string json;         // what the script finds as page.data
  std::string_view script;  // JavaScript of ours: embedded_file(...)
};

std::string html_page(const Page& page);

// Text for use within an element or a quoted attribute.
std::string escaped_for_html(std::string_view text);
// The same JSON without white space, so written that no "<" is left in it: nothing in it can end
// the script element that holds it, or begin a comment.
std::string json_for_script(std::string_view json);

// Scripts and styles of the pages, part of the program: CMakeLists.txt lists them, the assembler
// includes them as they are.
struct EmbeddedFile {
  std::string_view name, contents;
};

// In the order they are to be loaded, named as `require` asks for them ("vega-util").
std::span<const EmbeddedFile> vega_modules();
std::string_view embedded_file(std::string_view name);  // "page.js"; it must be there

// The pages of `workbench accuracy`, `sweep` and `track report --html`: what their JSON has.
std::string accuracy_html(const AccuracyReport& report);

// Its main chart, for --png, is the section "front".
std::string sweep_html(const SweepReport& report);

// `json`: of track_json(). The main chart, for --png, is the section "history".
std::string track_html(const std::string& json);

// The page of `workbench compare --html`. `json`: of track::compared_json().
std::string compare_html(const std::string& json);

// The page of `workbench execute --html`. `json`: of execution_json().
std::string execution_html(const std::string& json);

// The page of `workbench search-bits --html`. `json`: of bit_search_json().
std::string bits_html(const std::string& json);

// The page of `workbench validate --html`. `json`: of validation_json().
std::string validation_html(const std::string& json);

// The page of `workbench retrain --html`. `json`: of its --json.
std::string retrain_html(const std::string& json);

}  // namespace workbench
