// The hazard monitor against the values themselves: tile loops from which waits and barriers have
// been taken at random, on machines of which each is slow in another way. A program that is told to
// be free of hazards computes the same on all of them.
#include <gtest/gtest.h>

#include <random>

#include "sim/pulp/simulate.h"

namespace workbench::pulp {
namespace {

constexpr std::int64_t kTile = 256, kTiles = 4, kOut = 4096;  // bytes; addresses in L2

Machine machine_of(std::int64_t dma_bytes_per_cycle, std::int64_t dma_latency, double l3) {
  Machine machine;
  machine.l1.buffer_bytes = 4 * kTile;
  machine.l2.buffer_bytes = 8192;
  machine.dma.bytes_per_cycle = dma_bytes_per_cycle;
  machine.dma.latency_cycles = dma_latency;
  machine.l3.megabytes_per_second = l3 * machine.clocks.cluster;
  return machine;
}

Dma tile_transfer(bool in, std::int64_t tile, std::int64_t id, bool split) {
  const std::int64_t l2 = (in ? 0 : kOut) + tile * kTile;
  const std::int64_t l1 = (in ? 0 : 2 * kTile) + tile % 2 * kTile;
  return {.to_l1 = in,
          .l2 = l2,
          .l1 = l1,
          .length = 16,
          .rows = kTile / 16,
          .l2_row_stride = 16,
          .l1_row_stride = 16,
          .split = split,
          .id = id};
}

// DORY's double buffering (docs/facts/pulp.md 3.6), tiles copied by a kernel.
std::vector<Instruction> tile_loop(std::mt19937_64& random) {
  std::vector<Instruction> program;
  const bool split = random() % 2 == 0;
  for (std::int64_t tile = 0; tile < kTiles; ++tile) {  // from L3, one request each
    program.push_back(
        L3Transfer{.l3 = tile * kTile, .l2 = tile * kTile, .length = kTile, .id = tile});
  }
  program.insert(program.end(), {L3Wait{0}, Barrier{}, tile_transfer(true, 0, 0, split)});
  for (std::int64_t tile = 0; tile < kTiles; ++tile) {
    program.insert(program.end(), {DmaWait{0}, Barrier{}});
    if (tile + 1 < kTiles) {
      program.insert(program.end(),
                     {L3Wait{tile + 1}, Barrier{}, tile_transfer(true, tile + 1, 0, split)});
    }
    if (tile >= 2) program.insert(program.end(), {DmaWait{1 + tile % 2}, Barrier{}});
    program.push_back(Kernel{.kind = KernelKind::Requantize,
                             .in = tile % 2 * kTile,
                             .out = (2 + tile % 2) * kTile,
                             .in_w = 16,
                             .in_h = kTile / 16,
                             .out_w = 16,
                             .out_h = kTile / 16});
    program.push_back(tile_transfer(false, tile, 1 + tile % 2, split));
  }
  program.insert(program.end(), {DmaWait{1}, DmaWait{2}, Barrier{}});
  return program;
}

Program whole(std::vector<Instruction> instructions, std::mt19937_64& random) {
  Program program;
  program.instructions = std::move(instructions);
  for (std::int64_t i = 0; i < kTiles * kTile; ++i) {
    program.constants.push_back(static_cast<char>(random()));
  }
  const auto last = static_cast<std::int32_t>(program.instructions.size()) - 1;
  program.probes.push_back({.place = {.value = "y",
                                      .address = kOut,
                                      .channels = 1,
                                      .height = 1,
                                      .width = kTiles * kTile,
                                      .pixel_stride = 1,
                                      .row_stride = kTiles * kTile},
                            .after = last,
                            .value_height = 1,
                            .value_channels = 1});
  return program;
}

bool is_right(const Program& program, const SimulationResult& result) {
  const auto codes = result.tensors.at("y").values<std::uint8_t>();
  return std::equal(codes.begin(), codes.end(), program.constants.begin(),
                    [](std::uint8_t a, char b) { return a == static_cast<std::uint8_t>(b); });
}

TEST(PulpRaces, a_program_without_hazards_is_right_on_every_machine) {
#if defined(__SANITIZE_ADDRESS__)
  const int cases = 40;
#else
  const int cases = 400;
#endif
  const Machine machines[] = {machine_of(8, 7, 1), machine_of(1, 400, 100),
                              machine_of(64, 0, 0.01)};
  int told = 0, wrong = 0;
  for (int i = 0; i < cases; ++i) {
    SCOPED_TRACE("seed " + std::to_string(i));
    std::mt19937_64 random(static_cast<std::uint64_t>(i));
    std::vector<Instruction> instructions = tile_loop(random);
    const auto cuts = static_cast<int>(random() % 4);
    for (int cut = 0; cut < cuts; ++cut) {
      const std::size_t at = random() % (instructions.size() - 1);
      const bool orders = std::holds_alternative<Barrier>(instructions[at]) ||
                          std::holds_alternative<DmaWait>(instructions[at]) ||
                          std::holds_alternative<L3Wait>(instructions[at]);
      if (orders) instructions.erase(instructions.begin() + static_cast<std::ptrdiff_t>(at));
    }
    const Program program = whole(std::move(instructions), random);
    for (const Machine& machine : machines) {
      const SimulationResult result = simulate(program, machine, {});
      EXPECT_TRUE(cuts > 0 || result.hazards.empty());
      EXPECT_TRUE(!result.hazards.empty() || is_right(program, result));
      told += result.hazards.empty() ? 0 : 1;
      wrong += is_right(program, result) ? 0 : 1;
    }
  }
  EXPECT_GT(told, cases / 4);
  EXPECT_GT(wrong, cases / 10);
}

}  // namespace
}  // namespace workbench::pulp
