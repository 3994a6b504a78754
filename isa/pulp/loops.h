// Programs with their loops (Program::loops) as files, assembly and C hold them: iterations that
// differ by constant steps, tiles above all, are written once. What runs, checks or counts a
// program has its instructions unrolled.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "isa/pulp/program.h"

namespace workbench::pulp {

inline constexpr std::string_view kLoopVariables = "ijkl";  // of the loops in each other, outermost
                                                            // first: there are no deeper ones
// What loops may grow to (a file from outside can ask for anything): 17 times MV1-128 by DORY's
// tiles, half a gigabyte.
inline constexpr std::int64_t kUnrolledMax = 1 << 19;

// The next `length` entries, loops in them with theirs, run `count` times.
struct Loop {
  std::int64_t count = 0, length = 0;
  LoopOver over = LoopOver::Nothing;
  friend bool operator==(const Loop&, const Loop&) = default;
};

// In iteration i of the outermost loop around it, j of the next ..., the field is what it is in the
// instruction + steps[0] * i + steps[1] * j ...; missing steps are 0.
struct Advance {
  std::string field;
  std::vector<std::int64_t> steps;
  friend bool operator==(const Advance&, const Advance&) = default;
};

// An instruction as in the first iteration, and how it goes on. In a loop, braces in the text hold
// formulas: "kernel conv1 tile {1+2*i}".
struct Line {
  Instruction instruction;
  std::int32_t layer = 0;  // as in ProgramInfo: the same in all iterations
  std::string text;
  std::vector<Advance> advances;
};

using Entry = std::variant<Loop, Line>;

// The program's instructions, or those of [begin, end), in its loops. Without loops where they say
// something else than the instructions do, or more than loops may grow to. Never more entries than
// instructions; unrolled they are what they were.
std::vector<Entry> in_loops(const Program& program);
std::vector<Entry> in_loops(const Program& program, std::size_t begin, std::size_t end);

// What may grow from one iteration of a loop to the next: the instruction's integers, field by
// field, then the numbers of its text.
std::vector<std::int64_t> numbers_of(const Program& program, std::size_t instruction);
std::span<const TextNumber> text_numbers(const Program& program, std::size_t instruction);

// Errors of loops from a file: a body past the end, no iteration, too deep, too much of
// it, a field that no step can be added to. None: they can be unrolled.
struct LoopFault {
  std::size_t entry = 0;
  std::string what;
};
std::optional<LoopFault> loop_fault(const std::vector<Entry>& entries);

// Behind entry `e`, a loop's body included.
std::size_t next_entry(const std::vector<Entry>& entries, std::size_t e);

// How many instructions the entries [begin, end) stand for.
std::int64_t unrolled_size(const std::vector<Entry>& entries, std::size_t begin, std::size_t end);

// Appends to program.instructions, to the layers and texts of its info, and to its loops.
void unroll(const std::vector<Entry>& entries, Program& program);

// A figure in loops, as text "START+STEP*i-STEP*j"; steps of 0 are left out.
struct Formula {
  std::int64_t start = 0;
  std::vector<std::int64_t> steps;
};
std::string to_string(const Formula& formula);
std::string steps_text(const std::vector<std::int64_t>& steps, bool hexadecimal);
// None: it is no such text. Numbers may be decimal or hexadecimal.
std::optional<Formula> formula_of(std::string_view text);

}  // namespace workbench::pulp
