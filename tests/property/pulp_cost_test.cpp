// What holds of the cost of every kernel call.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "isa/pulp/cost.h"
#include "isa/pulp/footprint.h"
#include "isa/pulp/kernels.h"
#include "sim/pulp/tcdm.h"

namespace workbench::pulp {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr int kCases = 60;
#else
constexpr int kCases = 400;
#endif

struct Draw {
  std::mt19937_64 generator;
  std::int64_t operator()(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(generator);
  }
  bool coin() { return (*this)(0, 1) == 1; }
  std::int64_t bits() { return 8 >> (*this)(0, 2); }
};

void draw_window(Kernel& k, Draw& draw) {
  const bool free = traits(k.kind).family == Family::Conv ||
                    (traits(k.kind).window && !traits(k.kind).weights) ||
                    k.kind == KernelKind::DepthwiseGeneric;
  if (free) {
    k.kernel_w = draw(1, 5);
    k.kernel_h = draw(1, 5);
    k.stride_x = draw(1, 2);
    k.stride_y = draw(1, 2);
  }
  if (k.kind == KernelKind::Depthwise3x3s1) k.kernel_w = k.kernel_h = 3;
  if (k.kind == KernelKind::DepthwisePixels) {
    k.kernel_w = k.kernel_h = 3;
    k.stride_x = draw(1, 3), k.stride_y = draw(1, 4);
    k.pad_left = draw(0, 2), k.pad_right = draw(0, 2);
    k.pad_top = draw(0, 2), k.pad_bottom = draw(0, 2);
  }
  if (k.kind == KernelKind::DepthwiseLess4) k.kernel_w = draw(1, 3);
  if (traits(k.kind).family == Family::Conv || k.kind == KernelKind::DepthwiseGeneric) {
    k.pad_left = draw(0, k.kernel_w - 1);
    k.pad_right = draw(0, k.kernel_w - 1);
    k.pad_top = draw(0, k.kernel_h - 1);
    k.pad_bottom = draw(0, k.kernel_h - 1);
  }
  k.out_w = draw(1, 12);
  k.out_h = draw(1, 12);
  k.in_w =
      std::max<std::int64_t>(1, (k.out_w - 1) * k.stride_x + k.kernel_w - k.pad_left - k.pad_right);
  k.in_h =
      std::max<std::int64_t>(1, (k.out_h - 1) * k.stride_y + k.kernel_h - k.pad_top - k.pad_bottom);
}

Kernel draw_kernel(Draw& draw) {
  Kernel k{.kind = static_cast<KernelKind>(draw(0, static_cast<std::int64_t>(last(KernelKind{}))))};
  draw_window(k, draw);
  k.in_c = draw(1, 40);
  k.out_c = traits(k.kind).by_channel ? k.in_c : draw(1, 40);
  if (traits(k.kind).vector) k.in_w = k.in_h = k.out_w = k.out_h = 1;
  if (draw.coin()) {
    k.weight_bits = draw.bits();
    k.in_bits = draw.bits();
    k.out_bits = draw.bits();
  }
  const auto limit = traits(k.kind).limit;
  if (limit != nullptr && !limit(k).empty()) {
    const bool sub_byte = traits(k.kind).packed && !traits(k.kind).mac_load;
    k.weight_bits = k.in_bits = sub_byte ? std::min<std::int64_t>(4, draw.bits()) : 8;
    k.in_c = round_up(k.in_c, 8 / k.in_bits);
    k.out_bits = 8;
  }
  k.has_bias = traits(k.kind).weights && draw.coin();
  k.norm = traits(k.kind).weights && draw.coin();
  if (traits(k.kind).partial && draw.coin()) {
    k.sums_in = !k.has_bias && draw.coin();
    k.sums_out = !k.norm && draw.coin();
  }
  if (traits(k.kind).wide_out && !k.norm && draw.coin()) k.out_bits = 32;
  if (traits(k.kind).wide_in && draw.coin()) k.in_bits = 32;
  k.norm_bits = draw.coin() ? 32 : 64;
  k.clamped = k.norm && k.norm_bits == 64 && draw.coin();
  k.shift = draw(0, 20);
  k.divisor = draw(1, 4);
  std::int64_t next = 0;
  for (std::int64_t* address : {&k.in, &k.in2, &k.weights, &k.bias, &k.kappa, &k.lambda, &k.out}) {
    *address = next;
    next += 4 * draw(1, 1000);
  }
  k.scratch = next;
  return k;
}

// Products at a word per instruction, shared evenly, and nothing else.
std::int64_t ideal(const Kernel& kernel, const Machine& machine) {
  return macs(kernel) / (32 / product_bits(kernel) * machine.cluster.cores);
}

std::int64_t slowest(const Kernel& kernel, const Machine& machine) {
  const std::vector<std::int64_t> cores = core_cycles(kernel, machine);
  return *std::max_element(cores.begin(), cores.end());
}

TEST(PulpCostProperty, bounds_of_every_kernel) {
  Draw draw{std::mt19937_64(20261122)};
  for (int i = 0; i < kCases; ++i) {
    Machine machine;
    machine.cluster.cores = draw.coin() ? 8 : draw(1, 16);
    machine.icache.ideal = draw(0, 1);
    const Kernel kernel = draw_kernel(draw);
    SCOPED_TRACE(std::to_string(i) + " " + std::string(to_string(kernel.kind)));
    const std::vector<std::int64_t> alone = core_cycles(kernel, machine);
    ASSERT_EQ(alone.size(), static_cast<std::size_t>(machine.cluster.cores));
    EXPECT_GT(*std::min_element(alone.begin(), alone.end()), 0);
    EXPECT_GE(slowest(kernel, machine), ideal(kernel, machine));
    EXPECT_GE(expected_kernel_cycles(kernel, machine), kernel_cycles(kernel, machine));

    Tcdm tcdm(machine);
    const std::vector<std::int64_t> contended = tcdm.core_cycles(kernel, draw.coin() ? 8.0 : 0.0);
    for (std::size_t core = 0; core < alone.size(); ++core) {
      EXPECT_GE(contended[core], alone[core]) << core;
    }
    machine.l1.conflicts = 0;
    EXPECT_EQ(tcdm.core_cycles(kernel), core_cycles(kernel, machine));
  }
}

// One core with the banks to itself is replayed to the cycle: the closed form counts what the
// replay executes.
TEST(PulpCostProperty, the_closed_form_counts_what_is_replayed) {
  Draw draw{std::mt19937_64(4)};
  for (int i = 0; i < kCases; ++i) {
    Machine machine;
    machine.cluster.cores = 1;
    machine.core.misaligned = draw(0, 3);
    machine.icache.ideal = draw(0, 1);
    machine.icache.private_bytes = draw(1, 40) * 16;
    const Kernel kernel = draw_kernel(draw);
    SCOPED_TRACE(std::to_string(i) + " " + std::string(to_string(kernel.kind)));
    EXPECT_EQ(Tcdm(machine).core_cycles(kernel), core_cycles(kernel, machine));
  }
}

TEST(PulpCostProperty, cores_that_are_taken_for_alike_are) {
  Draw draw{std::mt19937_64(11)};
  for (int i = 0; i < kCases; ++i) {
    Machine machine;
    machine.cluster.cores = draw.coin() ? 8 : draw(1, 16);
    Kernel kernel = draw_kernel(draw);
    if (draw.coin()) kernel.cores = draw(1, machine.cluster.cores);
    SCOPED_TRACE(std::to_string(i) + " " + std::string(to_string(kernel.kind)));
    const auto costs = core_costs(kernel, machine);
    const KernelCode code = kernel_code(kernel, machine);
    ASSERT_EQ(costs.size(), code.phases.size());
    for (std::size_t phase = 0; phase < costs.size(); ++phase) {
      for (std::size_t core = 0; core < costs[phase].size(); ++core) {
        const CodeCost own = code_cost(code.phases[phase][core], machine);
        EXPECT_EQ(costs[phase][core].cycles, own.cycles) << core;
        EXPECT_EQ(costs[phase][core].accesses, own.accesses) << core;
      }
    }
  }
}

// Where so many take part, it is as on a cluster of so many.
TEST(PulpCostProperty, cores_that_take_part_are_a_smaller_cluster) {
  Draw draw{std::mt19937_64(5)};
  for (int i = 0; i < kCases; ++i) {
    Machine machine, smaller;
    machine.cluster.cores = draw(1, 16);
    machine.icache.ideal = smaller.icache.ideal = draw(0, 1);
    const Kernel kernel = draw_kernel(draw);
    SCOPED_TRACE(std::to_string(i) + " " + std::string(to_string(kernel.kind)));
    Kernel some = kernel;
    some.cores = smaller.cluster.cores = draw(1, machine.cluster.cores);
    std::vector<std::int64_t> alone = core_cycles(kernel, smaller);
    EXPECT_EQ(kernel_cycles(some, machine), kernel_cycles(kernel, smaller));
    EXPECT_EQ(expected_kernel_cycles(some, machine), expected_kernel_cycles(kernel, smaller));
    EXPECT_EQ(code_bytes(some, machine), code_bytes(kernel, smaller));
    EXPECT_EQ(scratch_bytes(some, machine), scratch_bytes(kernel, smaller));
    std::vector<std::int64_t> found = core_cycles(some, machine);
    ASSERT_EQ(found.size(), static_cast<std::size_t>(machine.cluster.cores));
    found.resize(alone.size());
    EXPECT_EQ(found, alone);
    found = Tcdm(machine).core_cycles(some);
    found.resize(alone.size());
    EXPECT_EQ(found, Tcdm(smaller).core_cycles(kernel));
  }
}

TEST(PulpCostProperty, more_work_takes_longer) {
  Draw draw{std::mt19937_64(7)};
  const Machine machine;
  for (int i = 0; i < kCases; ++i) {
    Kernel kernel = draw_kernel(draw);
    SCOPED_TRACE(std::to_string(i) + " " + std::string(to_string(kernel.kind)));
    kernel.in_c = round_up(kernel.in_c, 32);  // no left-over to get rid of by growing
    kernel.out_c = round_up(kernel.out_c, 32);
    if (traits(kernel.kind).by_channel) kernel.out_c = kernel.in_c;
    const std::int64_t before = slowest(kernel, machine);
    Kernel more = kernel;
    more.in_c *= 2;
    more.out_c *= 2;
    EXPECT_GT(slowest(more, machine), before);
    if (traits(kernel.kind).vector || kernel.kind == KernelKind::MaxPool) continue;
    more = kernel;
    more.in_h += more.stride_y * 16;  // two more rows of the output for each core, whole or halved
    more.out_h += 16;
    EXPECT_GT(slowest(more, machine), before);
  }
}

}  // namespace
}  // namespace workbench::pulp
