#include "isa/xdnn/assembly.h"

#include <fmt/format.h>

#include <algorithm>

#include "core/error.h"
#include "isa/xdnn/listing_text.h"

namespace workbench::xdnn {

namespace {

bool is_address(std::string_view field) {
  return field.find("addr") != std::string_view::npos || field.starts_with("uram_") ||
         field.starts_with("ddr_");
}

// Gather and scatter have one layout, the one in the AM, under shorter names.
std::string key_of(const Instruction& instruction, std::string_view field) {
  const bool gather = std::holds_alternative<Gather>(instruction);
  const bool scatter = std::holds_alternative<Scatter>(instruction);
  if ((gather && field.starts_with("dst_")) || (scatter && field.starts_with("src_"))) {
    return std::string(field.substr(4));
  }
  return std::string(field);
}

std::string value_text(std::string_view key, std::int64_t value) {
  return is_address(key) ? fmt::format("{:#x}", value) : fmt::format("{}", value);
}

// The vendor's files say where tiled operands are by these where they lack the flags.
void set_ddr_flags(const Entry& entry, Tail& t) {
  const std::string memory = text_attribute(entry, "memory_description");
  if (entry.find("srcAddDDR") == nullptr) {
    t.source_in_ddr = t.tiling && (t.source_from_image_queue || memory.starts_with("ddr_"));
  }
  if (entry.find("dstAddDDR") == nullptr) {
    t.destination_in_ddr = t.tiling && (t.destination_from_image_queue || memory.ends_with("_ddr"));
  }
}

[[noreturn]] void contradict(const Entry& entry, const std::string& what) {
  fail("{}: {} '{}': {}", entry.where, entry.opcode, name_of(entry), what);
}

void check_rows(const Entry& entry, std::int64_t start, std::int64_t end, std::int64_t height) {
  if (start <= end && end < height) return;
  contradict(entry,
             fmt::format("field end_row: expected {} to {}, found {}", start, height - 1, end));
}

void check_together(const Entry& entry, const Instruction& instruction) {
  const Tail& t = tail(instruction);
  if (t.source_in_ddr && (t.tile_width < 1 || t.tile_height < 1)) {
    contradict(entry, fmt::format("field tile_width: expected a tile, found {}x{}", t.tile_width,
                                  t.tile_height));
  }
  if (const auto* g = std::get_if<Gather>(&instruction)) {
    check_rows(entry, g->start_row, g->end_row, g->height);
  }
  if (const auto* s = std::get_if<Scatter>(&instruction)) {
    check_rows(entry, s->start_row, s->end_row, s->height);
  }
  for (const ChannelLayout& layout : {t.source, t.destination, t.concat_volume}) {
    if (layout.replicated() && (layout.repl_units < 1 || layout.repl_width < 1)) {
      contradict(entry, "replicated sections without units or without a unit width");
    }
  }
}

// Names that instructions themselves do not have.
std::string text_of(std::string_view key, const std::string& name) {
  if (key == "name" || key == "conv_name") return name;
  CHECK(false, "'{}' is a field of no instruction", key);
}

}  // namespace

Instruction instruction_from(const Entry& entry) {
  const std::optional<Instruction> blank = blank_instruction(entry.opcode);
  if (!blank) contradict(entry, "no unit of the model executes it");
  Instruction instruction = *blank;
  std::visit(
      [&](auto& op) {
        for_each_field(op, [&](std::string_view field, auto& member) {
          const Field* given = entry.find(key_of(*blank, field));
          using Member = std::remove_cvref_t<decltype(member)>;
          if (given == nullptr) {
            if (field.starts_with("wait_")) member = Member{1};
          } else if (field ==
                     "method") {  // docs/facts/xdnn.md 2.4: nearest is all that is documented
            if (given->value != "0" && given->value != "nearest" && given->value != "NN") {
              contradict(entry, "field method: expected nearest (or 0), found " + given->value);
            }
          } else {
            member = static_cast<Member>(number(entry, *given));
          }
        });
      },
      instruction);
  set_ddr_flags(entry, tail(instruction));
  check_together(entry, instruction);
  return instruction;
}

namespace {

// Calls visit(key, value) for every field of the instruction.
void for_each_value(const Instruction& instruction, auto&& visit) {
  std::visit(
      [&](const auto& op) {
        for_each_field(op, [&](std::string_view field, const auto& member) {
          visit(key_of(instruction, field), static_cast<std::int64_t>(member));
        });
      },
      instruction);
}

// Adds the fields that are absent and could not be told from the others.
void add_needed(Entry& entry, const Instruction& instruction) {
  std::vector<std::int64_t> implied;  // by instruction_from() where the field is absent
  for_each_value(*blank_instruction(entry.opcode), [&](const std::string& key, std::int64_t value) {
    implied.push_back(key.starts_with("wait_") ? 1 : value);
  });
  Tail flags = tail(instruction);
  set_ddr_flags(entry, flags);
  std::vector<std::pair<std::string, std::int64_t>> needed;
  std::size_t i = 0;
  for_each_value(instruction, [&](const std::string& key, std::int64_t value) {
    std::int64_t without = implied[i++];
    if (key == "srcAddDDR") without = flags.source_in_ddr ? 1 : 0;
    if (key == "dstAddDDR") without = flags.destination_in_ddr ? 1 : 0;
    if (entry.find(key) == nullptr && value != without) needed.emplace_back(key, value);
  });
  for (const auto& [key, value] : needed) entry.set(key, value_text(key, value));
}

}  // namespace

Entry updated(Entry entry, const Instruction& instruction) {
  CHECK(entry.opcode == opcode(instruction));
  for_each_value(instruction, [&](const std::string& key, std::int64_t value) {
    const Field* given = entry.find(key);
    if (given == nullptr || key == "method" || number(entry, *given) == value) return;
    entry.set(key, value_text(key, value));
  });
  add_needed(entry, instruction);
  return entry;
}

Entry entry_from(const Instruction& instruction, std::int64_t id, const std::string& name,
                 Dialect dialect) {
  Entry entry{.where = fmt::format("instruction {}", id),
              .opcode = std::string(opcode(instruction))};
  entry.set("id", fmt::format("{}", id));
  for (const std::string_view key : template_of(dialect, entry.opcode)) {
    const bool text = field_rule(key)->text && key != "method";
    entry.set(key, text ? text_of(key, name) : "");
  }
  for_each_value(instruction, [&](const std::string& key, std::int64_t value) {
    if (entry.find(key) != nullptr) entry.set(key, value_text(key, value));
  });
  add_needed(entry, instruction);
  return entry;
}

Dialect dialect_of(const Program& program) {
  const bool layouts =
      std::any_of(program.steps.begin(), program.steps.end(), [](const Step& step) {
        const Tail& t = tail(step.instruction);
        return t.source.sections() > 0 || t.destination.sections() > 0;
      });
  return layouts || program.steps.empty() ? Dialect::V3 : Dialect::V2;
}

namespace {

class ProgramListing {
 public:
  explicit ProgramListing(const Program& program) : program_(program) {
    listing_.dialect = dialect_of(program);
  }

  Listing run() {
    header();
    for (std::size_t i = 0; i < program_.steps.size(); ++i) {
      host_lines(static_cast<std::int32_t>(i));
      instruction(i);
    }
    host_lines(static_cast<std::int32_t>(program_.steps.size()));
    return std::move(listing_);
  }

 private:
  void remark(std::string text) { listing_.entries.push_back({.comment = "# " + std::move(text)}); }

  void header() {
    remark(fmt::format("{} for {}: {} instructions, {} bytes of filters, {} of DDR",
                       one_token(program_.info.network), one_token(program_.info.machine),
                       program_.steps.size(), program_.constants.size(), program_.ddr_bytes));
    for (const DdrTensor& t : program_.ddr_tensors) {
      remark(fmt::format("ddr {:#x} {} {}x{}x{}", t.address, one_token(t.value), t.channels,
                         t.height, t.width));
    }
    for (const Volume& v : program_.memory_map) {
      remark(fmt::format("am [{:#x}, {:#x}) {} instructions {}..{}", v.address, v.address + v.words,
                         one_token(v.name), v.first, v.last));
    }
  }

  void host_lines(std::int32_t before) {
    const auto& steps = program_.host_steps;
    for (; next_ < steps.size() && steps[next_].before <= before; ++next_) {
      for (const std::size_t n : steps[next_].nodes) {
        const Node& node = program_.host.nodes[n];
        remark(fmt::format("host {} {}", op_name(node.op), one_token(node.name)));
      }
    }
  }

  void instruction(std::size_t i) {
    const Step& step = program_.steps[i];
    const auto layer = static_cast<std::size_t>(program_.info.instruction_layer[i]);
    const std::string& name = program_.info.layers[layer].name;
    Entry entry =
        entry_from(step.instruction, static_cast<std::int64_t>(i), name, listing_.dialect);
    const Unit unit = unit_of(step.instruction);
    if (unit == Unit::Conv) entry.comment = fmt::format("filters {:#x}", step.filter_address);
    if (unit == Unit::Download || unit == Unit::Upload) entry.comment = one_token(name);
    if (step.rescale != Rescale{}) {
      entry.comment = fmt::format("scale {} shift {}", step.rescale.scale, step.rescale.shift);
    }
    listing_.entries.push_back(std::move(entry));
  }

  const Program& program_;
  Listing listing_;
  std::size_t next_ = 0;  // host step
};

}  // namespace

Listing listing_of(const Program& program) { return ProgramListing(program).run(); }

std::string disassemble(const Program& program) { return print_text(listing_of(program)); }

namespace {

// Saved programs begin with the number of their first field, below all characters of a text.
bool is_listing(const std::string& contents) {
  const auto first = std::find_if(contents.begin(), contents.end(), [](char c) {
    return c != ' ' && c != '\t' && c != '\r' && c != '\n';
  });
  return first == contents.end() || (*first > ' ' && *first <= '~');
}

}  // namespace

Listing any_listing(const std::string& contents, const std::string& name) {
  if (is_listing(contents)) return parse_listing(contents, name);
  Listing listing = listing_of(load_bytes(contents, name));
  for (Entry& entry : listing.entries) {
    entry.where = entry.where.empty() ? name : fmt::format("{}: {}", name, entry.where);
  }
  return listing;
}

}  // namespace workbench::xdnn
