#include "compiler/xdnn/replay_fields.h"

#include <algorithm>
#include <optional>

#include "compiler/xdnn/replay_listing.h"
#include "isa/xdnn/footprint.h"

namespace workbench::xdnn {

namespace {

struct Only {
  std::int64_t value = 0;
  std::string_view why;
};

bool one_of(std::string_view field, std::initializer_list<std::string_view> names) {
  return std::find(names.begin(), names.end(), field) != names.end();
}

// The value that a field of the tail has where it means nothing.
std::optional<Only> only_value(const Instruction& instruction, std::string_view field) {
  const Tail& t = tail(instruction);
  const Unit unit = unit_of(instruction);
  const bool conv = unit == Unit::Conv, sum = unit == Unit::Eltwise;
  const bool gather = unit == Unit::Download, scatter = unit == Unit::Upload;
  const bool fused = std::holds_alternative<ConvPool>(instruction);
  if (field.starts_with("concat_") && field != "concat_i_am_your_father" && !t.concat_part) {
    return Only{0, "it is no part of a concat"};
  }
  if (field == "HAT") {
    return t.source_in_ddr ? Only{1, "its operand is in DDR"} : Only{0, "no operand is in DDR"};
  }
  if (one_of(field,
             {"tile_width", "tile_height", "SRCAM-Buffer_0", "SRCAM-Buffer_1", "EWA_2nd-Src_AM"}) &&
      !t.source_in_ddr) {
    return Only{0, "no operand is in DDR"};
  }
  if (field == "srcAddrReadFromImgQ" && !gather && !t.source_in_ddr) {
    return Only{0, "no operand is in DDR"};
  }
  if (one_of(field, {"destAddrReadFromImgQ", "DEST_AM-Buffer_Offset"}) && !scatter &&
      !t.destination_in_ddr) {
    return Only{0, "its result is not in DDR"};
  }
  if (field == "en_inlinemaxpool") {
    return fused ? Only{1, "its pool is in line"} : Only{0, "it has no pool in line"};
  }
  if (field == "parallel_read" && !sum) return Only{0, "it has one operand"};
  if (field == "en_halfrate_mode" && !conv) return Only{0, "it has no filters"};
  return std::nullopt;
}

// And of the other fields.
std::optional<Only> only_value_of_all(const Instruction& instruction, std::string_view field,
                                      const Machine& machine) {
  constexpr std::string_view kPlaceholder = "the real ones are per channel";
  constexpr std::string_view kUnknown = "no other value is known";
  if (field == "preshift") return Only{16, kPlaceholder};
  if (field == "scale") return Only{26, kPlaceholder};
  if (field == "postshift") return Only{2, kPlaceholder};
  if (one_of(field, {"Bypass_Perf_Opt", "a0"})) return Only{0, kUnknown};
  if (one_of(field, {"b1", "c1"})) return Only{1, kUnknown};
  if (field == "weights_bit") {
    const bool weights =
        unit_of(instruction) == Unit::Conv || unit_of(instruction) == Unit::Eltwise;
    return Only{weights ? 1 : 0, kUnknown};
  }
  const auto* pool = std::get_if<Pool>(&instruction);
  if (field == "fcmode" && pool != nullptr && !(pool->average && machine.width_aligned())) {
    return Only{0, kUnknown};
  }
  const auto* fused = std::get_if<ConvPool>(&instruction);
  if (field == "conv_outsize_w" && fused != nullptr) return Only{fused->out_w, "it is outsize_w"};
  return only_value(instruction, field);
}

// A volume that no network says anything of still has room for the part, and its layout for it.
void check_volume(const Entry& entry, const Tail& t, const Machine& machine) {
  if (machine.width_aligned() || !t.concat_part) return;
  if (entry.find("concat_channels") == nullptr) return;
  const ChannelLayout& l = t.concat_volume;
  const std::int64_t word = machine.geometry().word_channels();
  const std::int64_t held = l.full * word + l.repl_sections * l.repl_width;
  if (t.concat_start < t.concat_channels && t.concat_channels <= held) return;
  refuse(entry, fmt::format("fields concat_*: expected room for channel {} of {}, found {}",
                            t.concat_start, t.concat_channels, held));
}

// The layout of a result that lies in a larger volume, or in DDR, is not read: it is none, or that
// of the result alone.
void check_own_layout(const Entry& entry, const Instruction& instruction, const Machine& machine) {
  const Tail& t = tail(instruction);
  if (machine.width_aligned() || (!t.concat_part && !t.destination_in_ddr)) return;
  const ChannelLayout& l = t.destination;
  if (l == ChannelLayout{}) return;
  const Operands operands = am_operands({.instruction = instruction}, machine);
  const std::int64_t channels = t.concat_part && !operands.results.empty()
                                    ? operands.results[0].channels
                                    : ddr_result({.instruction = instruction}).channels;
  const std::int64_t word = machine.geometry().word_channels();
  const std::int64_t width = l.replicated() ? l.repl_width : word;
  const std::int64_t held = l.full * word + l.repl_sections * l.repl_width;
  if (channels <= held && channels > held - width) return;
  refuse(entry, fmt::format("fields dst_*: expected the layout of {} channels, found {} {} {} {}",
                            channels, l.full, l.repl_sections, l.repl_units, l.repl_width));
}

}  // namespace

void check_fields_without_effect(const Entry& entry, const Instruction& instruction,
                                 const Machine& machine) {
  std::visit(
      [&](const auto& op) {
        for_each_field(op, [&](std::string_view field, const auto& member) {
          if (entry.find(field) == nullptr) return;  // another dialect
          const auto found = static_cast<std::int64_t>(member);
          const std::optional<Only> only = only_value_of_all(instruction, field, machine);
          if (!only || only->value == found) return;
          refuse(entry, fmt::format("field {}: expected {} ({}), found {}", field, only->value,
                                    only->why, found));
        });
      },
      instruction);
  check_volume(entry, tail(instruction), machine);
  check_own_layout(entry, instruction, machine);
}

}  // namespace workbench::xdnn
