// Files that are part of the program: the scripts and styles of report pages. CMakeLists.txt says
// which, and the assembler takes them in as they are.
#pragma once

#include <span>
#include <string_view>

namespace workbench {

struct EmbeddedFile {
  std::string_view name, contents;
};

// In the order they are to be loaded, named as `require` asks for them ("vega-util").
std::span<const EmbeddedFile> vega_modules();
std::string_view embedded_file(std::string_view name);  // "page.js"; it must be there

}  // namespace workbench
