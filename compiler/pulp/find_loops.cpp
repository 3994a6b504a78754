// Greedily, short bodies first, so that those of loops around them have become short.
#include "compiler/pulp/find_loops.h"

#include <algorithm>
#include <cstdlib>
#include <map>

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
  std::int64_t length = 1;  // instructions of an iteration
  std::size_t depth = 0;
  std::int64_t lines = 1, figures = 0;  // of text; figures that are not 0
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

// Of a list of items and a period; the sums are over all items from an index on.
struct Likeness {
  explicit Likeness(std::size_t size)
      : alike(size), steady(size), lines(size), figures(size), changes(size) {}
  std::vector<std::size_t> alike;   // so many from here on have their like one period later ...
  std::vector<std::size_t> steady;  // ... and another after that by the same steps
  std::vector<std::int64_t> lines, figures, changes;  // figures that differ one period later
};

class LoopSearch {
 public:
  explicit LoopSearch(const Program& program) : program_(program) {
    CHECK(program.info.instruction_layer.size() == program.instructions.size() &&
              program.info.instruction_text.size() == program.instructions.size(),
          "{} instructions", program.instructions.size());
    for (std::size_t i = 0; i < program.instructions.size(); ++i) items_.push_back(leaf(i));
  }

  std::vector<LoopRange> run() {
    while (pass(3)) {
    }
    while (pass(2)) {
    }
    for (const Item& item : items_) note(item);
    return std::move(loops_);
  }

 private:
  Item leaf(std::size_t i) {
    Item item;
    item.instruction = i;
    item.numbers = numbers_of(program_, i);
    const Instruction& instruction = program_.instructions[i];
    std::string key =
        std::string(opcode(instruction)) + ' ' + std::to_string(program_.info.instruction_layer[i]);
    std::visit(
        [&](const auto& op) {
          for_each_field(op, [&](std::string_view, const auto& member) {
            if constexpr (!std::same_as<decltype(member), const std::int64_t&>) {
              key += ' ' + std::to_string(static_cast<std::int64_t>(member));
            }
          });
        },
        instruction);
    key += ' ' + shape_of_text(program_, i);
    // No second is like a text with braces of its own, or numbers beyond all sense.
    if (program_.info.instruction_text[i].find_first_of("{}") != std::string::npos ||
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
    std::vector<int> shapes = shapes_of_items();
    for (std::size_t p = 1; p <= kPeriodMax && p * least <= items_.size(); ++p) {
      if (longest_repeat(shapes, p) < p * (least - 1) || !roll(compare(p), p, least)) continue;
      found = true;
      shapes = shapes_of_items();
    }
    return found;
  }

  // Unlike all others where no loop may be around them.
  std::vector<int> shapes_of_items() const {
    std::vector<int> shapes;
    for (const Item& item : items_) {
      const bool deepest = item.depth >= kLoopVariables.size();
      shapes.push_back(deepest ? -1 - static_cast<int>(shapes.size()) : item.shape);
    }
    return shapes;
  }

  // How many in a row have their like one period later, at most: most periods are none of any loop,
  // which is seen without a look at the numbers.
  static std::size_t longest_repeat(const std::vector<int>& shapes, std::size_t period) {
    std::size_t longest = 0, run = 0;
    for (std::size_t i = 0; i + period < shapes.size(); ++i) {
      run = shapes[i] == shapes[i + period] ? run + 1 : 0;
      longest = std::max(longest, run);
    }
    return longest;
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
    result.length = 0;
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
      result.length += std::max<std::int64_t>(1, item.count) * item.length;
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

  void note(const Item& item) {
    if (item.count == 0) return;
    loops_.push_back({static_cast<std::int64_t>(item.instruction), item.length, item.count});
    for (const Item& inner : item.body) note(inner);
  }

  const Program& program_;
  std::vector<Item> items_;
  std::map<std::string, int> shapes_;
  std::vector<LoopRange> loops_;
};

}  // namespace

void find_loops(Program& program) { program.loops = LoopSearch(program).run(); }

}  // namespace workbench::pulp
