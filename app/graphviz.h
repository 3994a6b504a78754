// Graphviz's `dot`, the program that lays out drawings. It is a program of its own, not a library
// we link: only --graph FILE.svg needs it.
#pragma once

#include <filesystem>
#include <string>

namespace workbench::app {

// Throws Error unless `path` is empty, a .dot file, or a .svg file and there is a `dot` to make it.
void require_drawable(const std::filesystem::path& path);

// Writes the drawing: .dot as it is, .svg as `dot` lays it out. Throws Error when `dot` fails.
void write_drawing(const std::filesystem::path& path, const std::string& dot);

}  // namespace workbench::app
