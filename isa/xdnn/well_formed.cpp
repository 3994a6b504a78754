#include "isa/xdnn/well_formed.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <string_view>

#include "core/error.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/footprint.h"

namespace workbench::xdnn {

namespace {

// Arrays whose rows are no multiple of the copies leave the last rows empty (assumed:
// docs/facts/xdnn.md 1.5 knows 96 rows, 3 x 32 and 2 x 48 only).
std::string layout_fault(const char* field, const ChannelLayout& l, std::int64_t channels,
                         std::int64_t word_channels) {
  const auto fault = [&](const char* why) {
    return fmt::format("{} {} {} {} {} for {} channels: {}", field, l.full, l.repl_sections,
                       l.repl_units, l.repl_width, channels, why);
  };
  if (l.full < 0 || l.repl_sections < 0) return fault("a negative number of sections");
  std::int64_t width = word_channels;  // channels of the last section
  if (l.replicated()) {
    if (l.repl_units < 1 || l.repl_units > word_channels ||
        l.repl_width != word_channels / l.repl_units) {
      return fault("copies x channels do not make a word");
    }
    width = l.repl_width;
  } else if (l.repl_units != 0 || l.repl_width != 0) {
    return fault("copies of no section");
  }
  const std::int64_t held = l.full * word_channels + l.repl_sections * l.repl_width;
  if (channels > held) return fault("too few sections");
  if (channels <= held - width) return fault("an empty section");
  return "";
}

std::string tail_fault(const Step& step, const Machine& machine) {
  const Tail& t = tail(step.instruction);
  const Operands operands = am_operands(step, machine);
  const std::int64_t word = machine.geometry().word_channels();
  for (const AmTensor& source : operands.sources) {
    std::string fault = layout_fault("src", t.source, source.channels, word);
    if (!fault.empty()) return fault;
  }
  for (const AmTensor& result : operands.results) {
    if (!t.concat_part) {
      std::string fault = layout_fault("dst", t.destination, result.channels, word);
      if (!fault.empty()) return fault;
      continue;
    }
    if (t.concat_start < 0 || result.channels > t.concat_channels - t.concat_start) {
      return fmt::format("concat_starting_ch {}: {} channels of {} do not fit", t.concat_start,
                         result.channels, t.concat_channels);
    }
    std::string fault = layout_fault("concat", t.concat_volume, t.concat_channels, word);
    if (!fault.empty()) return fault;
  }
  return "";
}

// Operands or a result in DDR.
std::string tile_fault(const Step& step, const Machine& machine) {
  const Tail& t = tail(step.instruction);
  if (!t.source_in_ddr && !t.destination_in_ddr) return "";
  const Unit unit = unit_of(step.instruction);
  if (machine.width_aligned()) return "srcAddDDR, dstAddDDR: the machine has no tiles";
  if (unit != Unit::Conv && unit != Unit::Pool && unit != Unit::Eltwise) {
    return fmt::format("srcAddDDR, dstAddDDR: {} has no tiles", opcode(step.instruction));
  }
  if (!t.source_in_ddr) return "";
  if (t.tile_width < 1 || t.tile_height < 1) {
    return fmt::format("tile_width, tile_height: {}x{} is no tile", t.tile_width, t.tile_height);
  }
  return layout_fault("src", t.source, ddr_sources(step.instruction)[0].channels,
                      machine.geometry().word_channels());
}

// Kernels, strides, dilations, sizes and channels are at least 1, padding is at least 0.
// Shipped programs have 0 in conv_outsize_w.
std::string size_fault(const Instruction& instruction) {
  constexpr std::string_view kAtLeastOne[] = {"kernel_", "strides_", "dilation_", "insize_",
                                              "inchan",  "outsize_", "outchan",   "pool_in"};
  std::string fault;
  const auto check = [&](std::string_view field, auto value) {
    std::string_view name = field;
    if (name.starts_with("conv_")) name.remove_prefix(5);
    const bool one = std::any_of(std::begin(kAtLeastOne), std::end(kAtLeastOne),
                                 [&](std::string_view prefix) { return name.starts_with(prefix); });
    if (!fault.empty() || field == "conv_outsize_w") return;
    if (!one && !name.starts_with("padding")) return;
    const std::int64_t least = one ? 1 : 0, found = static_cast<std::int64_t>(value);
    if (found < least)
      fault = fmt::format("{}: expected at least {}, found {}", field, least, found);
  };
  std::visit([&](const auto& op) { for_each_field(op, check); }, instruction);
  return fault;
}

// Rows of a transfer that its tensor in DDR does not have.
template <typename Transfer>
std::string row_fault(const Transfer& transfer) {
  const std::int64_t first = transfer.start_row, last = transfer.end_row;
  if (0 <= first && first <= last && last < transfer.height) return "";
  return fmt::format("start_row, end_row: {} to {} of {} rows", first, last, transfer.height);
}

std::string transfer_fault(const Instruction& instruction) {
  if (const auto* gather = std::get_if<Gather>(&instruction)) return row_fault(*gather);
  if (const auto* scatter = std::get_if<Scatter>(&instruction)) return row_fault(*scatter);
  return "";
}

}  // namespace

std::string malformed(const Step& step, const Machine& card) {
  const MachineOfSlice own(card, tail(step.instruction).slice);
  const Machine& machine = own.get();
  std::string fault = size_fault(step.instruction);
  if (fault.empty()) fault = transfer_fault(step.instruction);
  if (fault.empty()) fault = tile_fault(step, machine);
  if (!fault.empty()) return fault;
  if (machine.width_aligned()) return "";  // has none of these fields
  return tail_fault(step, machine);
}

std::string slice0_obstacle(const Instruction& instruction, const Machine& machine) {
  if (!has_slice0(machine)) return fmt::format("{} has no slice 0", machine.name);
  const auto* fused = std::get_if<ConvPool>(&instruction);
  const Conv* conv = fused != nullptr ? &fused->conv : std::get_if<Conv>(&instruction);
  if (conv == nullptr || conv->transposed) {
    return fmt::format("{} is no convolution", opcode(instruction));
  }
  if (!conv->tail.source_in_ddr) return "its input does not come from DDR";
  if (!conv->tail.destination_in_ddr) return "its result does not go to DDR";
  if (conv->in_ch > machine.slice0.rows) {
    return fmt::format("it has {} input channels, slice 0 has {} rows", conv->in_ch,
                       machine.slice0.rows);
  }
  const MachineOfSlice block(machine, 0);
  const std::int64_t steps = array_steps(conv->tail.source, conv->kernel_h, conv->kernel_w);
  if (!filter_mode(steps, block.get()).possible) {
    return fmt::format("its filters need {} array steps, at most {} are possible", steps,
                       machine.filters.steps_max);
  }
  return "";
}

}  // namespace workbench::xdnn
