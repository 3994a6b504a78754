#include "explore/html/layer_tiles.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <map>

#include "isa/xdnn/cost.h"
#include "isa/xdnn/slice.h"

namespace workbench {

namespace {

constexpr const char* kNone = "–";

std::string sizes(const std::array<std::int64_t, 3>& chw) {
  return fmt::format("{} × {} × {}", chw[0], chw[1], chw[2]);
}

TilesTable tiles_of(const pulp::Program& program, const pulp::Machine& machine) {
  TilesTable table;
  table.heads = {{"kernel", "code that computes the layer", false},
                 {"cores", "that take part", true},
                 {"L1 tile in", "channels × rows × columns of a full tile", false},
                 {"L1 tile out", "channels × rows × columns of a full tile", false},
                 {"tiles", "in all slices", true},
                 {"buffers", "double: the next tile comes while one is computed", false},
                 {"L1 bytes", "taken while the layer runs", true},
                 {"of L1", "share of what programs may use", true},
                 {"L2 slices", "1: the layer lies in L2 whole", true},
                 {"L2 slice in", "channels × rows × columns", false},
                 {"L2 slice out", "channels × rows × columns", false},
                 {"L2 bytes", "live while the layer runs", true}};
  for (const pulp::LayerTiling& t : program.tilings) {
    const std::int64_t cores = t.cores == 0 ? machine.cluster.cores : t.cores;
    const double share =
        100 * static_cast<double>(t.l1_bytes) / static_cast<double>(machine.l1.buffer_bytes);
    table.rows.push_back(
        {t.layer,
         {t.kernel, std::to_string(cores), sizes(t.l1_in), sizes(t.l1_out),
          std::to_string(t.l1_tiles), t.double_buffered ? "double" : "single",
          std::to_string(t.l1_bytes), fmt::format("{:.1f} %", share), std::to_string(t.l2_slices),
          sizes(t.l2_in), sizes(t.l2_out), std::to_string(t.l2_bytes)}});
  }
  return table;
}

// What the instructions of one xDNN layer come to.
struct LayerCommands {
  std::map<std::string, int> opcodes;
  std::int64_t passes = 0, steps = 0, tiles = 0;
  std::int64_t tile_width = 0, tile_height = 0;
  Bytes slab;
};

void add(const xdnn::Instruction& instruction, const xdnn::Machine& machine,
         LayerCommands& commands) {
  ++commands.opcodes[std::string(xdnn::opcode(instruction))];
  const bool conv = std::holds_alternative<xdnn::Conv>(instruction) ||
                    std::holds_alternative<xdnn::ConvPool>(instruction);
  if (!conv) return;
  const xdnn::ConvCost cost = xdnn::conv_cost(instruction, machine);
  commands.passes += cost.passes;
  commands.steps = std::max(commands.steps, cost.steps);
  commands.slab = std::max(commands.slab, cost.slab);
  const xdnn::Tail& tail = xdnn::tail(instruction);
  if (!tail.tiling) return;
  commands.tile_width = std::max(commands.tile_width, tail.tile_width);
  commands.tile_height = std::max(commands.tile_height, tail.tile_height);
  commands.tiles +=
      static_cast<std::int64_t>(xdnn::tile_costs(instruction, machine.geometry()).size());
}

std::string text(const std::map<std::string, int>& opcodes) {
  std::string result;
  for (const auto& [opcode, count] : opcodes) {
    result += fmt::format("{}{} × {}", result.empty() ? "" : ", ", count, opcode);
  }
  return result;
}

std::string text(std::int64_t number) { return number == 0 ? kNone : std::to_string(number); }

TilesTable tiles_of(const xdnn::Program& program, const xdnn::Machine& machine) {
  TilesTable table;
  table.heads = {{"commands", "instructions of the layer", false},
                 {"passes", "slabs of filters, each a sweep over the output", true},
                 {"steps", "array cycles per output pixel of a pass", true},
                 {"slab bytes", "filters of one pass", true},
                 {"tile", "columns × rows of the output, by hardware-assisted tiling", false},
                 {"tiles", "brought from DDR one by one", true}};
  std::vector<LayerCommands> layers(program.info.layers.size());
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const std::int32_t layer = program.info.instruction_layer.at(i);
    if (layer < 0) continue;
    const xdnn::Instruction& instruction = program.steps[i].instruction;
    const xdnn::MachineOfSlice slice(machine, xdnn::tail(instruction).slice);
    add(instruction, slice.get(), layers.at(static_cast<std::size_t>(layer)));
  }
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const LayerCommands& one = layers[i];
    table.rows.push_back(
        {static_cast<std::int32_t>(i),
         {text(one.opcodes), text(one.passes), text(one.steps), text(one.slab.value),
          one.tiles == 0 ? kNone : fmt::format("{} × {}", one.tile_width, one.tile_height),
          text(one.tiles)}});
  }
  return table;
}

}  // namespace

TilesTable layer_tiles(const Compiled& compiled) {
  return is_xdnn(compiled) ? tiles_of(compiled.xdnn_program(), compiled.xdnn_machine())
                           : tiles_of(compiled.pulp_program(), compiled.pulp_machine());
}

}  // namespace workbench
