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

// --- fields without effect
// -------------------------------------------------------------------------

bool is_queue_flag(std::string_view field) {
  return field == "srcAddrReadFromImgQ" || field == "destAddrReadFromImgQ";
}

bool moves(const Instruction& instruction) {
  const Unit unit = unit_of(instruction);
  return unit == Unit::Download || unit == Unit::Upload;
}

bool queue_of_tiles(const Instruction& instruction, std::string_view field, const Machine&) {
  const Tail& t = tail(instruction);
  return !moves(instruction) && ((field == "srcAddrReadFromImgQ" && t.source_in_ddr) ||
                                 (field == "destAddrReadFromImgQ" && t.destination_in_ddr));
}

bool queue_of_transfer(const Instruction& instruction, std::string_view field, const Machine&) {
  return moves(instruction) && is_queue_flag(field);
}

bool offset_of_result(const Instruction& instruction, std::string_view field, const Machine&) {
  return field == "DEST_AM-Buffer_Offset" && tail(instruction).destination_in_ddr;
}

bool weights_of_none(const Instruction& instruction, std::string_view field, const Machine&) {
  return field == "en_pingpong_weight" && unit_of(instruction) != Unit::Conv;
}

bool next_weights(const Instruction& instruction, std::string_view field, const Machine&) {
  return field == "en_pingpong_weight" && unit_of(instruction) == Unit::Conv;
}

bool zero_bias(const Instruction& instruction, std::string_view field, const Machine&) {
  const Conv* conv = conv_in(instruction);
  return (field == "bias" || field == "conv_bias") && conv != nullptr && conv->bias;
}

bool place_of_host(const Instruction& instruction, std::string_view field, const Machine&) {
  const Tail& t = tail(instruction);
  return field == "ddr_src" || field == "ddr_dest" || field == "outaddr" ||
         (field.starts_with("inaddr") && t.source_in_ddr);
}

bool own_layout(const Instruction& instruction, std::string_view field, const Machine& machine) {
  const Tail& t = tail(instruction);
  return field.starts_with("dst_") && !machine.width_aligned() &&
         (t.concat_part || t.destination_in_ddr);
}

bool slice_of_one(const Instruction&, std::string_view field, const Machine& machine) {
  return field == "slice" && machine.family() == Family::V2;
}

bool either_operand(const Instruction& instruction, std::string_view field, const Machine&) {
  return std::holds_alternative<Eltwise>(instruction) && field.starts_with("inaddr");
}

bool size_of_tiles(const Instruction& instruction, std::string_view field, const Machine&) {
  return tail(instruction).source_in_ddr && (field == "tile_width" || field == "tile_height");
}

bool is_id(const Instruction&, std::string_view field, const Machine&) { return field == "id"; }

bool mode_of_average(const Instruction& instruction, std::string_view field,
                     const Machine& machine) {
  const auto* pool = std::get_if<Pool>(&instruction);
  return field == "fcmode" && pool != nullptr && pool->average && machine.width_aligned();
}

bool copies_of_none(const Instruction& instruction, std::string_view field, const Machine&) {
  if (!field.ends_with("repl_unit_num") && !field.ends_with("repl_unit_width")) return false;
  const Tail& t = tail(instruction);
  if (field.starts_with("src_")) return !t.source.replicated();
  if (field.starts_with("dst_")) return !t.destination.replicated();
  if (field.starts_with("concat_")) return !t.concat_volume.replicated();
  return !t.source.replicated() && !t.destination.replicated();  // of a transfer
}

bool is_wait(const Instruction&, std::string_view field, const Machine&) {
  return field.starts_with("wait_");
}

constexpr FieldWithoutEffect kWithoutEffect[] = {
    {"compute instructions with data in DDR", "`srcAddrReadFromImgQ`, `destAddrReadFromImgQ`",
     "the image queue is the DDR that the host fills and reads", queue_of_tiles},
    {"`XNGather`, `XNScatter`", "the same", "both forms are in use for the network's input",
     queue_of_transfer},
    {"compute instructions with a result in DDR", "`DEST_AM-Buffer_Offset`",
     "documented nowhere but for -1", offset_of_result},
    {"pools, sums, upsampling, transfers", "`en_pingpong_weight`",
     "they have no weights; shipped programs have 0 and 1", weights_of_none},
    {"`XNAvgPool` of V2", "`fcmode`", "0 and 1 in shipped programs, meaning unknown",
     mode_of_average},
    {"all", "`*_repl_unit_num`, `*_repl_unit_width` of a layout without replicated sections",
     "shipped programs leave values there", copies_of_none},
    {"convolutions", "`en_pingpong_weight`", "changes nothing but the time", next_weights},
    {"convolutions", "`bias` or `conv_bias` of 1 where the network has none", "a bias of zero",
     zero_bias},
    {"all", "the address of the network's input in DDR, or of a result that nothing reads back",
     "where they lie the host decides", place_of_host},
    {"compute instructions with a result in DDR or in a larger volume",
     "`dst_*`: 0, or the layout of the result alone", "shipped programs have both", own_layout},
    {"all of V2", "`slice` of 0 or 1", "there is but one", slice_of_one},
    {"`XNEltwise`", "`inaddrA` and `inaddrB` exchanged", "a sum", either_operand},
    {"compute instructions with operands in DDR", "`tile_width`, `tile_height`",
     "change nothing but the time", size_of_tiles},
    {"all", "`id`", "numbers the line", is_id},
    {"all", "a `wait_*` beyond those that are needed", "changes nothing but the time", is_wait},
};

}  // namespace

std::span<const FieldWithoutEffect> fields_without_effect() { return kWithoutEffect; }

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
