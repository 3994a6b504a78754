#include "app/version.h"

#include <fmt/format.h>

#include "core/file.h"
#include "explore/flow/shipped_files.h"

namespace workbench::app {

namespace {

// A file beside the program, not a part of it: what a sweep has computed is kept for the program's
// bytes (core/file.h), which a commit that changes no code must leave alone.
std::string revision() {
  const auto file = shipped_file("workbench.revision");
  if (!file) return "unknown";
  std::string text = read_file(*file);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

}  // namespace

std::string version_text() {
  return fmt::format("workbench {}\nrevision  {}\ncompiler  g++ {}\nSystemC   {}\nONNX      {}",
                     WORKBENCH_VERSION, revision(), __VERSION__, WORKBENCH_SYSTEMC, WORKBENCH_ONNX);
}

}  // namespace workbench::app
