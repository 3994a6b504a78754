#include "explore/report/isa_reference.h"

#include <algorithm>
#include <span>

#include "core/error.h"
#include "core/fields.h"
#include "isa/xdnn/instructions.h"

namespace workbench {

namespace {

struct Meaning {
  std::string_view field, unit, text;
};

// Of names that mean the same in every instruction that has them.
constexpr Meaning kXdnn[] = {
    {"id", "", "number of the instruction in its file"},
    {"name", "", "of the layer"},
    {"conv_name", "", "of the convolution before the pool"},
    {"kernel_w", "pixels", "width of the window; of an upsampling: its factor"},
    {"kernel_h", "pixels", "height of the window; of an upsampling: its factor"},
    {"strides_w", "pixels", "between windows along a row"},
    {"strides_h", "pixels", "between rows of windows"},
    {"padding_w", "pixels",
     "zeros left of a row; those right of it follow from the result's width"},
    {"padding_h", "pixels", "rows of zeros above the map"},
    {"paddings_w", "pixels", "cells left of a row that no window counts"},
    {"paddings_h", "pixels", "rows above the map that no window counts"},
    {"dilation_w", "pixels", "between taps of the filter along a row"},
    {"dilation_h", "pixels", "between rows of taps"},
    {"preshift", "bits", "of the accumulator before the scale; the channels' own are in DDR"},
    {"scale", "", "factor of requantization; the channels' own are in DDR"},
    {"postshift", "bits", "after the scale; the channels' own are in DDR"},
    {"relu", "flag", "results below 0 are 0"},
    {"prelu", "flag", "results below 0 have a slope per channel"},
    {"bias", "flag", "a number per channel is added"},
    {"add", "flag", "the operands are added"},
    {"bn", "flag", "the sum is scaled"},
    {"inaddr", "AM words", "the operand; bytes of DDR where srcAddDDR is set"},
    {"inaddrA", "AM words", "the first operand"},
    {"inaddrB", "AM words", "the second operand"},
    {"insize_w", "pixels", "width of the operand"},
    {"insize_h", "pixels", "height of the operand"},
    {"inchan", "channels", "of the operand"},
    {"outaddr", "AM words", "the result; bytes of DDR where dstAddDDR is set"},
    {"outsize_w", "pixels", "width of the result"},
    {"outsize_h", "pixels", "height of the result"},
    {"outchan", "channels", "of the result"},
    {"Bypass_Perf_Opt", "", "V2; always 0, meaning unknown"},
    {"weights_bit", "", "of the vendor's templates; changes nothing here"},
    {"fcmode", "", "average pool; changes nothing here"},
    {"method", "", "of the upsampling; 0: nearest neighbour"},
    {"uram_dest", "AM words", "where rows are written"},
    {"uram_src", "AM words", "where rows are read"},
    {"ddr_src", "bytes", "where the tensor begins in DDR"},
    {"ddr_dest", "bytes", "where the tensor begins in DDR"},
    {"a0", "", "always 0, meaning unknown"},
    {"b1", "", "always 1, meaning unknown"},
    {"c1", "", "always 1, meaning unknown"},
    {"start_row", "rows", "the first that moves"},
    {"end_row", "rows", "the last that moves"},
    {"conv_kernel_w", "pixels", "width of the convolution's filter"},
    {"conv_kernel_h", "pixels", "height of the convolution's filter"},
    {"conv_strides_w", "pixels", "of the convolution, along a row"},
    {"conv_strides_h", "pixels", "of the convolution, between rows"},
    {"conv_padding_w", "pixels", "of the convolution, left of a row"},
    {"conv_padding_h", "pixels", "of the convolution, above the map"},
    {"conv_dilation_w", "pixels", "between the filter's taps along a row"},
    {"conv_dilation_h", "pixels", "between rows of the filter's taps"},
    {"conv_relu", "flag", "the pool reads results below 0 as 0"},
    {"conv_prelu", "flag", "a slope per channel before the pool"},
    {"conv_bias", "flag", "a number per channel is added before the pool"},
    {"pool_insize_w", "pixels", "width of what enters the pool"},
    {"pool_insize_h", "pixels", "height of what enters the pool"},
    {"pool_inchan", "channels", "that enter the pool"},
    {"conv_outsize_w", "pixels", "width of the result once more, for the vendor's runtime"},
    {"slice", "", "1: the array; 0: the first layer's array of its own"},
    {"src_full_sect_num", "AM words", "of a pixel of the operand with one channel per byte"},
    {"src_repl_sect_num", "AM words", "of a pixel of the operand with copies of its channels"},
    {"src_repl_unit_num", "copies", "in such a word of the operand"},
    {"src_repl_unit_width", "channels", "in each copy of the operand"},
    {"dst_full_sect_num", "AM words", "of a pixel of the result with one channel per byte"},
    {"dst_repl_sect_num", "AM words", "of a pixel of the result with copies of its channels"},
    {"dst_repl_unit_num", "copies", "in such a word of the result"},
    {"dst_repl_unit_width", "channels", "in each copy of the result"},
    {"concat_i_am_your_father", "flag", "the result is a part of a concat volume"},
    {"concat_full_sect_num", "AM words", "of a pixel of that volume with one channel per byte"},
    {"concat_repl_sect_num", "AM words", "of a pixel of that volume with copies"},
    {"concat_repl_unit_num", "copies", "in such a word of that volume"},
    {"concat_repl_unit_width", "channels", "in each copy of that volume"},
    {"concat_starting_ch", "channels", "where the part begins in that volume"},
    {"concat_channels", "channels", "of that volume"},
    {"wait_download", "flag", "start after the last gather has ended"},
    {"wait_upload", "flag", "start after the last scatter has ended"},
    {"wait_conv", "flag", "start after the last convolution has ended"},
    {"wait_pool", "flag", "start after the last pool has ended"},
    {"wait_ew", "flag", "start after the last elementwise operation has ended"},
    {"wait_upsmpl", "flag", "start after the last upsampling has ended"},
    {"parallel_read", "flag", "the operands are in different partitions of the AM"},
    {"prerelu", "flag", "negative codes of the operand are read as 0"},
    {"en_pingpong_weight", "flag", "slabs of filters alternate between two buffers"},
    {"en_halfrate_mode", "flag", "half the output channels in a pass"},
    {"en_inlinemaxpool", "flag", "results stream through the in-line max pool"},
    {"srcAddrReadFromImgQ", "flag", "the image queue says where the operand is"},
    {"destAddrReadFromImgQ", "flag", "the image queue says where the result goes"},
    {"srcAddDDR", "flag", "the operand is in DDR"},
    {"dstAddDDR", "flag", "the result goes to DDR"},
    {"tile_width", "pixels", "width of the result's tiles (HAT)"},
    {"tile_height", "pixels", "height of the result's tiles (HAT)"},
    {"HAT", "flag", "hardware-assisted tiling: DDR to DDR through tile buffers in the AM"},
    {"SRCAM-Buffer_0", "AM words", "the first buffer of operand tiles"},
    {"SRCAM-Buffer_1", "AM words", "the second buffer of operand tiles"},
    {"DEST_AM-Buffer_Offset", "AM words", "from a tile buffer to its result; -1: none"},
    {"EWA_2nd-Src_AM", "AM words", "of the second operand's tile in the tile buffers"},
};

constexpr Meaning kPulp[] = {
    {"to_l1", "flag", "from L2 to L1; else the other way"},
    {"to_l2", "flag", "from L3 to L2; else the other way"},
    {"l1", "bytes", "address in L1"},
    {"l2", "bytes", "address in L2"},
    {"l3", "bytes", "address in L3"},
    {"length", "bytes", "of a line; of a transfer with L3: of a row"},
    {"lines", "lines", "of a row of the block"},
    {"rows", "rows", "of a plane of the block"},
    {"planes", "planes", "of the block"},
    {"l2_line_stride", "bytes", "from line to line in L2"},
    {"l2_row_stride", "bytes", "from row to row in L2"},
    {"l2_plane_stride", "bytes", "from plane to plane in L2"},
    {"l1_line_stride", "bytes", "from line to line in L1"},
    {"l1_row_stride", "bytes", "from row to row in L1"},
    {"l1_plane_stride", "bytes", "from plane to plane in L1"},
    {"l3_stride", "bytes", "from row to row in L3"},
    {"l2_stride", "bytes", "from row to row in L2"},
    {"two_d", "flag", "a command of the DMA moves all lines of a row"},
    {"split", "flag", "the cores share the commands; else core 0 issues all"},
    {"id", "", "counter that a wait names; several transfers may share one"},
    {"instructions", "instructions", "of one cycle, on every core"},
    {"divisions", "divisions", "on every core"},
    {"l2_loads", "loads", "from L2, on every core"},
    {"kind", "", "the kernel, by its split over the cores (table Kernels)"},
    {"in", "bytes", "the operand in L1"},
    {"in2", "bytes", "the second operand in L1"},
    {"weights", "bytes", "in L1"},
    {"bias", "bytes", "start values of the accumulators in L1, int32 per channel"},
    {"kappa", "bytes", "factors of batch norm in L1, per channel"},
    {"lambda", "bytes", "offsets of batch norm in L1, per channel"},
    {"out", "bytes", "the result in L1"},
    {"scratch", "bytes", "im2col buffers of the cores in L1"},
    {"in_w", "pixels", "width of the operand"},
    {"in_h", "pixels", "height of the operand"},
    {"in_c", "channels", "of the operand"},
    {"out_w", "pixels", "width of the result"},
    {"out_h", "pixels", "height of the result"},
    {"out_c", "channels", "of the result"},
    {"kernel_w", "pixels", "width of the window"},
    {"kernel_h", "pixels", "height of the window"},
    {"stride_x", "pixels", "between windows along a row"},
    {"stride_y", "pixels", "between rows of windows"},
    {"dilation_x", "pixels", "between taps along a row"},
    {"dilation_y", "pixels", "between rows of taps"},
    {"pad_top", "pixels", "above the operand"},
    {"pad_bottom", "pixels", "below the operand"},
    {"pad_left", "pixels", "left of the operand"},
    {"pad_right", "pixels", "right of the operand"},
    {"in_bits", "bits", "of a code of the operand: 8, 4 or 2; Requantize: 32, too"},
    {"weight_bits", "bits", "of a weight: 8, 4 or 2"},
    {"out_bits", "bits", "of a code of the result: 8, 4 or 2; 32: accumulators"},
    {"in_signed", "flag", "codes of the operand are signed"},
    {"in2_signed", "flag", "codes of the second operand are signed"},
    {"out_signed", "flag", "codes of the result are signed"},
    {"has_bias", "flag", "accumulators start at bias"},
    {"sums_in", "flag", "accumulators start at sums that an earlier call left"},
    {"sums_out", "flag", "accumulators are left for a later call"},
    {"norm", "flag",
     "clip((kappa * acc + lambda) >> shift); else clip((multiplier * acc + offset) "
     ">> shift)"},
    {"norm_bits", "bits", "of kappa, lambda and their product: 32 or 64"},
    {"clamped", "flag", "accumulators are limited per channel first, so that 32 bits hold the sum"},
    {"multiplier", "", "of requantization"},
    {"offset", "", "of requantization"},
    {"shift", "bits", "of requantization"},
    {"divisor", "", "AveragePool: pixels of the window"},
    {"multiplier1", "", "Add: of the first operand"},
    {"offset1", "", "Add: of the first operand"},
    {"shift1", "bits", "Add: of the first operand"},
    {"multiplier2", "", "Add: of the second operand"},
    {"offset2", "", "Add: of the second operand"},
    {"shift2", "bits", "Add: of the second operand"},
    {"clip_operands", "flag", "Add: operands are clipped to out_bits before the sum"},
    {"cores", "cores", "that take part; 0: all"},
};

const Meaning* find(std::span<const Meaning> meanings, std::string_view field) {
  const auto found = std::ranges::find(meanings, field, &Meaning::field);
  return found == meanings.end() ? nullptr : &*found;
}

const Meaning& meaning_of(std::span<const Meaning> meanings, std::string_view field) {
  const Meaning* const found = find(meanings, field);
  CHECK(found != nullptr, "field '{}' has no meaning", field);
  return *found;
}

std::string row(const Meaning& meaning, const std::string& values) {
  return fmt::format("| `{}` | {} | {} | {} |\n", meaning.field, values, meaning.unit,
                     meaning.text);
}

constexpr std::string_view kHeader = "| field | values | unit | meaning |\n|---|---|---|---|\n";

std::string xdnn_values(std::string_view field) {
  const auto rule = xdnn::field_rule(field);
  if (!rule || rule->text) return "text";
  return rule->high == std::int64_t{1} << 40 ? fmt::format("from {}", rule->low)
                                             : fmt::format("{} to {}", rule->low, rule->high);
}

template <typename T>
std::vector<std::string> names_of_fields() {
  std::vector<std::string> names;
  const T blank{};
  for_each_field(blank, [&](std::string_view name, auto&&...) { names.emplace_back(name); });
  return names;
}

template <typename T>
std::string xdnn_section(const std::vector<std::string>& tail) {
  std::string text = fmt::format("\n## {}\n\n{}", T::kOpcode, kHeader);
  for (const std::string& field : names_of_fields<T>()) {
    if (std::ranges::find(tail, field) != tail.end()) continue;
    text += row(meaning_of(kXdnn, field), xdnn_values(field));
  }
  return text;
}

template <typename... T>
std::string xdnn_sections(const std::variant<T...>&) {
  const std::vector<std::string> tail = names_of_fields<xdnn::Tail>();
  std::string text = (xdnn_section<T>(tail) + ...);
  text += fmt::format("\n## Fields of every instruction\n\n{}", kHeader);
  for (const std::string& field : tail) text += row(meaning_of(kXdnn, field), xdnn_values(field));
  return text;
}

std::string pulp_kernels() {
  std::string text = "\n## Kernels\n\n| `kind` | |\n|---|---|\n";
  for (std::int64_t k = 0; k <= static_cast<std::int64_t>(last(pulp::KernelKind{})); ++k) {
    text += fmt::format("| {} | `{}` |\n", k, to_string(static_cast<pulp::KernelKind>(k)));
  }
  return text;
}

template <typename T>
std::string pulp_section() {
  std::string text = fmt::format("\n## {}\n\n", pulp::opcode(pulp::Instruction(T{})));
  const auto fields = names_of_fields<T>();
  if (fields.empty()) return text + "No fields.\n";
  text += "| field | unit | meaning |\n|---|---|---|\n";
  for (const std::string& field : fields) {
    const Meaning& meaning = meaning_of(kPulp, field);
    text += fmt::format("| `{}` | {} | {} |\n", field, meaning.unit, meaning.text);
  }
  return text;
}

template <typename... T>
std::string pulp_sections(const std::variant<T...>&) {
  return (pulp_section<T>() + ...);
}

ExplainedField explained_field(std::string field, std::string value,
                               std::span<const Meaning> meanings) {
  const Meaning* const meaning = find(meanings, field);
  if (meaning == nullptr) return {std::move(field), std::move(value), {}, {}};
  return {std::move(field), std::move(value), meaning->unit, meaning->text};
}

template <typename T>
std::string value_text(const T& value) {
  if constexpr (std::is_enum_v<T>) {
    return std::string(to_string(value));
  } else {
    return fmt::format("{}", static_cast<std::int64_t>(value));
  }
}

}  // namespace

std::string isa_reference(std::string_view family) {
  if (family == "xdnn") {
    return "# The xDNN instruction set\n\nWritten by `workbench isa xdnn` from the field lists of "
           "`isa/xdnn/instructions.h`; names and order of\nthe fields are the vendor's "
           "([facts](facts/xdnn.md), 2.4). Releases differ in fields: [dialects]"
           "(assembly.md#dialects).\n`workbench disasm --explain` prints a program with these "
           "words. XNDeconv has the fields of XNConv, XNAvgPool\nthose of XNMaxPool.\n" +
           xdnn_sections(xdnn::Instruction());
  }
  CHECK(family == "pulp", "family '{}'", family);
  return "# The instructions of a PULP program\n\nWritten by `workbench isa pulp` from the field "
         "lists of `isa/pulp/instructions.h`: what a layer's code\ncalls, one instruction a call "
         "([PULP model](pulp-model.md), [facts](facts/pulp.md) 2). `workbench disasm\n--explain` "
         "prints a program with these words.\n" +
         pulp_sections(pulp::Instruction()) + pulp_kernels();
}

std::vector<ExplainedInstruction> explained_instructions(const xdnn::Listing& listing) {
  std::vector<ExplainedInstruction> all;
  std::int64_t executed = 0;
  for (const xdnn::Entry& entry : listing.entries) {
    if (entry.opcode.empty()) continue;
    ExplainedInstruction& one = all.emplace_back();
    if (xdnn::executed(entry)) one.number = executed++;
    one.text = fmt::format("{} {}", entry.opcode, xdnn::name_of(entry));
    for (const xdnn::Field& field : entry.fields) {
      if (field.key == "name" || field.value == "0" || field.value == "0x0") continue;
      if (field.key == "id" && field.value == fmt::format("{}", one.number)) continue;
      one.fields.push_back(explained_field(field.key, field.value, kXdnn));
    }
  }
  return all;
}

namespace {

// Fields that are not as they are without.
std::vector<ExplainedField> explained_fields(const pulp::Instruction& instruction) {
  std::vector<ExplainedField> fields;
  std::visit(
      [&]<typename T>(const T& one) {
        std::vector<std::string> defaults;
        const T blank{};
        for_each_field(blank, [&](std::string_view, const auto& value, auto&&...) {
          defaults.push_back(value_text(value));
        });
        std::size_t at = 0;
        for_each_field(one, [&](std::string_view field, const auto& value, auto&&...) {
          std::string shown = value_text(value);
          if (shown == defaults[at++]) return;
          fields.push_back(explained_field(std::string(field), std::move(shown), kPulp));
        });
      },
      instruction);
  return fields;
}

}  // namespace

std::vector<ExplainedInstruction> explained_instructions(const pulp::Program& program) {
  std::vector<ExplainedInstruction> all;
  for (std::size_t i = 0; i < program.instructions.size(); ++i) {
    all.push_back({.number = static_cast<std::int64_t>(i),
                   .text = program.info.instruction_text[i],
                   .fields = explained_fields(program.instructions[i])});
  }
  return all;
}

std::string explained(const std::vector<ExplainedInstruction>& instructions) {
  std::string text;
  for (const ExplainedInstruction& one : instructions) {
    text += fmt::format("{} {}\n", one.number < 0 ? "-" : fmt::format("{}", one.number), one.text);
    for (const ExplainedField& field : one.fields) {
      if (field.meaning.empty()) {
        text += fmt::format("    {:<24} {}\n", field.field, field.value);
        continue;
      }
      text += fmt::format("    {:<24} {:<12} {}{}{}\n", field.field, field.value, field.unit,
                          field.unit.empty() ? "" : ", ", field.meaning);
    }
  }
  return text;
}

}  // namespace workbench
