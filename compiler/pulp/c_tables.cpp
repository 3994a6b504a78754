#include "compiler/pulp/c_tables.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>

#include "compiler/pulp/c_kernels.h"
#include "core/error.h"

namespace workbench::pulp {

namespace {

// Of runtime/pulp/network/layer.h.
enum Opcode : std::uint8_t {
  kEnd,
  kBarrier,
  kDma,
  kDmaWait,
  kL3,
  kL3Wait,
  kKernel,
  kLoop,
  kEndLoop,
  kCounterStart,
  kCounterStop
};
constexpr std::uint8_t kSteps = 16, kSetOnly = 32;
constexpr int kSetBit = 6;
constexpr std::size_t kStepCount = 31;
constexpr int kStepDepthBit = 5;
constexpr std::uint8_t kMoreSteps = 128;
constexpr std::size_t kSpareBytes = 3;  // a change of one byte is read as 4

// None: nothing is to be done for it.
std::optional<Opcode> opcode_of(const Instruction& instruction) {
  struct Visit {
    std::optional<Opcode> operator()(const Barrier&) const { return kBarrier; }
    std::optional<Opcode> operator()(const Dma&) const { return kDma; }
    std::optional<Opcode> operator()(const DmaWait&) const { return kDmaWait; }
    std::optional<Opcode> operator()(const L3Transfer&) const { return kL3; }
    std::optional<Opcode> operator()(const L3Wait&) const { return kL3Wait; }
    std::optional<Opcode> operator()(const Code&) const { return std::nullopt; }
    std::optional<Opcode> operator()(const CounterStart&) const { return kCounterStart; }
    std::optional<Opcode> operator()(const CounterStop&) const { return kCounterStop; }
    std::optional<Opcode> operator()(const Kernel&) const { return kKernel; }
  };
  return std::visit(Visit{}, instruction);
}

// Transfers of a kind differ in little from each other, and each kind has a set of fields of its
// own: results, constants of the channels, maps, weights.
std::uint8_t field_set(const Instruction& instruction) {
  const auto* dma = std::get_if<Dma>(&instruction);
  if (dma == nullptr || !dma->to_l1) return 0;
  if (!dma->split) return 1;
  return dma->lines * dma->rows * dma->planes > 1 ? 2 : 3;
}

struct Field {
  std::string_view name;
  std::int64_t value = 0;
};

// In 32 bits as kernels compute with them: what a product or sum has above is lost anyway.
bool wraps(std::string_view field) {
  return field.starts_with("multiplier") || field.starts_with("offset");
}

struct Visit {
  std::vector<Field>& fields;
  void operator()(std::string_view name, std::int64_t value) const {
    fields.push_back({name, value});
  }
  void operator()(std::string_view name, bool value) const {
    fields.push_back({name, value ? 1 : 0});
  }
  void operator()(std::string_view name, KernelKind) const { fields.push_back({name, 0}); }
};

// A field in the loops around: base + steps[d] * iterations of the loop of depth d, in 32 bits.
struct Affine {
  std::uint32_t base = 0;
  std::array<std::uint32_t, kLoopVariables.size()> steps{};

  // Where the loop of depth `d` has been through `iterations`.
  void enter(std::size_t d, std::uint32_t iterations) {
    base += steps[d] * iterations;
    steps[d] = 0;
  }
  friend bool operator==(const Affine&, const Affine&) = default;
};
using Fields = std::vector<Affine>;

class Table {
 public:
  Table(const std::string& layer, std::vector<std::string>& kernels)
      : layer_(layer), kernels_(kernels) {}

  void add(const std::vector<Entry>& entries, std::size_t begin, std::size_t end) {
    for (std::size_t e = begin; e < end; e = next_entry(entries, e)) {
      if (const Line* line = std::get_if<Line>(&entries[e])) {
        add(*line);
      } else {
        add_loop(entries, e);
      }
    }
  }

  std::vector<TableRow> take() {
    rows_.push_back({{kEnd}, "", 0});
    rows_.push_back({std::vector<std::uint8_t>(kSpareBytes, 0), "", 0});
    return std::move(rows_);
  }

 private:
  Fields fields_of(const Line& line) {
    std::vector<Field> fields;
    std::visit([&](const auto& op) { op.fields(op, Visit{fields}); }, line.instruction);
    if (const auto* kernel = std::get_if<Kernel>(&line.instruction)) {
      fields.front().value = index_of(c_kernel(*kernel));
    }
    Fields result;
    for (const Field& field : fields) {
      result.push_back({.base = static_cast<std::uint32_t>(number(field))});
    }
    for (const Advance& advance : line.advances) {
      const auto field = std::find_if(fields.begin(), fields.end(),
                                      [&](const Field& f) { return f.name == advance.field; });
      CHECK(field != fields.end(), "steps of '{}'", advance.field);
      auto& steps = result[static_cast<std::size_t>(field - fields.begin())].steps;
      CHECK(advance.steps.size() <= steps.size(), "steps of {} loops", advance.steps.size());
      for (std::size_t depth = 0; depth < advance.steps.size(); ++depth) {
        steps[depth] = static_cast<std::uint32_t>(advance.steps[depth]);
      }
    }
    return result;
  }

  std::int64_t index_of(const std::string& kernel) {
    const auto found = std::find(kernels_.begin(), kernels_.end(), kernel);
    const auto index = found - kernels_.begin();
    if (found == kernels_.end()) kernels_.push_back(kernel);
    return index;
  }

  // Kernels and transfers have numbers that the compiler bounds, save those from files.
  std::int32_t number(const Field& field) const {
    constexpr std::int64_t kMax = std::numeric_limits<std::int32_t>::max();
    if (!wraps(field.name) && (field.value > kMax || field.value < -kMax - 1)) {
      fail("--emit-c: {}: {} is {}, which has more than the 32 bits of a core's registers", layer_,
           field.name, field.value);
    }
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(field.value));
  }

  static std::size_t bytes_for(std::uint32_t value) {
    for (std::size_t bytes = 1; bytes < 4; ++bytes) {
      const std::size_t unused = 32 - 8 * bytes;
      if (static_cast<std::int32_t>(value << unused) >> unused ==
          static_cast<std::int32_t>(value)) {
        return bytes;
      }
    }
    return 4;
  }
  static void put(std::vector<std::uint8_t>& bytes, std::uint32_t value, std::size_t count) {
    for (; count > 0; --count, value >>= 8) bytes.push_back(static_cast<std::uint8_t>(value));
  }
  static void put_change(std::vector<std::uint8_t>& bytes, std::size_t field, std::uint32_t value) {
    const std::size_t count = bytes_for(value);
    bytes.push_back(static_cast<std::uint8_t>(field << 2 | (count - 1)));
    put(bytes, value, count);
  }

  // Of what differs from the last fields of opcode and set, which these become.
  void put_changes(std::vector<std::uint8_t>& bytes, const Fields& fields) {
    Fields& last = last_[set_of(bytes.front())];
    last.resize(fields.size());
    std::vector<std::uint8_t> changes;
    std::uint8_t count = 0;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (fields[i].base == last[i].base) continue;
      put_change(changes, i, fields[i].base - last[i].base);
      ++count;
    }
    bytes.push_back(count);
    bytes.insert(bytes.end(), changes.begin(), changes.end());
    put_steps(bytes, fields, last);
    last = fields;
  }

  // By depth, those by which the fields grow more than the last ones.
  static void put_steps(std::vector<std::uint8_t>& bytes, const Fields& fields,
                        const Fields& last) {
    std::optional<std::size_t> head;  // of the last group
    for (std::size_t depth = 0; depth < kLoopVariables.size(); ++depth) {
      std::size_t in_group = kStepCount;
      for (std::size_t i = 0; i < fields.size(); ++i) {
        const std::uint32_t grows = fields[i].steps[depth] - last[i].steps[depth];
        if (grows == 0) continue;
        if (in_group == kStepCount) {
          if (head) bytes[*head] |= kMoreSteps;
          head = bytes.size();
          in_group = 0;
          bytes.push_back(static_cast<std::uint8_t>(depth << kStepDepthBit));
        }
        ++in_group;
        ++bytes[*head];
        put_change(bytes, i, grows);
      }
    }
    if (head) bytes.front() |= kSteps;
  }

  static int set_of(std::uint8_t first) { return first & ~(kSteps | kSetOnly); }

  static bool has_fields(Opcode opcode) {
    return opcode == kDma || opcode == kDmaWait || opcode == kL3 || opcode == kL3Wait ||
           opcode == kKernel;
  }

  void add(const Line& line) {
    const std::optional<Opcode> opcode = opcode_of(line.instruction);
    if (!opcode) return;
    TableRow row{{first_byte(*opcode, line.instruction)}, comment(line), row_depth()};
    if (has_fields(*opcode)) put_changes(row.bytes, fields_of(line));
    rows_.push_back(std::move(row));
  }

  static std::uint8_t first_byte(Opcode opcode, const Instruction& instruction) {
    return static_cast<std::uint8_t>(opcode | field_set(instruction) << kSetBit);
  }

  // What is done, and what for: the instruction's text without its opcode and the layer's name.
  std::string comment(const Line& line) const {
    std::string name(opcode(line.instruction));
    if (const auto* kernel = std::get_if<Kernel>(&line.instruction)) name = c_kernel(*kernel);
    if (const auto* wait = std::get_if<DmaWait>(&line.instruction)) {
      return fmt::format("{} {}", name, wait->id);
    }
    const std::size_t at = line.text.find(layer_);
    const std::size_t rest = at + layer_.size() + 1;
    return at == std::string::npos || rest >= line.text.size()
               ? name
               : name + " " + line.text.substr(rest);
  }

  // What the last command of each set leaves behind the entries, which are in `depth` loops.
  std::map<std::uint8_t, Fields> left_by(const std::vector<Entry>& entries, std::size_t begin,
                                         std::size_t end, std::size_t depth) {
    std::map<std::uint8_t, Fields> left;
    for (std::size_t e = begin; e < end; e = next_entry(entries, e)) {
      if (const Loop* loop = std::get_if<Loop>(&entries[e])) {
        for (auto& [first, fields] : left_by(entries, e + 1, next_entry(entries, e), depth + 1)) {
          enter(fields, depth, static_cast<std::uint32_t>(loop->count - 1));
          left[first] = std::move(fields);
        }
        continue;
      }
      const Line& line = std::get<Line>(entries[e]);
      const std::optional<Opcode> opcode = opcode_of(line.instruction);
      if (!opcode || !has_fields(*opcode)) continue;
      left[first_byte(*opcode, line.instruction)] = fields_of(line);
    }
    return left;
  }

  static void enter(Fields& fields, std::size_t depth, std::uint32_t iterations) {
    for (Affine& field : fields) field.enter(depth, iterations);
  }

  // Fields begin a loop as if an iteration had been before the first.
  void begin_fields(std::uint8_t first, const Fields& left) {
    Fields before = left;
    enter(before, depth_, ~std::uint32_t{0});
    last_[first].resize(before.size());
    if (last_[first] != before) {
      TableRow row{
          {static_cast<std::uint8_t>(first | kSetOnly)}, "as the loop leaves it", row_depth()};
      put_changes(row.bytes, before);
      rows_.push_back(std::move(row));
    }
    for (std::size_t i = 0; i < left.size(); ++i) before[i].steps[depth_] = left[i].steps[depth_];
    last_[first] = std::move(before);
  }

  void add_loop(const std::vector<Entry>& entries, std::size_t e) {
    const Loop& loop = std::get<Loop>(entries[e]);
    const std::size_t end = next_entry(entries, e);
    CHECK(depth_ < kLoopVariables.size(), "loops {} deep", depth_ + 1);
    const auto left = left_by(entries, e + 1, end, depth_ + 1);
    for (const auto& [first, fields] : left) begin_fields(first, fields);
    const std::string over =
        loop.over == LoopOver::Nothing ? "" : fmt::format(" {}", to_string(loop.over));
    TableRow row{{kLoop}, fmt::format("{} times{}", loop.count, over), row_depth()};
    put(row.bytes, static_cast<std::uint32_t>(loop.count), 4);
    rows_.push_back(std::move(row));
    ++depth_;
    add(entries, e + 1, end);
    --depth_;
    for (const auto& [first, fields] : left) {
      enter(last_[first], depth_, static_cast<std::uint32_t>(loop.count - 1));
    }
    rows_.push_back({{kEndLoop}, "end", row_depth()});
  }

  int row_depth() const { return static_cast<int>(depth_); }

  const std::string& layer_;
  std::vector<std::string>& kernels_;
  std::vector<TableRow> rows_;
  std::map<int, Fields> last_;
  std::size_t depth_ = 0;
};

}  // namespace

std::vector<TableRow> table_of(const std::vector<Entry>& entries, const std::string& layer,
                               std::vector<std::string>& kernels) {
  Table table(layer, kernels);
  table.add(entries, 0, entries.size());
  return table.take();
}

}  // namespace workbench::pulp
