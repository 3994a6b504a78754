#include "isa/pulp/loops.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <limits>

#include "core/error.h"

namespace workbench::pulp {

namespace {

constexpr std::int64_t kNumberMax = std::int64_t{1} << 40;  // as in files: products stay safe
constexpr std::int64_t kStepMax = 2 * kNumberMax;           // between two numbers
constexpr std::int64_t kTextMax = std::int64_t{1} << 27;    // bytes of all unrolled texts

// Takes a number of at most `most`, either way, off the front of the text.
std::optional<std::int64_t> take_number(std::string_view& text, std::int64_t most) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  const bool hexadecimal = text.starts_with("0x");
  if (hexadecimal) text.remove_prefix(2);
  std::uint64_t magnitude = 0;
  const auto [stop, error] =
      std::from_chars(text.data(), text.data() + text.size(), magnitude, hexadecimal ? 16 : 10);
  if (error != std::errc{} || magnitude > static_cast<std::uint64_t>(most)) {
    return std::nullopt;
  }
  text.remove_prefix(static_cast<std::size_t>(stop - text.data()));
  const auto value = static_cast<std::int64_t>(magnitude);
  return negative ? -value : value;
}

// Takes "+STEP*VARIABLE" off the front.
bool take_step(std::string_view& text, std::vector<std::int64_t>& steps) {
  const bool negative = text.starts_with('-');
  if (!negative && !text.starts_with('+')) return false;
  text.remove_prefix(1);
  if (text.starts_with('-')) return false;
  const std::optional<std::int64_t> step = take_number(text, kStepMax);
  if (!step || text.size() < 2 || text[0] != '*') return false;
  const std::size_t depth = kLoopVariables.find(text[1]);
  if (depth == std::string_view::npos) return false;
  text.remove_prefix(2);
  if (steps.size() <= depth) steps.resize(depth + 1);
  if (steps[depth] != 0) return false;
  steps[depth] = negative ? -*step : *step;
  return true;
}

// A text in a loop as what lies between its formulas, one piece more than there are formulas.
struct Pattern {
  std::vector<std::string_view> pieces;
  std::vector<Formula> formulas;
};

std::optional<Pattern> pattern_of(std::string_view text) {
  Pattern pattern;
  for (;;) {
    const std::size_t brace = text.find_first_of("{}");
    pattern.pieces.push_back(text.substr(0, brace));
    if (brace == std::string_view::npos) return pattern;
    const std::size_t end = text.find('}', brace);
    if (text[brace] == '}' || end == std::string_view::npos) return std::nullopt;
    std::optional<Formula> formula = formula_of(text.substr(brace + 1, end - brace - 1));
    if (!formula) return std::nullopt;
    pattern.formulas.push_back(std::move(*formula));
    text.remove_prefix(end + 1);
  }
}

// Calls visit(value) of the field if it is one that steps can be added to; whether it is.
bool visit_number(auto& instruction, std::string_view field, auto&& visit) {
  bool found = false;
  std::visit(
      [&](auto& op) {
        for_each_field(op, [&](std::string_view name, auto& member) {
          if constexpr (std::same_as<std::remove_cvref_t<decltype(member)>, std::int64_t>) {
            if (name != field) return;
            found = true;
            visit(member);
          }
        });
      },
      instruction);
  return found;
}

std::int64_t value_at(std::int64_t start, const std::vector<std::int64_t>& steps,
                      const std::vector<std::int64_t>& iterations) {
  for (std::size_t d = 0; d < steps.size(); ++d) start += steps[d] * iterations[d];
  return start;
}

class Check {
 public:
  explicit Check(const std::vector<Entry>& entries)
      : entries_(entries), most_(std::max(kUnrolledMax, std::ssize(entries))) {}

  std::optional<LoopFault> run() {
    range(0, entries_.size(), 1);
    return std::move(fault_);
  }

 private:
  void refuse(std::size_t entry, std::string what) {
    if (!fault_) fault_ = LoopFault{entry, std::move(what)};
  }

  void refuse(std::size_t entry, const Line& line, const std::string& what) {
    refuse(entry, fmt::format("{}: {}", opcode(line.instruction), what));
  }

  void range(std::size_t begin, std::size_t end, std::int64_t times) {
    for (std::size_t e = begin; e < end && !fault_; e = next_entry(entries_, e)) {
      const Loop* loop = std::get_if<Loop>(&entries_[e]);
      if (loop == nullptr) {
        line(e, std::get<Line>(entries_[e]), times);
      } else if (fits(e, *loop, end, times)) {
        last_.push_back(loop->count - 1);
        range(e + 1, next_entry(entries_, e), times * loop->count);
        last_.pop_back();
      }
    }
  }

  bool fits(std::size_t e, const Loop& loop, std::size_t end, std::int64_t times) {
    const auto room = static_cast<std::int64_t>(end - e - 1);
    if (loop.count < 1 || loop.count > kUnrolledMax / times) {
      refuse(e, fmt::format("loop: count must lie between 1 and {}, found {}", kUnrolledMax / times,
                            loop.count));
    } else if (loop.length < 1) {
      refuse(e, "loop: there is nothing in it");
    } else if (loop.length > room) {
      refuse(e, fmt::format("loop: {} entries are in it, {} follow", loop.length, room));
    } else if (last_.size() >= kLoopVariables.size()) {
      refuse(e, fmt::format("loop: more than {} in each other", kLoopVariables.size()));
    }
    return !fault_;
  }

  void line(std::size_t e, const Line& line, std::int64_t times) {
    instructions_ += times;
    if (instructions_ > most_) {
      return refuse(e, line, fmt::format("with it, loops unroll to over {} instructions", most_));
    }
    for (const Advance& advance : line.advances) advances(e, line, advance);
    if (!last_.empty()) text(e, line, times);
  }

  void advances(std::size_t e, const Line& line, const Advance& advance) {
    const auto twice =
        std::count_if(line.advances.begin(), line.advances.end(),
                      [&](const Advance& other) { return other.field == advance.field; });
    const std::string what = fmt::format("field {}: ", advance.field);
    if (twice > 1) return refuse(e, line, what + "grows twice");
    const bool number = visit_number(line.instruction, advance.field, [&](std::int64_t start) {
      formula(e, line, {start, advance.steps}, what);
    });
    if (!number) refuse(e, line, what + "no number that could grow");
  }

  void text(std::size_t e, const Line& line, std::int64_t times) {
    const std::optional<Pattern> pattern = pattern_of(line.text);
    if (!pattern) return refuse(e, line, "field text: no formula between its braces");
    for (const Formula& f : pattern->formulas) formula(e, line, f, "field text: ");
    constexpr std::int64_t kDigits = 14;  // of a number, sign included
    const std::int64_t bytes = std::ssize(line.text) + kDigits * std::ssize(pattern->formulas);
    if (bytes > (kTextMax - text_bytes_) / times) {
      return refuse(e, line,
                    fmt::format("with it, loops unroll to over {} bytes of text", kTextMax));
    }
    text_bytes_ += bytes * times;
  }

  // Its extremes are in the corners; the products stay below 2^41 * 2^19.
  void formula(std::size_t e, const Line& line, const Formula& formula, const std::string& what) {
    if (formula.steps.size() > last_.size()) {
      return refuse(e, line,
                    fmt::format("{}grows with {} loops, {} are around it", what,
                                formula.steps.size(), last_.size()));
    }
    std::int64_t low = formula.start, high = formula.start;
    for (std::size_t d = 0; d < formula.steps.size(); ++d) {
      const std::int64_t step = std::clamp(formula.steps[d], -kStepMax, kStepMax);
      (step < 0 ? low : high) += step * last_[d];
    }
    if (low < -kNumberMax || high > kNumberMax) {
      refuse(e, line, fmt::format("{}grows beyond {}", what, kNumberMax));
    }
  }

  const std::vector<Entry>& entries_;
  std::int64_t most_, instructions_ = 0, text_bytes_ = 0;
  std::vector<std::int64_t> last_;  // iteration of the loops around
  std::optional<LoopFault> fault_;
};

class Unroller {
 public:
  Unroller(const std::vector<Entry>& entries, Program& program)
      : entries_(entries), program_(program) {}

  void range(std::size_t begin, std::size_t end) {
    for (std::size_t e = begin; e < end; e = next_entry(entries_, e)) {
      if (const Line* line = std::get_if<Line>(&entries_[e])) {
        add(*line);
        continue;
      }
      const Loop& entered = std::get<Loop>(entries_[e]);
      const std::int64_t count = entered.count;
      const std::size_t known = count > 1 ? note_loop(entered) : kNoLoop;
      iterations_.push_back(0);
      for (; iterations_.back() < count; ++iterations_.back()) {
        range(e + 1, next_entry(entries_, e));
        if (known != kNoLoop && iterations_.back() == 0) {
          LoopRange& loop = program_.loops[known];
          loop.length = std::ssize(program_.instructions) - loop.first;
        }
      }
      iterations_.pop_back();
    }
  }

 private:
  static constexpr std::size_t kNoLoop = std::numeric_limits<std::size_t>::max();

  // Its place in program.loops; one in later iterations of a loop around it is there already.
  std::size_t note_loop(const Loop& loop) {
    const bool again = std::any_of(iterations_.begin(), iterations_.end(),
                                   [](std::int64_t iteration) { return iteration > 0; });
    if (again) return kNoLoop;
    program_.loops.push_back({std::ssize(program_.instructions), 0, loop.count, loop.over});
    return program_.loops.size() - 1;
  }

  void add(const Line& line) {
    Instruction& instruction = program_.instructions.emplace_back(line.instruction);
    for (const Advance& advance : line.advances) {
      visit_number(instruction, advance.field, [&](std::int64_t& value) {
        value = value_at(value, advance.steps, iterations_);
      });
    }
    program_.info.instruction_layer.push_back(line.layer);
    program_.info.instruction_text.push_back(text(line));
  }

  std::string text(const Line& line) {
    if (iterations_.empty()) return line.text;
    const Pattern pattern = pattern_of(line.text).value();
    std::string text(pattern.pieces[0]);
    for (std::size_t f = 0; f < pattern.formulas.size(); ++f) {
      const Formula& formula = pattern.formulas[f];
      TextNumber number{text.size(), 0};
      text += std::to_string(value_at(formula.start, formula.steps, iterations_));
      number.end = text.size();
      program_.text_numbers.resize(program_.instructions.size());
      program_.text_numbers.back().push_back(number);
      text += pattern.pieces[f + 1];
    }
    return text;
  }

  const std::vector<Entry>& entries_;
  Program& program_;
  std::vector<std::int64_t> iterations_;
};

// A program's instructions in its loops, their steps from the first two iterations of each.
class Folding {
 public:
  explicit Folding(const Program& program) : program_(program) {}

  std::vector<Entry> run(std::size_t begin, std::size_t end) {
    range(begin, end);
    return std::move(entries_);
  }

 private:
  void range(std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end;) {
      const LoopRange* loop = loop_at(i, end);
      if (loop == nullptr) {
        entries_.emplace_back(line(i++));
        continue;
      }
      const std::size_t at = entries_.size();
      const auto length = static_cast<std::size_t>(loop->length);
      entries_.emplace_back(Loop{loop->count, 0, loop->over});
      around_.push_back(length);
      range(i, i + length);
      around_.pop_back();
      std::get<Loop>(entries_[at]).length =
          std::ssize(entries_) - static_cast<std::int64_t>(at) - 1;
      i += length * static_cast<std::size_t>(loop->count);
    }
  }

  // The outermost loop that is not begun yet, begins there and ends by `end`.
  const LoopRange* loop_at(std::size_t i, std::size_t end) {
    for (; next_ < program_.loops.size(); ++next_) {
      const LoopRange& loop = program_.loops[next_];
      if (loop.first > static_cast<std::int64_t>(i)) return nullptr;
      const auto room = static_cast<std::int64_t>(end - i);
      const bool fits = loop.length > 0 && loop.count > 1 && loop.count <= room / loop.length;
      if (loop.first == static_cast<std::int64_t>(i) && fits) return &program_.loops[next_++];
    }
    return nullptr;
  }

  Line line(std::size_t i) const {
    Line line{.instruction = program_.instructions[i],
              .layer = program_.info.instruction_layer[i],
              .text = program_.info.instruction_text[i],
              .advances = {}};
    if (around_.empty()) return line;
    const std::vector<Formula> formulas = formulas_of(i);
    std::size_t n = 0;
    std::visit(
        [&](const auto& op) {
          for_each_field(op, [&](std::string_view name, const auto& member) {
            if constexpr (std::same_as<decltype(member), const std::int64_t&>) {
              const std::vector<std::int64_t>& steps = formulas[n++].steps;
              if (!steps.empty()) line.advances.push_back({std::string(name), steps});
            }
          });
        },
        line.instruction);
    line.text = text(i, std::span(formulas).subspan(n));
    return line;
  }

  std::vector<Formula> formulas_of(std::size_t i) const {
    std::vector<Formula> formulas;
    for (const std::int64_t number : numbers_of(program_, i)) formulas.push_back({number, {}});
    for (std::size_t d = 0; d < around_.size(); ++d) {
      const std::vector<std::int64_t> next = numbers_of(program_, i + around_[d]);
      for (std::size_t n = 0; n < formulas.size() && next.size() == formulas.size(); ++n) {
        const std::int64_t step = next[n] - formulas[n].start;
        if (step == 0) continue;
        formulas[n].steps.resize(d + 1);
        formulas[n].steps[d] = step;
      }
    }
    return formulas;
  }

  std::string text(std::size_t i, std::span<const Formula> formulas) const {
    const std::string& whole = program_.info.instruction_text[i];
    std::string text;
    std::size_t done = 0, n = 0;
    for (const TextNumber& number : text_numbers(program_, i)) {
      const Formula& formula = formulas[n++];
      if (formula.steps.empty()) continue;
      text += whole.substr(done, number.begin - done) + "{" + to_string(formula) + "}";
      done = number.end;
    }
    return text + whole.substr(done);
  }

  const Program& program_;
  std::vector<Entry> entries_;
  std::vector<std::size_t> around_;  // lengths of the loops around, outermost first
  std::size_t next_ = 0;             // of program.loops
};

std::vector<Entry> without_loops(const Program& program, std::size_t begin, std::size_t end) {
  std::vector<Entry> entries;
  for (std::size_t i = begin; i < end; ++i) {
    entries.push_back(Line{.instruction = program.instructions[i],
                           .layer = program.info.instruction_layer[i],
                           .text = program.info.instruction_text[i],
                           .advances = {}});
  }
  return entries;
}

// Whether they unroll to [begin, end) of the program.
bool say_the_same(const std::vector<Entry>& entries, const Program& program, std::size_t begin,
                  std::size_t end) {
  if (loop_fault(entries)) return false;
  Program again;
  unroll(entries, again);
  const auto same = [&](const auto& list, const auto& whole) {
    return list.size() == end - begin &&
           std::equal(list.begin(), list.end(), whole.begin() + static_cast<std::ptrdiff_t>(begin));
  };
  return same(again.instructions, program.instructions) &&
         same(again.info.instruction_layer, program.info.instruction_layer) &&
         same(again.info.instruction_text, program.info.instruction_text);
}

}  // namespace

std::string_view to_string(LoopOver over) {
  switch (over) {
    case LoopOver::Nothing:
      return "nothing";
    case LoopOver::SliceChannels:
      return "slice_channels";
    case LoopOver::SliceRows:
      return "slice_rows";
    case LoopOver::SliceColumns:
      return "slice_columns";
    case LoopOver::Channels:
      return "channels";
    case LoopOver::Rows:
      return "rows";
    case LoopOver::Columns:
      return "columns";
    case LoopOver::Lines:
      return "lines";
    case LoopOver::Pieces:
      return "pieces";
    case LoopOver::Passes:
      return "passes";
  }
  CHECK(false, "loop over {}", static_cast<int>(over));
}

std::string to_string(const Formula& formula) {
  return std::to_string(formula.start) + steps_text(formula.steps, false);
}

std::string steps_text(const std::vector<std::int64_t>& steps, bool hexadecimal) {
  std::string text;
  for (std::size_t d = 0; d < steps.size(); ++d) {
    if (steps[d] == 0) continue;
    text += steps[d] < 0 ? '-' : '+';
    text += hexadecimal ? fmt::format("{:#x}", std::abs(steps[d]))
                        : fmt::format("{}", std::abs(steps[d]));
    text.append(1, '*').append(1, kLoopVariables[d]);
  }
  return text;
}

std::optional<Formula> formula_of(std::string_view text) {
  const std::optional<std::int64_t> start = take_number(text, kNumberMax);
  if (!start) return std::nullopt;
  Formula formula{*start, {}};
  while (!text.empty()) {
    if (!take_step(text, formula.steps)) return std::nullopt;
  }
  return formula;
}

std::span<const TextNumber> text_numbers(const Program& program, std::size_t instruction) {
  if (instruction >= program.text_numbers.size()) return {};
  return program.text_numbers[instruction];
}

std::vector<std::int64_t> numbers_of(const Program& program, std::size_t instruction) {
  std::vector<std::int64_t> numbers;
  std::visit(
      [&](const auto& op) {
        for_each_field(op, [&](std::string_view, const auto& member) {
          if constexpr (std::same_as<decltype(member), const std::int64_t&>) {
            numbers.push_back(member);
          }
        });
      },
      program.instructions[instruction]);
  const std::string& text = program.info.instruction_text[instruction];
  for (const TextNumber& number : text_numbers(program, instruction)) {
    numbers.push_back(std::stoll(text.substr(number.begin, number.end - number.begin)));
  }
  return numbers;
}

std::vector<Entry> in_loops(const Program& program) {
  return in_loops(program, 0, program.instructions.size());
}

std::vector<Entry> in_loops(const Program& program, std::size_t begin, std::size_t end) {
  CHECK(program.info.instruction_layer.size() == program.instructions.size() &&
            program.info.instruction_text.size() == program.instructions.size(),
        "{} instructions", program.instructions.size());
  std::vector<Entry> entries = Folding(program).run(begin, end);
  const bool plain = entries.size() == end - begin && program.loops.empty();
  if (plain || say_the_same(entries, program, begin, end)) return entries;
  return without_loops(program, begin, end);
}

std::optional<LoopFault> loop_fault(const std::vector<Entry>& entries) {
  return Check(entries).run();
}

std::size_t next_entry(const std::vector<Entry>& entries, std::size_t e) {
  const Loop* loop = std::get_if<Loop>(&entries[e]);
  return e + 1 + (loop == nullptr ? 0 : static_cast<std::size_t>(loop->length));
}

std::int64_t unrolled_size(const std::vector<Entry>& entries, std::size_t begin, std::size_t end) {
  std::int64_t size = 0;
  for (std::size_t e = begin; e < end; e = next_entry(entries, e)) {
    const Loop* loop = std::get_if<Loop>(&entries[e]);
    size +=
        loop == nullptr ? 1 : loop->count * unrolled_size(entries, e + 1, next_entry(entries, e));
  }
  return size;
}

void unroll(const std::vector<Entry>& entries, Program& program) {
  Unroller(entries, program).range(0, entries.size());
}

}  // namespace workbench::pulp
