// Pictures made by other programs, run without a shell. --png: a chart of a report page, taken by a
// browser without a window. --graph FILE.svg: laid out by Graphviz's `dot`. Only these options need
// the programs.
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

// Throws Error unless `path` is empty, a .dot file, or a .svg file and there is a `dot` to make it.
void require_drawable(const std::filesystem::path& path);

// Writes the drawing: .dot as it is, .svg as `dot` lays it out. Throws Error when `dot` fails.
void write_drawing(const std::filesystem::path& path, const std::string& dot);

}  // namespace workbench::app
