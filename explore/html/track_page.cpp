#include "explore/html/track_page.h"

#include "explore/html/embedded.h"
#include "explore/html/page.h"

namespace workbench {

std::string track_html(const std::string& json) {
  return html_page(
      {.title = "History of figures", .json = json, .script = embedded_file("track.js")});
}

}  // namespace workbench
