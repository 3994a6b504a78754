// Conflicts at the banks: patterns with answers known by hand or measured
// (docs/facts/pulp.md 1.3, 1.9).
#include <gtest/gtest.h>

#include <algorithm>
#include <tuple>

#include "isa/pulp/cost.h"
#include "isa/pulp/kernel_code.h"
#include "sim/pulp/tcdm.h"

namespace workbench::pulp {
namespace {

using Cores = std::vector<std::int64_t>;

// Each core loads `count` words, the first at first(core), `step` bytes apart.
template <typename First>
std::vector<CoreCode> loads(std::int64_t cores, std::int64_t count, std::int64_t step,
                            const Machine& machine, First&& first) {
  std::vector<CoreCode> code;
  for (std::int64_t core = 0; core < cores; ++core) {
    CodeBuilder builder(machine);
    builder.loop(count, [&](int depth) {
      builder.load(stepped(Address{first(core), {}}, depth, step));
    });
    code.push_back(builder.take());
  }
  return code;
}

std::int64_t last(const Cores& cores) { return *std::max_element(cores.begin(), cores.end()); }

TEST(Tcdm, n_cores_at_one_bank_take_n_cycles_per_access) {
  const Machine machine;
  for (const std::int64_t cores : {1, 2, 4, 8}) {
    const auto code = loads(cores, 100, 0, machine, [](std::int64_t) { return 20; });
    EXPECT_EQ(last(contended_cycles(code, machine)), 100 * cores);
  }
}

TEST(Tcdm, cores_at_banks_of_their_own_do_not_wait) {
  const Machine machine;
  const auto own = loads(8, 100, 0, machine, [](std::int64_t core) { return 4 * core; });
  EXPECT_EQ(contended_cycles(own, machine), Cores(8, 100));
  const auto two = loads(8, 100, 0, machine, [](std::int64_t core) { return core % 2 * 4; });
  EXPECT_EQ(last(contended_cycles(two, machine)), 400);
}

TEST(Tcdm, sequential_streams_wait_once_and_then_follow_each_other) {
  const Machine machine;
  const auto code = loads(8, 100, 4, machine, [](std::int64_t core) { return 1024 * core; });
  EXPECT_EQ(contended_cycles(code, machine), (Cores{100, 101, 102, 103, 104, 105, 106, 107}));
}

TEST(Tcdm, a_word_across_two_banks_is_an_access_at_each) {
  const Machine machine;
  CodeBuilder crossing(machine), aligned(machine);
  crossing.load({2, {}});  // bank 0 in cycle 0, bank 1 in cycle 1
  aligned.work({.instructions = 1});
  aligned.load({4, {}});  // bank 1 in cycle 1, after core 0
  EXPECT_EQ(contended_cycles({crossing.take(), aligned.take()}, machine), (Cores{2, 3}));
  CodeBuilder half(machine);
  half.load({3, {}}, 2);
  half.load({2, {}}, 2);
  half.load({3, {}}, 1);
  EXPECT_EQ(contended_cycles({half.take()}, machine), Cores{4});
}

TEST(Tcdm, a_bank_serves_in_order_of_arrival) {
  const Machine machine;
  std::vector<CoreCode> code;
  for (const std::int64_t late : {2, 0, 0}) {
    CodeBuilder builder(machine);
    builder.work({.instructions = late});
    builder.load({0, {}});
    builder.load({0, {}});
    code.push_back(builder.take());
  }
  // Served: core 1 in cycle 0; 2, there since 0, in 1; 1, since 1, in 2; of 0 and 2, both since 2,
  // 0 in 3 and 2 in 4; 0, since 4, in 5.
  EXPECT_EQ(contended_cycles(code, machine), (Cores{6, 3, 5}));
}

// In cycle 0 core 0 is first, in cycle 1 core 1, in cycle 2 core 2, then 0 again.
TEST(Tcdm, with_round_robin_another_core_is_first_each_cycle) {
  Machine machine;
  const auto code_at = [&](std::int64_t begin) {
    std::vector<CoreCode> code;
    for (int core = 0; core < 3; ++core) {
      CodeBuilder builder(machine);
      builder.work({.instructions = begin});
      builder.load({0, {}});
      code.push_back(builder.take());
    }
    return code;
  };
  for (const std::int64_t begin : {0, 1, 2, 3}) {
    machine.l1.round_robin = 1;
    Cores turns;
    for (std::int64_t core = 0; core < 3; ++core) {
      turns.push_back(begin + 1 + (core + 3 - begin % 3) % 3);
    }
    EXPECT_EQ(contended_cycles(code_at(begin), machine), turns) << begin;
    machine.l1.round_robin = 0;
    EXPECT_EQ(contended_cycles(code_at(begin), machine), (Cores{begin + 1, begin + 2, begin + 3}));
  }
}

TEST(Tcdm, the_dma_goes_after_cores_but_keeps_its_turn) {
  const Machine machine;
  // A core at bank 0 in every cycle, and 4 bytes per cycle over all 16 banks: the DMA arrives with
  // the core, is next, and holds up the core for one cycle in 17.
  const auto one = loads(1, 1600, 0, machine, [](std::int64_t) { return 0; });
  EXPECT_NEAR(static_cast<double>(last(contended_cycles(one, machine, 4))), 1700, 1);
  // GVSoC, 8 cores with 4000 loads each beside 8 bytes per cycle (docs/facts/pulp.md 1.9):
  // sequential not slowed, fixed banks by 9 %.
  const auto sequential = loads(8, 4000, 4, machine, [](std::int64_t core) { return 1024 * core; });
  EXPECT_EQ(last(contended_cycles(sequential, machine, 8)), 4007);
  const auto own = loads(8, 4000, 0, machine, [](std::int64_t core) { return 4 * core; });
  EXPECT_NEAR(static_cast<double>(last(contended_cycles(own, machine, 8))), 4400, 44);
}

TEST(Tcdm, the_inner_loop_of_the_matrix_product_takes_as_long_as_measured) {
  const Machine machine;
  for (const std::int64_t skew : {0, 4}) {
    std::vector<CoreCode> code;
    for (std::int64_t core = 0; core < 8; ++core) {
      CodeBuilder b(machine);
      b.loop(64, [&](int depth) {
        for (std::int64_t row = 0; row < 4; ++row) b.load(stepped({256 * row, {}}, depth, 4));
        for (std::int64_t pixel = 0; pixel < 2; ++pixel) {
          const std::int64_t column = 8192 + (2 * core + pixel) * (256 + skew);
          b.load(stepped({column, {}}, depth, 4));
        }
        b.work({.instructions = 8});
      });
      code.push_back(b.take());
    }
    EXPECT_EQ(contended_cycles({code[0]}, machine), Cores{64 * 14});
    // docs/facts/pulp.md 1.9: 15.5 to 15.9 without the refills of the instruction cache, 16.5 with.
    const double each = static_cast<double>(last(contended_cycles(code, machine))) / 64;
    EXPECT_GE(each, 15.5);
    EXPECT_LE(each, 16.5);
  }
}

TEST(Tcdm, long_runs_go_on_as_they_began) {
  const Machine machine;
  const auto code = loads(8, 50'000, 0, machine, [](std::int64_t) { return 0; });
  EXPECT_NEAR(static_cast<double>(last(contended_cycles(code, machine))), 400'000, 400);
}

Kernel small_kernel() {
  Kernel kernel{.kind = KernelKind::PointwiseHoWo};
  kernel.weights = 4096;
  kernel.out = 12288;
  kernel.kappa = 16384;
  kernel.lambda = 16500;
  kernel.in_w = kernel.out_w = 4;
  kernel.in_h = kernel.out_h = 8;
  kernel.in_c = 32;
  kernel.out_c = 16;
  kernel.norm = true;
  return kernel;
}

TEST(Tcdm, calls_whose_buffers_lie_alike_modulo_the_banks_take_the_same) {
  const Machine machine;
  Tcdm tcdm(machine);
  Kernel kernel = small_kernel();
  const Cores first = tcdm.core_cycles(kernel);
  kernel.weights += 64;
  kernel.out += 640;
  EXPECT_EQ(tcdm.core_cycles(kernel), first);
  EXPECT_EQ(Tcdm(machine).core_cycles(kernel), first);
}

TEST(Tcdm, a_core_alone_takes_what_its_code_costs) {
  const Machine machine;
  Kernel kernel = small_kernel();
  kernel.in_c = 31;  // words that cross banks, bytes that are left over
  Kernel depthwise = kernel;
  depthwise.kind = KernelKind::DepthwiseGeneric;
  depthwise.kernel_w = depthwise.kernel_h = 3;
  depthwise.out_c = depthwise.in_c;
  depthwise.pad_top = depthwise.pad_bottom = depthwise.pad_left = depthwise.pad_right = 1;
  for (const Kernel& call : {kernel, depthwise}) {
    for (const std::vector<CoreCode>& phase : kernel_code(call, machine).phases) {
      for (const CoreCode& code : phase) {
        EXPECT_EQ(contended_cycles({code}, machine), Cores{code_cost(code, machine).cycles});
      }
    }
  }
}

TEST(Tcdm, calls_that_are_alike_take_the_same) {
  const Machine machine;
  for (const KernelKind kind : {KernelKind::Add, KernelKind::Requantize, KernelKind::AveragePool,
                                KernelKind::PointwiseHoWo, KernelKind::Linear}) {
    Kernel kernel = small_kernel();
    kernel.kind = kind;
    if (kind == KernelKind::Linear) kernel.in_w = kernel.in_h = kernel.out_w = kernel.out_h = 1;
    if (kind != KernelKind::PointwiseHoWo && kind != KernelKind::Linear) {
      kernel.out_c = kernel.in_c;
      kernel.norm = false;
    }
    Kernel other = kernel;
    std::tie(kernel.multiplier, kernel.offset, kernel.shift) = std::tuple(77, -1000, 5);
    std::tie(other.multiplier, other.offset, other.shift) = std::tuple(-3, 4, 19);
    std::tie(kernel.multiplier2, kernel.offset1, kernel.shift2) = std::tuple(9, 1, 1);
    std::tie(other.multiplier2, other.offset1, other.shift2) = std::tuple(8, 2, 2);
    other.out += 1024;
    EXPECT_EQ(alike(kernel), alike(other)) << to_string(kind);
    EXPECT_EQ(core_cycles(kernel, machine), core_cycles(other, machine)) << to_string(kind);
    EXPECT_EQ(Tcdm(machine).core_cycles(kernel), Tcdm(machine).core_cycles(other))
        << to_string(kind);
    other.shift = 0;
    EXPECT_NE(alike(kernel), alike(other)) << to_string(kind);
  }
}

TEST(Tcdm, shifts_of_64_bits_are_alike_within_a_half) {
  const Machine machine;
  for (const KernelKind kind : {KernelKind::PointwiseHoWoQuads, KernelKind::DepthwisePixels}) {
    Kernel kernel = small_kernel();
    kernel.kind = kind;
    kernel.norm_bits = 64;
    if (kind == KernelKind::DepthwisePixels) {
      kernel.out_c = kernel.in_c;
      kernel.kernel_w = kernel.kernel_h = 3;
      kernel.pad_top = kernel.pad_bottom = kernel.pad_left = kernel.pad_right = 1;
    }
    const auto shifted = [&](std::int64_t by) {
      Kernel call = kernel;
      call.shift = by;
      return call;
    };
    for (const auto& [a, b] : {std::pair(1, 31), std::pair(32, 60)}) {
      EXPECT_EQ(alike(shifted(a)), alike(shifted(b)));
      EXPECT_EQ(core_cycles(shifted(a), machine), core_cycles(shifted(b), machine));
    }
    EXPECT_NE(alike(shifted(31)), alike(shifted(32)));
    EXPECT_NE(core_cycles(shifted(31), machine), core_cycles(shifted(32), machine));
  }
}

TEST(Tcdm, without_conflicts_cores_take_what_they_take_alone) {
  Machine machine;
  const Kernel kernel = small_kernel();
  EXPECT_GT(last(Tcdm(machine).core_cycles(kernel)), last(core_cycles(kernel, machine)));
  machine.l1.conflicts = 0;
  EXPECT_EQ(Tcdm(machine).core_cycles(kernel), core_cycles(kernel, machine));
}

}  // namespace
}  // namespace workbench::pulp
