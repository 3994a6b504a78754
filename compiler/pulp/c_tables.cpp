#include "compiler/pulp/c_tables.h"

#include <algorithm>
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
    return std::move(rows_);
  }

 private:
  std::vector<Field> fields_of(const Instruction& instruction) {
    std::vector<Field> fields;
    std::visit([&](const auto& op) { op.fields(op, Visit{fields}); }, instruction);
    if (const auto* kernel = std::get_if<Kernel>(&instruction)) {
      fields.front().value = index_of(c_kernel(*kernel));
    }
    return fields;
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

  static void put(std::vector<std::uint8_t>& bytes, std::uint32_t value) {
    for (; value > 0x7f; value >>= 7) bytes.push_back(static_cast<std::uint8_t>(value | 0x80));
    bytes.push_back(static_cast<std::uint8_t>(value));
  }
  static void put_signed(std::vector<std::uint8_t>& bytes, std::uint32_t value) {
    const std::uint32_t sign = value >> 31 != 0 ? 0xffffffffU : 0;
    put(bytes, value << 1 ^ sign);
  }

  // The fields that differ from the last ones of opcode and set, which these become.
  void put_changes(std::vector<std::uint8_t>& bytes, const std::vector<Field>& fields) {
    std::vector<std::int32_t>& last = last_[bytes.front() & ~(kSteps | kSetOnly)];
    last.resize(fields.size());
    std::vector<std::uint8_t> changes;
    std::uint8_t count = 0;
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const std::int32_t value = number(fields[i]);
      if (value == last[i]) continue;
      changes.push_back(static_cast<std::uint8_t>(i));
      put_signed(changes, static_cast<std::uint32_t>(value) - static_cast<std::uint32_t>(last[i]));
      last[i] = value;
      ++count;
    }
    bytes.push_back(count);
    bytes.insert(bytes.end(), changes.begin(), changes.end());
  }

  static void put_steps(std::vector<std::uint8_t>& bytes, const std::vector<Field>& fields,
                        const std::vector<Advance>& advances) {
    std::vector<std::uint8_t> steps;
    std::uint8_t count = 0;
    for (const Advance& advance : advances) {
      const auto field = std::find_if(fields.begin(), fields.end(),
                                      [&](const Field& f) { return f.name == advance.field; });
      CHECK(field != fields.end(), "steps of '{}'", advance.field);
      for (std::size_t depth = 0; depth < advance.steps.size(); ++depth) {
        if (advance.steps[depth] == 0) continue;
        steps.push_back(static_cast<std::uint8_t>(static_cast<std::size_t>(field - fields.begin()) |
                                                  depth << 6));
        put_signed(steps, static_cast<std::uint32_t>(advance.steps[depth]));
        ++count;
      }
    }
    bytes.push_back(count);
    bytes.insert(bytes.end(), steps.begin(), steps.end());
  }

  static bool grows(const Line& line) {
    return std::any_of(line.advances.begin(), line.advances.end(), [](const Advance& a) {
      return std::any_of(a.steps.begin(), a.steps.end(), [](std::int64_t s) { return s != 0; });
    });
  }

  static bool has_fields(Opcode opcode) {
    return opcode == kDma || opcode == kDmaWait || opcode == kL3 || opcode == kL3Wait ||
           opcode == kKernel;
  }

  void add(const Line& line) {
    const std::optional<Opcode> opcode = opcode_of(line.instruction);
    if (!opcode) return;
    TableRow row{{first_byte(*opcode, line.instruction)}, comment(line), depth_};
    if (has_fields(*opcode)) {
      const std::vector<Field> fields = fields_of(line.instruction);
      if (grows(line)) row.bytes.front() |= kSteps;
      put_changes(row.bytes, fields);
      if (grows(line)) put_steps(row.bytes, fields, line.advances);
    }
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

  // Every iteration begins with the fields that the last command of each set leaves.
  void set_what_the_body_leaves(const std::vector<Entry>& entries, std::size_t begin,
                                std::size_t end) {
    std::map<std::uint8_t, const Line*> leaves;
    for (std::size_t e = begin; e < end; ++e) {
      const Line* line = std::get_if<Line>(&entries[e]);
      if (line == nullptr) continue;
      const std::optional<Opcode> opcode = opcode_of(line->instruction);
      if (opcode && has_fields(*opcode)) leaves[first_byte(*opcode, line->instruction)] = line;
    }
    for (const auto& [first, line] : leaves) {
      TableRow row{{static_cast<std::uint8_t>(first | kSetOnly)}, "as the loop leaves it", depth_};
      put_changes(row.bytes, fields_of(line->instruction));
      if (row.bytes[1] != 0) rows_.push_back(std::move(row));
    }
  }

  void add_loop(const std::vector<Entry>& entries, std::size_t e) {
    const Loop& loop = std::get<Loop>(entries[e]);
    const std::size_t end = next_entry(entries, e);
    set_what_the_body_leaves(entries, e + 1, end);
    const std::string over =
        loop.over == LoopOver::Nothing ? "" : fmt::format(" {}", to_string(loop.over));
    TableRow row{{kLoop}, fmt::format("{} times{}", loop.count, over), depth_};
    put(row.bytes, static_cast<std::uint32_t>(loop.count));
    rows_.push_back(std::move(row));
    ++depth_;
    add(entries, e + 1, end);
    --depth_;
    rows_.push_back({{kEndLoop}, "end", depth_});
  }

  const std::string& layer_;
  std::vector<std::string>& kernels_;
  std::vector<TableRow> rows_;
  std::map<int, std::vector<std::int32_t>> last_;
  int depth_ = 0;
};

}  // namespace

std::vector<TableRow> table_of(const std::vector<Entry>& entries, const std::string& layer,
                               std::vector<std::string>& kernels) {
  Table table(layer, kernels);
  table.add(entries, 0, entries.size());
  return table.take();
}

}  // namespace workbench::pulp
