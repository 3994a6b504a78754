// Finds the loops of a program: greedily, short bodies first, so that those of loops around them
// have become short.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <span>

#include "core/error.h"
#include "isa/pulp/loops.h"

namespace workbench::pulp {

namespace {

constexpr std::size_t kPeriodMax = 256;  // entries of a body, loops in it counting as one
constexpr std::int64_t kNumberMax = std::int64_t{1} << 40;  // as in files

// An instruction or a loop. What may grow from one iteration of a loop to the next is in `numbers`;
// all else is in the shape: equal for what can be iterations of one loop.
struct Item {
  int shape = 0;
  std::vector<std::int64_t> numbers;  // of all instructions in the first iteration
  std::size_t instruction = 0;        // the first
  std::int64_t count = 0;             // of iterations; 0: an instruction
  std::vector<std::int64_t> steps;    // of `numbers` from one iteration to the next
  std::vector<Item> body;
  std::size_t depth = 0;
  std::int64_t lines = 1, figures = 0;  // of text; figures that are not 0
};

// The text's numbers, and the text with a mark for each. Braces are the marks of formulas, leading
// zeros would be lost, and 13 digits are beyond what files may hold.
void split_text(const std::string& text, std::string& shape, std::vector<std::int64_t>& numbers) {
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && is_digit(text[end])) ++end;
    const std::string digits = text.substr(i, end - i);
    if (digits.empty()) {
      shape += text[i++];
    } else if (digits.size() > 12 || (digits.size() > 1 && digits[0] == '0')) {
      shape += digits;
    } else {
      shape += '{';
      numbers.push_back(std::stoll(digits));
    }
    i = std::max(i, end);
  }
}

// The text again, with formulas for what grows.
std::string text_with(const std::string& text, const std::vector<Formula>& formulas) {
  std::string shape, result;
  std::vector<std::int64_t> numbers;
  split_text(text, shape, numbers);
  std::size_t next = 0;
  for (const char c : shape) {
    if (c != '{') {
      result += c;
      continue;
    }
    const Formula& formula = formulas[next++];
    const std::string figure = to_string(formula);
    const bool grows = figure.find('*') != std::string::npos;
    result += grows ? "{" + figure + "}" : figure;
  }
  return result;
}

using Steps = std::span<const std::int64_t>;

// Of a list of items and a period; the sums are over all items from an index on.
struct Likeness {
  explicit Likeness(std::size_t size)
      : alike(size), steady(size), lines(size), figures(size), changes(size) {}
  std::vector<std::size_t> alike;   // so many from here on have their like one period later ...
  std::vector<std::size_t> steady;  // ... and another after that by the same steps
  std::vector<std::int64_t> lines, figures, changes;  // figures that differ one period later
};

class Roller {
 public:
  Roller(const Program& program, std::size_t begin, std::size_t end) : program_(program) {
    CHECK(program.info.instruction_layer.size() == program.instructions.size() &&
              program.info.instruction_text.size() == program.instructions.size(),
          "{} instructions", program.instructions.size());
    for (std::size_t i = begin; i < end; ++i) items_.push_back(leaf(i));
  }

  std::vector<Entry> run() {
    while (pass(3)) {
    }
    while (pass(2)) {
    }
    for (const Item& item : items_) emit(item, {});
    return std::move(entries_);
  }

 private:
  Item leaf(std::size_t i) {
    Item item;
    item.instruction = i;
    const Instruction& instruction = program_.instructions[i];
    std::string key =
        std::string(opcode(instruction)) + ' ' + std::to_string(program_.info.instruction_layer[i]);
    std::visit(
        [&](const auto& op) {
          for_each_field(op, [&](std::string_view, const auto& member) {
            if constexpr (std::same_as<decltype(member), const std::int64_t&>) {
              item.numbers.push_back(member);
            } else {
              key += ' ' + std::to_string(static_cast<std::int64_t>(member));
            }
          });
        },
        instruction);
    const std::string& text = program_.info.instruction_text[i];
    split_text(text, key += ' ', item.numbers);
    // No second is like a text with braces of its own, or numbers beyond all sense.
    if (text.find_first_of("{}") != std::string::npos ||
        std::any_of(item.numbers.begin(), item.numbers.end(),
                    [](std::int64_t n) { return n < -kNumberMax || n > kNumberMax; })) {
      key = '{' + std::to_string(i);
    }
    item.shape = shape_of(key);
    item.figures = std::ssize(item.numbers) -
                   std::count(item.numbers.begin(), item.numbers.end(), std::int64_t{0});
    return item;
  }

  int shape_of(const std::string& key) {
    return shapes_.emplace(key, static_cast<int>(shapes_.size())).first->second;
  }

  bool pass(std::size_t least) {
    bool found = false;
    for (std::size_t p = 1; p <= kPeriodMax && p * least <= items_.size(); ++p) {
      found |= roll(compare(p), p, least);
    }
    return found;
  }

  // Of each item with the one `period` later; linear, however many are alike.
  Likeness compare(std::size_t period) const {
    Likeness like(items_.size() + 1);
    for (std::size_t i = items_.size(); i-- > 0;) {
      like.lines[i] = like.lines[i + 1] + items_[i].lines;
      like.figures[i] = like.figures[i + 1] + items_[i].figures;
      like.changes[i] = like.changes[i + 1];
      const std::size_t next = i + period;
      if (next >= items_.size() || !same_shape(i, next)) continue;
      like.alike[i] = like.alike[i + 1] + 1;
      like.changes[i] += changes(items_[i], items_[next]);
      if (next + period >= items_.size() || !same_shape(next, next + period)) continue;
      if (!same_steps(items_[i], items_[next], items_[next + period])) continue;
      like.steady[i] = like.steady[i + 1] + 1;
    }
    return like;
  }

  bool same_shape(std::size_t a, std::size_t b) const {
    return items_[a].shape == items_[b].shape && items_[a].depth < kLoopVariables.size();
  }

  static std::int64_t changes(const Item& a, const Item& b) {
    std::int64_t count = 0;
    for (std::size_t k = 0; k < a.numbers.size(); ++k) count += a.numbers[k] != b.numbers[k];
    return count;
  }

  static bool same_steps(const Item& a, const Item& b, const Item& c) {
    for (std::size_t k = 0; k < a.numbers.size(); ++k) {
      if (c.numbers[k] - b.numbers[k] != b.numbers[k] - a.numbers[k]) return false;
    }
    return true;
  }

  // Makes loops of all runs of at least `least` bodies of `period` items.
  bool roll(const Likeness& like, std::size_t period, std::size_t least) {
    std::vector<Item> result;
    std::size_t done = 0;
    const auto keep = [&](std::size_t end) {
      const auto begin = items_.begin();
      std::move(begin + static_cast<std::ptrdiff_t>(done), begin + static_cast<std::ptrdiff_t>(end),
                std::back_inserter(result));
    };
    for (std::size_t i = 0; i + period * least <= items_.size();) {
      // So many have their like one period later, by always the same steps.
      const std::size_t pairs = std::min(like.alike[i], period + like.steady[i]);
      const std::size_t times = pairs / period + 1;
      const std::size_t start = times < least ? i : i + best_start(i, pairs % period);
      if (times < least || !worthwhile(like, start, period, times)) {
        ++i;
        continue;
      }
      keep(start);
      result.push_back(loop(start, period, times));
      i = done = start + period * times;
    }
    if (done == 0) return false;
    keep(items_.size());
    items_ = std::move(result);
    return true;
  }

  // A body that may begin with any of the next items begins with a tile's bookkeeping.
  std::size_t best_start(std::size_t i, std::size_t slack) const {
    for (std::size_t s = 0; s <= slack; ++s) {
      const Instruction& first = program_.instructions[items_[i + s].instruction];
      if (std::holds_alternative<Code>(first)) return s;
    }
    return 0;
  }

  // Fewer lines, fewer figures. Any two figures are an even step apart: two bodies are a loop only
  // where less than two figures per line differ.
  static bool worthwhile(const Likeness& like, std::size_t start, std::size_t period,
                         std::size_t times) {
    const std::int64_t lines = like.lines[start] - like.lines[start + period];
    const std::int64_t figures = like.figures[start] - like.figures[start + period];
    const std::int64_t steps = like.changes[start] - like.changes[start + period];
    if (times == 2 && steps >= 2 * lines) return false;
    const auto saved = static_cast<std::int64_t>(times - 1);
    return lines * saved > 2 && (lines + figures) * saved > 2 + steps;
  }

  Item loop(std::size_t start, std::size_t period, std::size_t times) {
    Item result;
    result.instruction = items_[start].instruction;
    result.count = static_cast<std::int64_t>(times);
    result.lines = 2;
    std::string key = "loop " + std::to_string(times);
    for (std::size_t k = start; k < start + period; ++k) {
      Item& item = items_[k];
      const Item& next = items_[k + period];
      for (std::size_t n = 0; n < item.numbers.size(); ++n) {
        result.steps.push_back(next.numbers[n] - item.numbers[n]);
      }
      result.numbers.insert(result.numbers.end(), item.numbers.begin(), item.numbers.end());
      result.depth = std::max(result.depth, item.depth + 1);
      result.lines += item.lines;
      result.figures += item.figures;
      key += ' ' + std::to_string(item.shape);
    }
    for (const std::int64_t step : result.steps) {
      key += ' ' + std::to_string(step);
      result.figures += step != 0 ? 1 : 0;
    }
    for (std::size_t k = start; k < start + period; ++k) {
      result.body.push_back(std::move(items_[k]));
    }
    result.shape = shape_of(key);
    return result;
  }

  // `around`: what its numbers grow by in each loop around it, outermost first.
  void emit(const Item& item, const std::vector<Steps>& around) {
    if (item.count == 0) {
      entries_.emplace_back(line(item, around));
      return;
    }
    const std::size_t at = entries_.size();
    entries_.emplace_back(Loop{item.count, 0});
    std::size_t first = 0;
    for (const Item& inner : item.body) {
      const std::size_t size = inner.numbers.size();
      std::vector<Steps> steps;
      for (const Steps& outer : around) steps.push_back(outer.subspan(first, size));
      steps.push_back(Steps(item.steps).subspan(first, size));
      emit(inner, steps);
      first += size;
    }
    std::get<Loop>(entries_[at]).length = std::ssize(entries_) - static_cast<std::int64_t>(at) - 1;
  }

  Line line(const Item& item, const std::vector<Steps>& around) const {
    Line line{.instruction = program_.instructions[item.instruction],
              .layer = program_.info.instruction_layer[item.instruction],
              .text = program_.info.instruction_text[item.instruction],
              .advances = {}};
    std::size_t n = 0;
    const auto next = [&] {
      Formula formula{item.numbers[n], {}};
      for (const Steps& steps : around) formula.steps.push_back(steps[n]);
      while (!formula.steps.empty() && formula.steps.back() == 0) formula.steps.pop_back();
      ++n;
      return formula;
    };
    std::visit(
        [&](const auto& op) {
          for_each_field(op, [&](std::string_view name, const auto& member) {
            if constexpr (std::same_as<decltype(member), const std::int64_t&>) {
              Formula formula = next();
              if (formula.steps.empty()) return;
              line.advances.push_back({std::string(name), std::move(formula.steps)});
            }
          });
        },
        line.instruction);
    std::vector<Formula> figures;
    while (n < item.numbers.size()) figures.push_back(next());
    if (!around.empty()) line.text = text_with(line.text, figures);
    return line;
  }

  const Program& program_;
  std::vector<Item> items_;
  std::map<std::string, int> shapes_;
  std::vector<Entry> entries_;
};

std::vector<Entry> plain(const Program& program, std::size_t begin, std::size_t end) {
  std::vector<Entry> entries;
  for (std::size_t i = begin; i < end; ++i) {
    entries.push_back(Line{.instruction = program.instructions[i],
                           .layer = program.info.instruction_layer[i],
                           .text = program.info.instruction_text[i],
                           .advances = {}});
  }
  return entries;
}

}  // namespace

std::vector<Entry> rolled(const Program& program) {
  return rolled(program, 0, program.instructions.size());
}

std::vector<Entry> rolled(const Program& program, std::size_t begin, std::size_t end) {
  std::vector<Entry> entries = Roller(program, begin, end).run();
  // A program beyond what loops may grow to has to do without.
  return loop_fault(entries) ? plain(program, begin, end) : entries;
}

}  // namespace workbench::pulp
