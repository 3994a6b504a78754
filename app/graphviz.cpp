#include "app/graphviz.h"

#include "app/program.h"
#include "core/error.h"
#include "core/file.h"

namespace workbench::app {

namespace fs = std::filesystem;

namespace {

constexpr const char* kProgram = "dot";

}  // namespace

void require_drawable(const fs::path& path) {
  if (path.empty() || path.extension() == ".dot") return;
  if (path.extension() != ".svg") {
    fail("--graph: expected FILE.dot or FILE.svg, found '{}'", path.string());
  }
  if (is_installed(kProgram)) return;
  fail(
      "--graph {}: SVG is drawn by Graphviz's `dot`, which is not installed (Debian: apt install "
      "graphviz); FILE.dot needs nothing",
      path.string());
}

void write_drawing(const fs::path& path, const std::string& dot) {
  if (path.extension() == ".dot") {
    write_file(path, dot);
    return;
  }
  const TemporaryFolder folder;
  const fs::path in = folder.file("graph.dot"), out = folder.file("graph.svg");
  write_file(in, dot);
  const int status =
      run_program({kProgram, "-Tsvg", in.string(), "-o", out.string()}, folder.file("log"));
  if (status != 0) {
    const std::string log = read_file(folder.file("log"));
    fail("{}: `dot` failed: {}", path.string(), log.substr(0, log.find('\n')));
  }
  write_file(path, read_file(out));
}

}  // namespace workbench::app
