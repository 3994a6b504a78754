// Random PULP kernels and transfers, all widths and signs, against naive loops: the whole L1 has to
// come out the same.
#include <gtest/gtest.h>

#include <functional>
#include <random>

#include "compiler/pulp/c_kernels.h"
#include "isa/pulp/check.h"
#include "isa/pulp/codes.h"
#include "isa/pulp/footprint.h"
#include "isa/pulp/kernels.h"
#include "isa/pulp/semantics.h"
#include "tests/support/naive_pulp.h"
#include "tests/support/pulp_team.h"

namespace workbench::pulp {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr int kCases = 60;
#else
constexpr int kCases = 1000;
#endif

using Random = std::mt19937_64;

void forall(const std::function<void(Random&)>& body) {
  for (std::uint64_t seed = 1; seed <= kCases && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random(seed);
    body(random);
  }
}

std::int64_t between(Random& random, std::int64_t low, std::int64_t high) {
  return low + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(high - low + 1));
}
bool coin(Random& random) { return random() % 2 == 0; }
std::int64_t any_bits(Random& random) { return std::int64_t{8} >> between(random, 0, 2); }
// Numbers of all sizes up to `bits`, either sign.
std::int64_t any_number(Random& random, std::int64_t bits) {
  return static_cast<std::int64_t>(random()) >> between(random, 64 - bits, 63);
}

// A window that fits, padded on each side by less than it reaches, over one axis.
struct Axis {
  std::int64_t in = 1, out = 1, kernel = 1, stride = 1, dilation = 1, before = 0, after = 0;
};
Axis random_axis(Random& random, bool dilated) {
  while (true) {
    Axis a{.in = between(random, 1, 7),
           .kernel = between(random, 1, 4),
           .stride = between(random, 1, 3),
           .dilation = dilated ? between(random, 1, 2) : 1};
    const std::int64_t reach = (a.kernel - 1) * a.dilation + 1;
    a.before = between(random, 0, reach - 1), a.after = between(random, 0, reach - 1);
    const std::int64_t space = a.in + a.before + a.after - reach;
    if (space < 0) continue;
    a.out = space / a.stride + 1;
    return a;
  }
}

void set_window(Random& random, Kernel& k) {
  const Family family = traits(k.kind).family;
  const bool conv = family == Family::Conv;
  const Axis x = random_axis(random, conv), y = random_axis(random, conv);
  k.in_w = x.in, k.out_w = x.out, k.kernel_w = x.kernel, k.stride_x = x.stride;
  k.dilation_x = x.dilation, k.pad_left = x.before, k.pad_right = x.after;
  k.in_h = y.in, k.out_h = y.out, k.kernel_h = y.kernel, k.stride_y = y.stride;
  k.dilation_y = y.dilation, k.pad_top = y.before, k.pad_bottom = y.after;
}

// One size for input and output, windows of one pixel.
void set_area(Random& random, Kernel& k, bool vector) {
  k.in_w = k.out_w = vector ? 1 : between(random, 1, 9);
  k.in_h = k.out_h = vector ? 1 : between(random, 1, 5);
}

void set_map(Random& random, Kernel& k) {
  k.out_signed = coin(random);
  k.multiplier = any_number(random, 32), k.offset = any_number(random, 32);
  k.shift = between(random, 0, 31);
  if (k.kind == KernelKind::Add) {
    k.in2_signed = coin(random), k.clip_operands = coin(random);
    k.multiplier1 = any_number(random, 32), k.offset1 = any_number(random, 32);
    k.multiplier2 = any_number(random, 32), k.offset2 = any_number(random, 32);
    k.shift1 = between(random, 0, 31), k.shift2 = between(random, 0, 31);
  }
  if (traits(k.kind).divides) k.divisor = between(random, 1, 20);
}

Kernel random_kernel(Random& random, KernelKind kind) {
  Kernel k{.kind = kind};
  const bool linear = traits(k.kind).family == Family::Linear;
  k.in_bits = any_bits(random), k.weight_bits = any_bits(random), k.out_bits = any_bits(random);
  k.in_signed = coin(random);
  if (traits(k.kind).window) {
    set_window(random, k);
  } else {
    set_area(random, k, linear);
  }
  k.in_c = between(random, 1, coin(random) ? 5 : 40);
  k.out_c = traits(k.kind).by_channel ? k.in_c : between(random, 1, 40);
  set_map(random, k);
  k.has_bias = traits(k.kind).weights && coin(random);
  const bool normable = traits(k.kind).weights || k.kind == KernelKind::Requantize;
  k.norm = normable && !traits(k.kind).words && coin(random);
  if (traits(k.kind).partial && coin(random)) {
    k.sums_in = !k.has_bias && coin(random);
    k.sums_out = !k.norm && coin(random);
  }
  if (traits(k.kind).wide_out && !k.norm && !k.sums_out && coin(random)) {
    k.out_bits = 32, k.out_signed = true;
  }
  if (traits(k.kind).wide_in && coin(random)) k.in_bits = 32, k.in_signed = true;
  k.norm_bits = coin(random) ? 32 : 64;
  k.clamped = k.norm && k.norm_bits == 64 && coin(random);
  if (k.norm && k.norm_bits == 64 && !k.clamped) k.shift = between(random, 0, 63);
  if (traits(k.kind).family == Family::MaxPool) k.out_bits = k.in_bits, k.out_signed = k.in_signed;
  return k;
}

// Such as malformed() lets pass: the library has windows that only some of its kernels can do.
Kernel random_call(Random& random, const Machine& machine) {
  const auto kind =
      static_cast<KernelKind>(between(random, 0, static_cast<std::int64_t>(last(KernelKind{}))));
  while (true) {
    const Kernel kernel = random_kernel(random, kind);
    if (malformed(kernel, machine).empty()) return kernel;
  }
}

void put_number(std::vector<std::uint8_t>& l1, std::int64_t address, std::int64_t number,
                std::int64_t bytes) {
  for (std::int64_t i = 0; i < bytes; ++i) {
    l1[static_cast<std::size_t>(address + i)] = static_cast<std::uint8_t>(number >> (8 * i));
  }
}

// Gives the pieces of a call their places, some bytes apart, and fills L1 with rubbish.
Memory place(Random& random, Kernel& k) {
  std::int64_t end = 0;
  const auto take = [&](std::int64_t bytes) {
    const std::int64_t address = end + 4 * between(random, 0, 3);
    end = (address + bytes + 3) / 4 * 4;
    return address;
  };
  k.in = take(input_bytes(k)), k.in2 = take(second_input_bytes(k));
  k.weights = take(weight_bytes(k)), k.bias = take(bias_bytes(k));
  k.kappa = take(norm_bytes(k)), k.lambda = take(norm_bytes(k));
  k.out = take(output_bytes(k));
  if (k.sums_in && k.sums_out && coin(random)) k.out = k.bias;
  Memory memory;
  memory.l1.resize(static_cast<std::size_t>(end + between(random, 0, 3)));
  for (std::uint8_t& byte : memory.l1) byte = static_cast<std::uint8_t>(random());
  for (std::int64_t c = 0; c < k.out_c; ++c) {
    if (k.has_bias) put_number(memory.l1, k.bias + 4 * c, any_number(random, 32), 4);
    const std::int64_t bytes = k.norm_bits / 8;
    for (const std::int64_t address : {k.kappa, k.lambda}) {
      if (!k.norm) continue;
      put_number(memory.l1, address + c * bytes, any_number(random, k.norm_bits), bytes);
    }
  }
  return memory;
}

// That has every instruction that a kernel may want.
Machine extended_machine() {
  Machine machine;
  machine.isa = {.dot_4bit = 1, .dot_2bit = 1, .mac_load = 1};
  return machine;
}

TEST(PulpKernels, all_of_l1_is_as_naive_loops_leave_it) {
  const Machine machine = extended_machine();
  forall([&](Random& random) {
    Kernel kernel = random_call(random, machine);
    Memory memory = place(random, kernel);
    const L1Bytes expected = naive_kernel(kernel, memory.l1);
    execute(kernel, memory, 1);
    ASSERT_TRUE(memory.l1 == expected) << to_string(kernel.kind);
  });
}

// Scratch is what a kernel likes; the bits that a max pool leaves unused in its input as well.
void forget(const Kernel& kernel, const Machine& machine, L1Bytes& l1) {
  const auto clear = [&](std::int64_t address, std::int64_t bytes) {
    std::fill_n(l1.begin() + address, bytes, std::uint8_t{0});
  };
  clear(kernel.scratch, scratch_bytes(kernel, machine));
  if (traits(kernel.kind).destroys_input && kernel.in_bits < 8)
    clear(kernel.in, input_bytes(kernel));
}

TEST(PulpKernels, the_c_of_applications_leaves_l1_as_the_kernels_do) {
  const Machine machine = extended_machine();
  int library = 0;
  forall([&](Random& random) {
    Kernel kernel = random_call(random, machine);
    if (coin(random)) {  // such as PULP-NN has
      kernel.in_bits = kernel.weight_bits = 8;
      kernel.in_signed = kernel.in2_signed = kernel.out_signed = kernel.has_bias = false;
      kernel.sums_in = kernel.sums_out = kernel.clip_operands = false;
      kernel.out_bits = traits(kernel.kind).words ? kernel.out_bits : 8;
      kernel.dilation_x = kernel.dilation_y = kernel.multiplier = 1;
      kernel.offset = kernel.offset1 = kernel.offset2 = kernel.shift1 = kernel.shift2 = 0;
      kernel.multiplier1 = between(random, 0, 300), kernel.multiplier2 = between(random, 0, 300);
      if (!malformed(kernel, machine).empty()) return;
    }
    Memory memory = place(random, kernel);
    kernel.scratch = std::ssize(memory.l1);
    memory.l1.resize(memory.l1.size() + static_cast<std::size_t>(scratch_bytes(kernel, machine)));
    const L1Bytes before = memory.l1;
    execute(kernel, memory, 1);
    forget(kernel, machine, memory.l1);
    for (const bool own : {true, false}) {
      L1Bytes found = l1_after_c_kernel(kernel, before, own);
      forget(kernel, machine, found);
      ASSERT_TRUE(memory.l1 == found) << to_string(kernel.kind) << (own ? ", our own" : "");
    }
    library += c_kernel(kernel).starts_with("call_") ? 1 : 0;
  });
  EXPECT_GT(library, kCases / 30);
}

TEST(PulpKernels, accumulators_of_any_size_become_the_same_codes) {
  forall([](Random& random) {
    for (int i = 0; i < 50; ++i) {
      Kernel kernel{.out_bits = any_bits(random),
                    .out_signed = coin(random),
                    .norm = coin(random),
                    .norm_bits = coin(random) ? 32 : 64,
                    .shift = between(random, 0, 31)};
      kernel.clamped = kernel.norm && kernel.norm_bits == 64 && coin(random);
      const bool wide = kernel.norm && kernel.norm_bits == 64;
      const auto accumulator = static_cast<std::int32_t>(any_number(random, 32));
      const std::int64_t kappa = any_number(random, wide ? 64 : 32);
      const std::int64_t lambda = any_number(random, wide ? 64 : 32);
      ASSERT_EQ(normalized(accumulator, kappa, lambda, kernel),
                naive_normalized(accumulator, kappa, lambda, kernel));
    }
  });
}

// Many channels of random codes: a window that sees more or less than it should shows in one.
TEST(PulpKernels, max_pools_said_to_be_exact_are_and_direct_ones_leave_their_input) {
  const Machine machine;
  int exact = 0, lucky = 0;  // right without being said to be
  forall([&](Random& random) {
    Kernel kernel{.kind = KernelKind::MaxPool};
    kernel.in_signed = kernel.out_signed = coin(random);
    do {
      set_window(random, kernel);
      kernel.in_c = kernel.out_c = 200;
    } while (!malformed(kernel, machine).empty());
    Memory memory = place(random, kernel);
    const L1Bytes maxima = naive_window_maxima(kernel, memory.l1);
    Memory direct = memory;
    execute(kernel, memory, 1);
    const auto result = [&](const L1Bytes& l1) {
      return L1Bytes(l1.begin() + kernel.out, l1.begin() + kernel.out + output_bytes(kernel));
    };
    const bool right = result(memory.l1) == result(maxima);
    if (pools_exactly(kernel)) {
      ASSERT_TRUE(right);
      ++exact;
    } else {
      lucky += right ? 1 : 0;
    }
    kernel.kind = KernelKind::MaxPoolDirect;
    execute(kernel, direct, 1);
    ASSERT_TRUE(direct.l1 == maxima);  // the input as it was
    ASSERT_TRUE(pools_exactly(kernel));
  });
  EXPECT_GT(exact, kCases / 4);
  EXPECT_LT(lucky, (kCases - exact) / 4);
}

TEST(PulpDma, bytes_go_where_the_strides_say) {
  forall([](Random& random) {
    Memory memory;
    memory.l1.resize(5000), memory.l2.resize(5000);
    for (std::uint8_t& byte : memory.l1) byte = static_cast<std::uint8_t>(random());
    for (std::uint8_t& byte : memory.l2) byte = static_cast<std::uint8_t>(random());
    Dma dma{.to_l1 = coin(random), .length = between(random, 1, 3)};
    dma.lines = between(random, 1, 4), dma.rows = between(random, 1, 4);
    dma.planes = between(random, 1, 4);
    dma.l2 = between(random, 0, 9), dma.l1 = between(random, 0, 9);
    for (auto [line, row, plane] :
         {std::tie(dma.l2_line_stride, dma.l2_row_stride, dma.l2_plane_stride),
          std::tie(dma.l1_line_stride, dma.l1_row_stride, dma.l1_plane_stride)}) {
      line = dma.length + between(random, 0, 2);
      row = line * dma.lines + between(random, 0, 2);
      plane = row * dma.rows + between(random, 0, 2);
    }
    Memory expected = memory;
    naive_copy(dma, expected.l2, expected.l1);
    execute(dma, memory);
    ASSERT_TRUE(memory.l1 == expected.l1);
    ASSERT_TRUE(memory.l2 == expected.l2);
  });
}

}  // namespace
}  // namespace workbench::pulp
