// Random instructions against naive integer loops, with random layouts on both sides, from the AM
// and from DDR.
#include <gtest/gtest.h>

#include <functional>

#include "isa/xdnn/footprint.h"
#include "isa/xdnn/semantics.h"
#include "tests/support/naive_xdnn.h"
#include "tests/support/random_xdnn.h"

namespace workbench::xdnn {
namespace {

constexpr int kCases = 200;
constexpr std::int64_t kOtherSource = 1000, kResult = 2000;  // AM words

void forall(const std::function<void(std::mt19937_64&)>& body) {
  for (std::uint64_t seed = 1; seed <= kCases && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    body(random);
  }
}

bool coin(std::mt19937_64& random) { return random() % 2 == 0; }

// Where `channels` channels go: a volume of their own or a part of a larger one.
void random_destination(std::mt19937_64& random, const Machine& machine, std::int64_t channels,
                        Tail& tail) {
  tail.destination = random_layout(random, channels, machine.word_bytes());
  if (!coin(random)) return;
  tail.destination = plain_layout(channels, machine.word_bytes());
  tail.concat_part = true;
  tail.concat_start = between(random, 0, machine.word_bytes() - 1);
  tail.concat_channels = tail.concat_start + channels;
  tail.concat_volume = plain_layout(tail.concat_channels, machine.word_bytes());
}

// A memory full of rubbish, large enough for all cases.
Memory random_memory(std::mt19937_64& random, const Machine& machine) {
  return {.geometry = machine.geometry(), .am = random_codes(random, 3000 * machine.word_bytes())};
}

// Output size that keeps each window partly over the input.
std::int64_t output_size(std::int64_t in, std::int64_t kernel, std::int64_t stride,
                         std::int64_t pad) {
  return std::max<std::int64_t>(1, (in + 2 * pad - kernel) / stride + 1);
}

Conv random_conv(std::mt19937_64& random, const Machine& machine) {
  Conv conv;
  conv.transposed = random() % 4 == 0;
  conv.kernel_h = between(random, 1, 3), conv.kernel_w = between(random, 1, 3);
  conv.stride_h = between(random, 1, 3), conv.stride_w = between(random, 1, 3);
  conv.dilation_h = between(random, 1, 2), conv.dilation_w = between(random, 1, 2);
  const std::int64_t reach_h = (conv.kernel_h - 1) * conv.dilation_h + 1;
  const std::int64_t reach_w = (conv.kernel_w - 1) * conv.dilation_w + 1;
  conv.pad_h = between(random, 0, reach_h - 1), conv.pad_w = between(random, 0, reach_w - 1);
  conv.in_h = between(random, 1, 5), conv.in_w = between(random, 1, 5);
  conv.in_ch = between(random, 1, 120), conv.out_ch = between(random, 1, 40);
  conv.out_h = conv.transposed ? between(random, 1, 7)
                               : output_size(conv.in_h, reach_h, conv.stride_h, conv.pad_h);
  conv.out_w = conv.transposed ? between(random, 1, 7)
                               : output_size(conv.in_w, reach_w, conv.stride_w, conv.pad_w);
  conv.relu = coin(random), conv.bias = coin(random);
  conv.prelu = !conv.relu && coin(random);
  conv.tail.pre_relu = random() % 4 == 0;
  conv.tail.half_rate = coin(random);
  conv.tail.source = random_layout(random, conv.in_ch, machine.word_bytes());
  conv.tail.source_in_ddr = coin(random);
  conv.outaddr = kResult;
  return conv;
}

// Scales that leave most results inside the 8 bits.
std::vector<ChannelConfig> random_configs(std::mt19937_64& random, std::int64_t count) {
  std::vector<ChannelConfig> configs;
  for (std::int64_t c = 0; c < count; ++c) {
    configs.push_back({.enable = true,
                       .scale = between(random, 0, 65535),
                       .bias = between(random, -100000, 100000),
                       .postshift = between(random, 18, 32)});
  }
  return configs;
}

struct ConvCase {
  Machine machine;
  Memory memory;
  Step step;
  Pixels in, weights;
  std::vector<ChannelConfig> configs;
};

// Operands and filters of `conv` in the memories.
ConvCase conv_case(std::mt19937_64& random, const Machine& machine, Conv& conv) {
  ConvCase c{.machine = machine, .memory = random_memory(random, machine)};
  c.in = random_codes(random, conv.in_h * conv.in_w * conv.in_ch);
  c.weights = random_codes(random, conv.out_ch * conv.in_ch * conv.kernel_h * conv.kernel_w);
  c.configs = random_configs(random, conv.out_ch);
  std::string image(64, '\0');
  c.step.filter_address = 64;
  pack_filters(filter_shape(conv), c.weights, c.configs, machine, image);
  if (conv.tail.source_in_ddr) {
    conv.inaddr = round_up(static_cast<std::int64_t>(image.size()), 64);
    image.resize(static_cast<std::size_t>(
        conv.inaddr + ddr_tensor_bytes(conv.in_ch, conv.in_h, conv.in_w, machine.geometry())));
  }
  c.memory.ddr.assign(image.begin(), image.end());
  if (conv.tail.source_in_ddr) {
    write_ddr(c.memory, conv.inaddr, conv.in_ch, conv.in_h, conv.in_w, c.in);
  } else {
    write_am(c.memory, {conv.inaddr, conv.in_ch, conv.in_h, conv.in_w, conv.tail.source}, c.in);
  }
  return c;
}

// Executes with one thread and with three, which must not matter; reads the result back.
Pixels run(const Step& step, const Machine& machine, Memory& memory) {
  const Result result = execute(step, machine, memory, 1);
  EXPECT_EQ(execute(step, machine, memory, 3).pixels, result.pixels);
  commit(result, memory);
  return read_am(memory, am_operands(step, machine).results.at(0));
}

TEST(XdnnSemanticsProperty, convolutions_are_exact) {
  forall([](std::mt19937_64& random) {
    const Machine machine = random_array(random);
    Conv conv = random_conv(random, machine);
    random_destination(random, machine, conv.out_ch, conv.tail);
    ConvCase c = conv_case(random, machine, conv);
    c.step.instruction = conv;
    EXPECT_EQ(run(c.step, machine, c.memory), naive_convolution(conv, c.in, c.weights, c.configs));
  });
}

TEST(XdnnSemanticsProperty, convolutions_with_an_inline_pool_are_exact) {
  forall([](std::mt19937_64& random) {
    const Machine machine = random_array(random);
    ConvPool fused{.conv = random_conv(random, machine)};
    Conv& conv = fused.conv;
    fused.kernel_h = between(random, 1, 3), fused.kernel_w = between(random, 1, 3);
    fused.stride_h = between(random, 1, 2), fused.stride_w = between(random, 1, 2);
    fused.pad_h = between(random, 0, fused.kernel_h - 1);
    fused.pad_w = between(random, 0, fused.kernel_w - 1);
    fused.out_h = output_size(conv.out_h, fused.kernel_h, fused.stride_h, fused.pad_h);
    fused.out_w = output_size(conv.out_w, fused.kernel_w, fused.stride_w, fused.pad_w);
    random_destination(random, machine, conv.out_ch, conv.tail);
    ConvCase c = conv_case(random, machine, conv);
    c.step.instruction = fused;
    EXPECT_EQ(run(c.step, machine, c.memory),
              naive_inline_pool(fused, naive_convolution(conv, c.in, c.weights, c.configs)));
  });
}

TEST(XdnnSemanticsProperty, pools_are_exact) {
  forall([](std::mt19937_64& random) {
    const Machine machine = random_array(random);
    Pool pool{.average = coin(random)};
    pool.kernel_h = between(random, 1, 4), pool.kernel_w = between(random, 1, 4);
    pool.stride_h = between(random, 1, 3), pool.stride_w = between(random, 1, 3);
    pool.pad_h = between(random, 0, pool.kernel_h - 1);
    pool.pad_w = between(random, 0, pool.kernel_w - 1);
    pool.in_h = between(random, 1, 6), pool.in_w = between(random, 1, 6);
    pool.channels = between(random, 1, 200), pool.outaddr = kResult;
    pool.out_h = output_size(pool.in_h, pool.kernel_h, pool.stride_h, pool.pad_h);
    pool.out_w = output_size(pool.in_w, pool.kernel_w, pool.stride_w, pool.pad_w);
    pool.tail.pre_relu = coin(random);
    pool.tail.source = random_layout(random, pool.channels, machine.word_bytes());
    random_destination(random, machine, pool.channels, pool.tail);
    const Pixels in = random_codes(random, pool.in_h * pool.in_w * pool.channels);
    Memory memory = random_memory(random, machine);
    write_am(memory, {0, pool.channels, pool.in_h, pool.in_w, pool.tail.source}, in);
    const Rescale rescale{between(random, 0, 65535), between(random, 12, 24)};
    EXPECT_EQ(run({pool, 0, rescale}, machine, memory),
              naive_pool(pool, in, rescale.scale, rescale.shift));
  });
}

TEST(XdnnSemanticsProperty, sums_of_two_maps_are_exact) {
  forall([](std::mt19937_64& random) {
    const Machine machine = random_array(random);
    Eltwise add{.relu = coin(random), .inaddr_a = 0, .inaddr_b = kOtherSource};
    add.width = between(random, 1, 5), add.height = between(random, 1, 5);
    add.channels = between(random, 1, 200), add.outaddr = kResult;
    add.tail.pre_relu = coin(random);
    add.tail.source = plain_layout(add.channels, machine.word_bytes());
    random_destination(random, machine, add.channels, add.tail);
    const std::int64_t count = add.width * add.height * add.channels;
    const Pixels a = random_codes(random, count), b = random_codes(random, count);
    Memory memory = random_memory(random, machine);
    write_am(memory, {0, add.channels, add.height, add.width, add.tail.source}, a);
    write_am(memory, {kOtherSource, add.channels, add.height, add.width, add.tail.source}, b);
    const Rescale rescale{between(random, 0, 65535), between(random, 10, 20)};
    EXPECT_EQ(run({add, 0, rescale}, machine, memory),
              naive_eltwise(add, a, b, rescale.scale, rescale.shift));
  });
}

TEST(XdnnSemanticsProperty, upsampling_is_exact) {
  forall([](std::mt19937_64& random) {
    const Machine machine = random_array(random);
    Upsample up{.factor_h = std::int64_t{1} << between(random, 0, 2),
                .factor_w = std::int64_t{1} << between(random, 0, 2)};
    up.in_h = between(random, 1, 3), up.in_w = between(random, 1, 3);
    up.channels = between(random, 1, 60), up.outaddr = kResult;
    up.out_h = up.in_h * up.factor_h, up.out_w = up.in_w * up.factor_w;
    up.tail.source = random_layout(random, up.channels, machine.word_bytes());
    random_destination(random, machine, up.channels, up.tail);
    const Pixels in = random_codes(random, up.in_h * up.in_w * up.channels);
    Memory memory = random_memory(random, machine);
    write_am(memory, {0, up.channels, up.in_h, up.in_w, up.tail.source}, in);
    EXPECT_EQ(run({up}, machine, memory), naive_upsample(up, in));
  });
}

}  // namespace
}  // namespace workbench::xdnn
