#include "explore/report/isa_reference.h"

#include <algorithm>
#include <span>

#include "core/error.h"
#include "core/fields.h"
#include "isa/xdnn/instructions.h"

namespace workbench {

namespace {

// Where the field comes from: sections of the family's page of facts, or "own".
struct Meaning {
  std::string_view field, unit, source, text;
};

// Of names that mean the same in every instruction that has them.
constexpr Meaning kXdnn[] = {
    {"id", "", "2.2, 2.4", "number of the instruction in its file"},
    {"name", "", "2.2", "of the layer"},
    {"conv_name", "", "2.4", "of the convolution before the pool"},
    {"kernel_w", "pixels", "2.2, 2.4", "width of the window; of an upsampling: its factor"},
    {"kernel_h", "pixels", "2.2, 2.4", "height of the window; of an upsampling: its factor"},
    {"strides_w", "pixels", "2.2, 2.4", "between windows along a row"},
    {"strides_h", "pixels", "2.2, 2.4", "between rows of windows"},
    {"padding_w", "pixels", "2.2, 2.4",
     "zeros left of a row; those right of it follow from the result's width"},
    {"padding_h", "pixels", "2.2, 2.4", "rows of zeros above the map"},
    {"paddings_w", "pixels", "2.2, 2.4", "cells left of a row that no window counts"},
    {"paddings_h", "pixels", "2.2, 2.4", "rows above the map that no window counts"},
    {"dilation_w", "pixels", "2.2, 2.4", "between taps of the filter along a row"},
    {"dilation_h", "pixels", "2.2, 2.4", "between rows of taps"},
    {"preshift", "bits", "2.2",
     "of the accumulator before the scale; the channels' own are in DDR"},
    {"scale", "", "2.2", "factor of requantization; the channels' own are in DDR"},
    {"postshift", "bits", "2.2", "after the scale; the channels' own are in DDR"},
    {"relu", "flag", "2.2, 2.4", "results below 0 are 0"},
    {"prelu", "flag", "2.4", "results below 0 have a slope per channel"},
    {"bias", "flag", "2.2, 2.4", "a number per channel is added"},
    {"add", "flag", "2.2, 2.4", "the operands are added"},
    {"bn", "flag", "2.2, 2.4", "the sum is scaled"},
    {"inaddr", "AM words", "2.2, 2.4", "the operand; bytes of DDR where srcAddDDR is set"},
    {"inaddrA", "AM words", "2.2, 2.4", "the first operand"},
    {"inaddrB", "AM words", "2.2, 2.4", "the second operand"},
    {"insize_w", "pixels", "2.2, 2.4", "width of the operand"},
    {"insize_h", "pixels", "2.2, 2.4", "height of the operand"},
    {"inchan", "channels", "2.2, 2.4", "of the operand"},
    {"outaddr", "AM words", "2.2, 2.4", "the result; bytes of DDR where dstAddDDR is set"},
    {"outsize_w", "pixels", "2.2, 2.4", "width of the result"},
    {"outsize_h", "pixels", "2.2, 2.4", "height of the result"},
    {"outchan", "channels", "2.2, 2.4", "of the result"},
    {"Bypass_Perf_Opt", "", "2.2", "V2; always 0, meaning unknown"},
    {"weights_bit", "", "2.4", "of the vendor's templates; changes nothing here"},
    {"fcmode", "", "2.2", "average pool; changes nothing here"},
    {"method", "", "2.4", "of the upsampling; 0: nearest neighbour"},
    {"uram_dest", "AM words", "2.2, 2.4", "where rows are written"},
    {"uram_src", "AM words", "2.2, 2.4", "where rows are read"},
    {"ddr_src", "bytes", "2.2, 2.4", "where the tensor begins in DDR"},
    {"ddr_dest", "bytes", "2.2, 2.4", "where the tensor begins in DDR"},
    {"a0", "", "2.2", "always 0, meaning unknown"},
    {"b1", "", "2.2", "always 1, meaning unknown"},
    {"c1", "", "2.2", "always 1, meaning unknown"},
    {"start_row", "rows", "2.2, 2.4", "the first that moves"},
    {"end_row", "rows", "2.2, 2.4", "the last that moves"},
    {"conv_kernel_w", "pixels", "2.4", "width of the convolution's filter"},
    {"conv_kernel_h", "pixels", "2.4", "height of the convolution's filter"},
    {"conv_strides_w", "pixels", "2.4", "of the convolution, along a row"},
    {"conv_strides_h", "pixels", "2.4", "of the convolution, between rows"},
    {"conv_padding_w", "pixels", "2.4", "of the convolution, left of a row"},
    {"conv_padding_h", "pixels", "2.4", "of the convolution, above the map"},
    {"conv_dilation_w", "pixels", "2.4", "between the filter's taps along a row"},
    {"conv_dilation_h", "pixels", "2.4", "between rows of the filter's taps"},
    {"conv_relu", "flag", "2.4", "the pool reads results below 0 as 0"},
    {"conv_prelu", "flag", "2.4", "a slope per channel before the pool"},
    {"conv_bias", "flag", "2.4", "a number per channel is added before the pool"},
    {"pool_insize_w", "pixels", "2.4", "width of what enters the pool"},
    {"pool_insize_h", "pixels", "2.4", "height of what enters the pool"},
    {"pool_inchan", "channels", "2.4", "that enter the pool"},
    {"conv_outsize_w", "pixels", "2.4", "width of the result once more, for the vendor's runtime"},
    {"slice", "", "2.4", "1: the array; 0: the first layer's array of its own"},
    {"src_full_sect_num", "AM words", "1.5, 2.4",
     "of a pixel of the operand with one channel per byte"},
    {"src_repl_sect_num", "AM words", "1.5, 2.4",
     "of a pixel of the operand with copies of its channels"},
    {"src_repl_unit_num", "copies", "1.5, 2.4", "in such a word of the operand"},
    {"src_repl_unit_width", "channels", "1.5, 2.4", "in each copy of the operand"},
    {"dst_full_sect_num", "AM words", "1.5, 2.4",
     "of a pixel of the result with one channel per byte"},
    {"dst_repl_sect_num", "AM words", "1.5, 2.4",
     "of a pixel of the result with copies of its channels"},
    {"dst_repl_unit_num", "copies", "1.5, 2.4", "in such a word of the result"},
    {"dst_repl_unit_width", "channels", "1.5, 2.4", "in each copy of the result"},
    {"concat_i_am_your_father", "flag", "2.4", "the result is a part of a concat volume"},
    {"concat_full_sect_num", "AM words", "1.5, 2.4",
     "of a pixel of that volume with one channel per byte"},
    {"concat_repl_sect_num", "AM words", "1.5, 2.4", "of a pixel of that volume with copies"},
    {"concat_repl_unit_num", "copies", "1.5, 2.4", "in such a word of that volume"},
    {"concat_repl_unit_width", "channels", "1.5, 2.4", "in each copy of that volume"},
    {"concat_starting_ch", "channels", "2.4", "where the part begins in that volume"},
    {"concat_channels", "channels", "2.4", "of that volume"},
    {"wait_download", "flag", "2.4", "start after the last gather has ended"},
    {"wait_upload", "flag", "2.4", "start after the last scatter has ended"},
    {"wait_conv", "flag", "2.4", "start after the last convolution has ended"},
    {"wait_pool", "flag", "2.4", "start after the last pool has ended"},
    {"wait_ew", "flag", "2.4", "start after the last elementwise operation has ended"},
    {"wait_upsmpl", "flag", "2.4", "start after the last upsampling has ended"},
    {"parallel_read", "flag", "2.4", "the operands are in different partitions of the AM"},
    {"prerelu", "flag", "2.4", "negative codes of the operand are read as 0"},
    {"en_pingpong_weight", "flag", "1.5, 2.4", "slabs of filters alternate between two buffers"},
    {"en_halfrate_mode", "flag", "1.5, 2.4", "half the output channels in a pass"},
    {"en_inlinemaxpool", "flag", "1.2, 2.4", "results stream through the in-line max pool"},
    {"srcAddrReadFromImgQ", "flag", "2.4", "the image queue says where the operand is"},
    {"destAddrReadFromImgQ", "flag", "2.4", "the image queue says where the result goes"},
    {"srcAddDDR", "flag", "2.4", "the operand is in DDR"},
    {"dstAddDDR", "flag", "2.4", "the result goes to DDR"},
    {"tile_width", "pixels", "2.4, 4.7", "width of the result's tiles (HAT)"},
    {"tile_height", "pixels", "2.4, 4.7", "height of the result's tiles (HAT)"},
    {"HAT", "flag", "2.4, 4.7",
     "hardware-assisted tiling: DDR to DDR through tile buffers in the AM"},
    {"SRCAM-Buffer_0", "AM words", "2.4, 4.7", "the first buffer of operand tiles"},
    {"SRCAM-Buffer_1", "AM words", "2.4, 4.7", "the second buffer of operand tiles"},
    {"DEST_AM-Buffer_Offset", "AM words", "2.4", "from a tile buffer to its result; -1: none"},
    {"EWA_2nd-Src_AM", "AM words", "2.4", "of the second operand's tile in the tile buffers"},
};

constexpr Meaning kPulp[] = {
    {"to_l1", "flag", "1.5", "from L2 to L1; else the other way"},
    {"to_l2", "flag", "1.7", "from L3 to L2; else the other way"},
    {"l1", "bytes", "1.5", "address in L1"},
    {"l2", "bytes", "1.5, 1.7", "address in L2"},
    {"l3", "bytes", "1.7", "address in L3"},
    {"length", "bytes", "1.5, 1.7", "of a line; of a transfer with L3: of a row"},
    {"lines", "lines", "1.5", "of a row of the block"},
    {"rows", "rows", "1.5, 1.7", "of a plane of the block"},
    {"planes", "planes", "1.5", "of the block"},
    {"l2_line_stride", "bytes", "1.5", "from line to line in L2"},
    {"l2_row_stride", "bytes", "1.5", "from row to row in L2"},
    {"l2_plane_stride", "bytes", "1.5", "from plane to plane in L2"},
    {"l1_line_stride", "bytes", "1.5", "from line to line in L1"},
    {"l1_row_stride", "bytes", "1.5", "from row to row in L1"},
    {"l1_plane_stride", "bytes", "1.5", "from plane to plane in L1"},
    {"l3_stride", "bytes", "1.7", "from row to row in L3"},
    {"l2_stride", "bytes", "1.7", "from row to row in L2"},
    {"two_d", "flag", "1.5", "a command of the DMA moves all lines of a row"},
    {"split", "flag", "3.6", "the cores share the commands; else core 0 issues all"},
    {"id", "", "1.5, 1.7", "counter that a wait names; several transfers may share one"},
    {"instructions", "instructions", "3.6", "of one cycle, on every core"},
    {"divisions", "divisions", "1.2, 3.6", "on every core"},
    {"l2_loads", "loads", "1.6, 3.6", "from L2, on every core"},
    {"kind", "", "2.4", "the kernel, by its split over the cores (table Kernels)"},
    {"in", "bytes", "2.1", "the operand in L1"},
    {"in2", "bytes", "2.1", "the second operand in L1"},
    {"weights", "bytes", "2.1", "in L1"},
    {"bias", "bytes", "own", "start values of the accumulators in L1, int32 per channel"},
    {"kappa", "bytes", "2.1", "factors of batch norm in L1, per channel"},
    {"lambda", "bytes", "2.1", "offsets of batch norm in L1, per channel"},
    {"out", "bytes", "2.1", "the result in L1"},
    {"scratch", "bytes", "2.4, 2.5", "im2col buffers of the cores in L1"},
    {"in_w", "pixels", "2.1", "width of the operand"},
    {"in_h", "pixels", "2.1", "height of the operand"},
    {"in_c", "channels", "2.1", "of the operand"},
    {"out_w", "pixels", "2.1", "width of the result"},
    {"out_h", "pixels", "2.1", "height of the result"},
    {"out_c", "channels", "2.1", "of the result"},
    {"kernel_w", "pixels", "2.1", "width of the window"},
    {"kernel_h", "pixels", "2.1", "height of the window"},
    {"stride_x", "pixels", "2.4", "between windows along a row"},
    {"stride_y", "pixels", "2.4", "between rows of windows"},
    {"dilation_x", "pixels", "own", "between taps along a row"},
    {"dilation_y", "pixels", "own", "between rows of taps"},
    {"pad_top", "pixels", "2.4", "above the operand"},
    {"pad_bottom", "pixels", "2.4", "below the operand"},
    {"pad_left", "pixels", "2.4", "left of the operand"},
    {"pad_right", "pixels", "2.4", "right of the operand"},
    {"in_bits", "bits", "2.1", "of a code of the operand: 8, 4 or 2; Requantize: 32, too"},
    {"weight_bits", "bits", "2.1", "of a weight: 8, 4 or 2"},
    {"out_bits", "bits", "2.1", "of a code of the result: 8, 4 or 2; 32: accumulators"},
    {"in_signed", "flag", "2.1", "codes of the operand are signed"},
    {"in2_signed", "flag", "2.1", "codes of the second operand are signed"},
    {"out_signed", "flag", "2.1", "codes of the result are signed"},
    {"has_bias", "flag", "own", "accumulators start at bias"},
    {"sums_in", "flag", "own", "accumulators start at sums that an earlier call left"},
    {"sums_out", "flag", "own", "accumulators are left for a later call"},
    {"norm", "flag", "2.2, 3.1",
     "clip((kappa * acc + lambda) >> shift); else clip((multiplier * acc + offset) "
     ">> shift)"},
    {"norm_bits", "bits", "2.2, 3.1", "of kappa, lambda and their product: 32 or 64"},
    {"clamped", "flag", "own",
     "accumulators are limited per channel first, so that 32 bits hold the sum"},
    {"multiplier", "", "2.2, 3.1", "of requantization"},
    {"offset", "", "2.2, 3.1", "of requantization"},
    {"shift", "bits", "2.2, 3.1", "of requantization"},
    {"divisor", "", "2.2", "AveragePool: pixels of the window"},
    {"multiplier1", "", "2.2, 3.1", "Add: of the first operand"},
    {"offset1", "", "2.2, 3.1", "Add: of the first operand"},
    {"shift1", "bits", "2.2, 3.1", "Add: of the first operand"},
    {"multiplier2", "", "2.2, 3.1", "Add: of the second operand"},
    {"offset2", "", "2.2, 3.1", "Add: of the second operand"},
    {"shift2", "bits", "2.2, 3.1", "Add: of the second operand"},
    {"clip_operands", "flag", "2.2, 3.1", "Add: operands are clipped to out_bits before the sum"},
    {"cores", "cores", "2.4", "that take part; 0: all"},
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
  return fmt::format("| `{}` | {} | {} | {} | {} |\n", meaning.field, values, meaning.unit,
                     meaning.text, meaning.source);
}

constexpr std::string_view kHeader =
    "| field | values | unit | meaning | source |\n|---|---|---|---|---|\n";

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
  text += "| field | unit | meaning | source |\n|---|---|---|---|\n";
  for (const std::string& field : fields) {
    const Meaning& meaning = meaning_of(kPulp, field);
    text +=
        fmt::format("| `{}` | {} | {} | {} |\n", field, meaning.unit, meaning.text, meaning.source);
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
           "words. XNDeconv has the fields of XNConv, XNAvgPool\nthose of XNMaxPool. Source: "
           "sections of the "
           "facts that name the field.\n" +
           xdnn_sections(xdnn::Instruction());
  }
  CHECK(family == "pulp", "family '{}'", family);
  return "# The instructions of a PULP program\n\nWritten by `workbench isa pulp` from the field "
         "lists of `isa/pulp/instructions.h`: what a layer's code\ncalls, one instruction a call "
         "([PULP model](pulp-model.md), [facts](facts/pulp.md) 2). `workbench disasm\n--explain` "
         "prints a program with these words. Source: sections of the facts that\n"
         "the field follows from; own: of this project's kernels.\n" +
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
