// Report pages: one self-contained HTML file that asks the network for nothing, follows the
// reader's light or dark and prints well. A page is its data as JSON and a script that shows them
// with what page.js offers (elements, tables, charts by Vega, a dialog for details).
#pragma once

#include <string>
#include <string_view>

namespace workbench {

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

}  // namespace workbench
