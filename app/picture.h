// --png: a chart of a report page as a picture, taken by a browser without a window. The browser is
// a program of its own, not a library we link: only --png needs it.
#pragma once

#include <filesystem>
#include <string>

namespace workbench::app {

// Throws Error unless `path` is empty, or a .png file and there is a browser to make it.
void require_picture(const std::filesystem::path& path);

// Writes the section `chart` of a report page (explore/html/page.h), in light colours, twice 1280 x
// 800 pixels. Throws Error when the browser fails.
void write_picture(const std::filesystem::path& path, const std::string& html,
                   const std::string& chart);

}  // namespace workbench::app
