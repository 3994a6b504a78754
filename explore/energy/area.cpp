#include "explore/energy/area.h"

#include <algorithm>

#include "core/units.h"

namespace workbench {

namespace {

constexpr std::int64_t kBlockBits = 72;  // of a word, of either kind of RAM
constexpr std::int64_t kUramWords = 4096, kBramWords = 512;

std::int64_t blocks(std::int64_t bits, std::int64_t words, std::int64_t block_words) {
  return ceil_div(bits, kBlockBits) * ceil_div(words, block_words);
}

// The dimensions of a block that is read a whole step at a time.
std::int64_t filter_blocks(std::int64_t rows, std::int64_t columns, const xdnn::Machine& machine) {
  const std::int64_t bits = rows * columns * machine.weights_per_dsp() * machine.array.bits;
  return blocks(bits, machine.filters.buffers * machine.filters.buffer_steps, kBramWords);
}

Estimate scaled(const Estimate& each, std::int64_t count) {
  return each * static_cast<double>(count);
}

// Both ends of each are products of ends.
Estimate product(const Estimate& a, const Estimate& b) {
  return {a.low * b.low, a.typical * b.typical, a.high * b.high};
}

}  // namespace

FpgaBlocks fpga_blocks(const xdnn::Machine& machine) {
  constexpr std::int64_t kByteBits = 8;
  // Width-aligned arrays have a pixel per row, and the weights of one input channel at a time.
  const std::int64_t weight_rows = machine.width_aligned() ? 1 : machine.array.rows;
  FpgaBlocks result{
      .dsps = machine.array.rows * machine.array.columns,
      .urams = blocks(machine.word_bytes() * kByteBits, machine.am_words(), kUramWords),
      .brams = filter_blocks(weight_rows, machine.array.columns, machine)};
  if (machine.slice0.used == 0) return result;
  const xdnn::Machine::Slice0& first = machine.slice0;
  result.dsps += first.rows * first.columns;
  result.urams += blocks(first.rows * kByteBits, ceil_div(first.am_bytes, first.rows), kUramWords);
  result.brams += filter_blocks(first.rows, first.columns, machine);
  return result;
}

ClusterMemory cluster_memory(const pulp::Machine& machine) {
  constexpr std::int64_t kFirstStack = 3500, kOtherStack = 3400, kCode = 132000;  // pulp.md 3.3
  return {machine.l1.buffer_bytes + kFirstStack + (machine.cluster.cores - 1) * kOtherStack,
          machine.l2.buffer_bytes + kCode};
}

Estimate area(const xdnn::Machine& machine, const XdnnTechnology& technology) {
  const FpgaBlocks engine = fpga_blocks(machine);
  const XdnnTechnology::Area& each = technology.area;
  const Estimate one = each.engine + scaled(each.dsp, engine.dsps) +
                       scaled(each.uram, engine.urams) + scaled(each.bram, engine.brams);
  return scaled(one, machine.board.engines);
}

Estimate area(const pulp::Machine& machine, const PulpTechnology& technology) {
  constexpr double kSquareMicrometres = 1e6;  // of a mm2
  constexpr std::int64_t kDmaPorts = 4;       // on the interconnect to L1 (pulp.md 1.5)
  const PulpTechnology::Area& each = technology.area;
  const std::int64_t cores = machine.cluster.cores;
  const double cache_kilobytes =
      static_cast<double>(machine.icache.shared_bytes + cores * machine.icache.private_bytes) /
      1024;
  const Estimate kilogates =
      scaled(each.core_kilogates, cores) + each.dma_kilogates + each.base_kilogates +
      scaled(each.crossing_kilogates, (cores + kDmaPorts) * machine.l1.banks) +
      each.icache_kilogates_per_kilobyte * cache_kilobytes;
  const Estimate logic = product(kilogates * 1000, each.gate_um2);
  const ClusterMemory bytes = cluster_memory(machine);
  const Estimate memory = scaled(each.sram_bit_um2, 8 * (bytes.l1_bytes + bytes.l2_bytes));
  return (logic + memory) * (1 / kSquareMicrometres);
}

Estimate area(const Machine& machine, const Technology& technology) {
  if (const auto* xdnn = std::get_if<xdnn::Machine>(&machine)) {
    return area(*xdnn, std::get<XdnnTechnology>(technology));
  }
  return area(std::get<pulp::Machine>(machine), std::get<PulpTechnology>(technology));
}

}  // namespace workbench
