// From the innermost loops outwards, so that what is around them compares loops, not their
// iterations.
#include "compiler/pulp/tile_loops.h"

#include <algorithm>
#include <concepts>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "isa/pulp/loops.h"

namespace workbench::pulp {

namespace {

constexpr std::int64_t kNumberMax = std::int64_t{1} << 40;  // as in files
constexpr std::size_t kBuffers = 2;                         // that take turns, at most

// Instructions and loops in a row. What may grow from one iteration to the next is in `numbers`;
// all else is in the shape, which is equal for all iterations of a loop.
struct Piece {
  int shape = 0;
  std::vector<std::int64_t> numbers;  // of all instructions, in the first iterations of loops
  std::vector<LoopRange> loops;       // outer ones before those in them
  std::size_t depth = 0;
  std::int64_t length = 0;              // instructions, unrolled
  std::int64_t lines = 0, figures = 0;  // of text; figures that are not 0
};

// From an iteration on, so many bodies of `period` iterations that grow by constant steps.
struct Run {
  std::size_t period = 1, bodies = 1;
  std::size_t covered() const { return bodies * period; }
  // Two bodies prove no steady growth.
  bool better_than(const Run& other) const {
    return std::pair(bodies > 2, covered()) > std::pair(other.bodies > 2, other.covered());
  }
};

// The text with a mark for each of its numbers.
std::string shape_of_text(const Program& program, std::size_t instruction) {
  const std::string& text = program.info.instruction_text[instruction];
  std::string shape;
  std::size_t done = 0;
  for (const TextNumber& number : text_numbers(program, instruction)) {
    shape += text.substr(done, number.begin - done) + '{';
    done = number.end;
  }
  return shape + text.substr(done);
}

// All of an instruction that cannot grow.
std::string shape_of(const Program& program, std::size_t i) {
  const Instruction& instruction = program.instructions[i];
  std::string shape =
      std::string(opcode(instruction)) + ' ' + std::to_string(program.info.instruction_layer[i]);
  std::visit(
      [&](const auto& op) {
        for_each_field(op, [&](std::string_view, const auto& member) {
          if constexpr (!std::same_as<decltype(member), const std::int64_t&>) {
            shape += ' ' + std::to_string(static_cast<std::int64_t>(member));
          }
        });
      },
      instruction);
  return shape + ' ' + shape_of_text(program, i);
}

bool same_shape(const Piece& a, const Piece& b) {
  return a.shape == b.shape && a.depth < kLoopVariables.size();
}

bool same_steps(const Piece& a, const Piece& b, const Piece& c) {
  for (std::size_t n = 0; n < a.numbers.size(); ++n) {
    if (c.numbers[n] - b.numbers[n] != b.numbers[n] - a.numbers[n]) return false;
  }
  return true;
}

std::int64_t changes(const Piece& a, const Piece& b) {
  std::int64_t count = 0;
  for (std::size_t n = 0; n < a.numbers.size(); ++n) count += a.numbers[n] != b.numbers[n];
  return count;
}

// Fewer lines, fewer figures. Any two figures are an even step apart: two bodies are a loop only
// where less than two figures per line differ.
bool worthwhile(std::span<const Piece> iterations, const Run& run) {
  if (run.bodies < 2) return false;
  std::int64_t lines = 0, figures = 0, steps = 0;
  for (std::size_t k = 0; k < run.period; ++k) {
    lines += iterations[k].lines;
    figures += iterations[k].figures;
    steps += changes(iterations[k], iterations[k + run.period]);
  }
  if (run.bodies == 2 && steps >= 2 * lines) return false;
  const auto saved = static_cast<std::int64_t>(run.bodies - 1);
  return lines * saved > 2 && (lines + figures) * saved > 2 + steps;
}

// The best run from each iteration on; of one body where none is worthwhile.
std::vector<Run> runs_of(std::span<const Piece> iterations) {
  const std::size_t count = iterations.size();
  std::vector<Run> best(count);
  for (std::size_t period = 1; period <= kBuffers; ++period) {
    // So many from here on have their like one period later ...
    std::vector<std::size_t> alike(count + 1);
    std::vector<std::size_t> steady(count + 1);  // ... and another after that by the same steps
    for (std::size_t i = count; i-- > 0;) {
      const std::size_t next = i + period, last = next + period;
      if (next >= count || !same_shape(iterations[i], iterations[next])) continue;
      alike[i] = alike[i + 1] + 1;
      const bool goes_on = last < count && same_shape(iterations[next], iterations[last]) &&
                           same_steps(iterations[i], iterations[next], iterations[last]);
      if (goes_on) steady[i] = steady[i + 1] + 1;
      const Run run{period, std::min(alike[i], period + steady[i]) / period + 1};
      if (run.better_than(best[i]) && worthwhile(iterations.subspan(i), run)) {
        best[i] = run;
      }
    }
  }
  return best;
}

class Folding {
 public:
  explicit Folding(const LoopedProgram& looped) : program_(looped.program), noted_(looped.loops) {
    CHECK(program_.info.instruction_layer.size() == program_.instructions.size() &&
              program_.info.instruction_text.size() == program_.instructions.size(),
          "{} instructions", program_.instructions.size());
    std::erase_if(noted_, [](const TileLoop& loop) { return loop.at.front() == loop.at.back(); });
  }

  std::vector<LoopRange> run() {
    return range(0, static_cast<std::int32_t>(program_.instructions.size())).loops;
  }

 private:
  // Instructions [begin, end) and the loops in them.
  Piece range(std::int32_t begin, std::int32_t end) {
    std::vector<Piece> pieces;
    for (std::int32_t i = begin; i < end;) {
      if (next_ < noted_.size() && noted_[next_].at.front() == i) {
        const TileLoop& noted = noted_[next_++];
        pieces.push_back(iterations(noted));
        i = noted.at.back();
      } else {
        pieces.push_back(single(static_cast<std::size_t>(i++)));
      }
    }
    return joined(std::move(pieces));
  }

  Piece iterations(const TileLoop& noted) {
    const std::vector<std::int32_t>& at = noted.at;
    std::vector<Piece> all, pieces;
    for (std::size_t k = 0; k + 1 < at.size(); ++k) all.push_back(range(at[k], at[k + 1]));
    const std::vector<Run> runs = runs_of(all);
    for (std::size_t k = 0; k < all.size();) {
      // Two runs by different steps may share an iteration.
      const bool next_is_better = k + 1 < all.size() && runs[k + 1].better_than(runs[k]);
      if (runs[k].bodies > 1 && !next_is_better) {
        pieces.push_back(loop(std::span(all).subspan(k), runs[k], {at[k], 0, 0, noted.over}));
        k += runs[k].covered();
      } else {
        pieces.push_back(std::move(all[k++]));
      }
    }
    return joined(std::move(pieces));
  }

  Piece single(std::size_t i) {
    Piece piece;
    piece.numbers = numbers_of(program_, i);
    piece.length = piece.lines = 1;
    piece.figures = std::ssize(piece.numbers) -
                    std::count(piece.numbers.begin(), piece.numbers.end(), std::int64_t{0});
    // No second is like a text with braces of its own, or numbers beyond all sense.
    const bool only = program_.info.instruction_text[i].find_first_of("{}") != std::string::npos ||
                      std::any_of(piece.numbers.begin(), piece.numbers.end(),
                                  [](std::int64_t n) { return n < -kNumberMax || n > kNumberMax; });
    piece.shape = number_of(only ? '{' + std::to_string(i) : shape_of(program_, i));
    return piece;
  }

  Piece joined(std::vector<Piece> pieces) {
    if (pieces.size() == 1) return std::move(pieces.front());
    Piece all;
    std::string shape = "row";
    for (const Piece& piece : pieces) {
      all.numbers.insert(all.numbers.end(), piece.numbers.begin(), piece.numbers.end());
      all.loops.insert(all.loops.end(), piece.loops.begin(), piece.loops.end());
      all.depth = std::max(all.depth, piece.depth);
      all.length += piece.length, all.lines += piece.lines, all.figures += piece.figures;
      shape += ' ' + std::to_string(piece.shape);
    }
    all.shape = number_of(shape);
    return all;
  }

  // `range` has the first instruction and what the loop is over.
  Piece loop(std::span<Piece> iterations, const Run& run, LoopRange range) {
    std::string shape = "loop " + std::to_string(run.bodies);
    std::int64_t figures = 0;
    for (std::size_t k = 0; k < run.period; ++k) {
      const Piece &one = iterations[k], &later = iterations[k + run.period];
      for (std::size_t n = 0; n < one.numbers.size(); ++n) {
        shape += ' ' + std::to_string(later.numbers[n] - one.numbers[n]);
      }
      figures += changes(one, later);
    }
    const auto body = iterations.first(run.period);
    Piece piece =
        joined({std::make_move_iterator(body.begin()), std::make_move_iterator(body.end())});
    range.length = piece.length;
    range.count = static_cast<std::int64_t>(run.bodies);
    piece.loops.insert(piece.loops.begin(), range);
    piece.length *= static_cast<std::int64_t>(run.bodies);
    piece.depth += 1, piece.lines += 2, piece.figures += figures;
    piece.shape = number_of(shape + " of " + std::to_string(piece.shape));
    return piece;
  }

  int number_of(const std::string& shape) {
    return shapes_.emplace(shape, static_cast<int>(shapes_.size())).first->second;
  }

  const Program& program_;
  std::vector<TileLoop> noted_;
  std::size_t next_ = 0;  // of noted_
  std::map<std::string, int> shapes_;
};

}  // namespace

Program in_tile_loops(LoopedProgram looped) {
  looped.program.loops = Folding(looped).run();
  return std::move(looped.program);
}

}  // namespace workbench::pulp
