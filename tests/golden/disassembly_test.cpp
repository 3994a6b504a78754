// Programs as text against files beside this one. WORKBENCH_REBASE=1 writes them anew.
#include <gtest/gtest.h>

#include <cstdlib>

#include "core/file.h"
#include "isa/xdnn/program.h"
#include "tests/support/xdnn_program.h"
#include "workloads/workloads.h"

namespace workbench {
namespace {

void expect_golden(const Graph& graph) {
  const std::string path = "tests/golden/disassembly_" + graph.name + ".txt";
  const std::string text = xdnn::disassemble(compiled_for(graph, {.name = "v3_96"}));
  if (std::getenv("WORKBENCH_REBASE") != nullptr) write_file(path, text);
  EXPECT_EQ(text, read_file(path)) << "WORKBENCH_REBASE=1 rewrites the file; review the difference";
}

TEST(Disassembly, tiny_inception_reads_as_written_down) {
  expect_golden(build_workload("tiny_inception"));
}

TEST(Disassembly, every_instruction_reads_as_written_down) { expect_golden(every_instruction()); }

}  // namespace
}  // namespace workbench
