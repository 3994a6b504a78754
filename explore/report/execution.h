// What is said of programs that ran on the detailed tier: `workbench execute`, and the cores'
// causes of `workbench run --tier detailed`.
#pragma once

#include <string>
#include <vector>

#include "explore/flow/source_lines.h"
#include "explore/report/report.h"
#include "sim/riscv/profile.h"

namespace workbench {

struct ExecutedProgram {
  std::string program, machine;
  int exit_code = 0;
  std::string console;
  riscv::Profile profile;
  std::optional<SourceLines> lines;  // none: nobody asked
};

struct ExecutionText {
  std::size_t functions = 20;  // and lines, at most so many; 0: all
  bool instructions = false;   // below each function those that it ran
};

// Functions by the cycles of their slowest core; lines by those of all cores that are awake.
std::string execution_text(const ExecutedProgram& execution, const ExecutionText& options);
std::string execution_json(const ExecutedProgram& execution);

// "core 0;main;add 1234" per line: what flame graphs are drawn of. Of a cluster that keeps its
// calls as a tree.
std::string folded_stacks(const riscv::Profile& profile);

// Per layer of a report: the cycles of all cores together, and what they were spent on.
std::string cores_text(const Report& report, const std::vector<riscv::Spent>& layers);

}  // namespace workbench
