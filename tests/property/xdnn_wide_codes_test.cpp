// Codes of 16 bits: tensors byte by byte where docs/facts/xdnn.md 1.4 and 1.6 put them, and random
// instructions of V2 and V3 against naive integer loops (docs/facts/xdnn.md 3.1 to 3.4).
#include <gtest/gtest.h>

#include <cstring>
#include <functional>

#include "isa/xdnn/footprint.h"
#include "isa/xdnn/semantics.h"
#include "tests/support/naive_xdnn.h"
#include "tests/support/random_xdnn.h"

namespace workbench::xdnn {
namespace {

constexpr int kCases = 200;
constexpr std::int64_t kOther = 3000, kResult = 6000, kWords = 9000;  // of the AM

using Codes = std::vector<std::int16_t>;

void forall(const std::function<void(std::mt19937_64&)>& body) {
  for (std::uint64_t seed = 1; seed <= kCases && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    body(random);
  }
}

bool coin(std::mt19937_64& random) { return random() % 2 == 0; }

Machine wide_array(std::mt19937_64& random, bool lines) {
  Machine machine = random_array(random);
  machine.array.bits = 16;
  if (lines) {
    machine.family_name = "xdnn_v2";
    machine.features = {0, 0, 0, 0, 0, 0};
    machine.array.rows = between(random, 8, 128);
    machine.array.images = between(random, 1, 2);
  }
  return machine;
}

Codes random_wide_codes(std::mt19937_64& random, std::int64_t count) {
  const bool extreme = random() % 8 == 0;
  Codes codes(static_cast<std::size_t>(count));
  for (std::int16_t& code : codes) {
    code = static_cast<std::int16_t>(extreme ? (coin(random) ? 32767 : -32768)
                                             : between(random, -32768, 32767));
  }
  return codes;
}

Pixels bytes_of(const Codes& codes) {
  Pixels bytes(codes.size() * 2);
  std::memcpy(bytes.data(), codes.data(), bytes.size());
  return bytes;
}

Codes codes_of(const Pixels& bytes) {
  Codes codes(bytes.size() / 2);
  std::memcpy(codes.data(), bytes.data(), bytes.size());
  return codes;
}

std::int16_t code_at(const Pixels& memory, std::int64_t byte) {
  std::int16_t code = 0;
  std::memcpy(&code, memory.data() + byte, sizeof code);
  return code;
}

std::int64_t clamp(std::int64_t value, int bits) {
  const std::int64_t high = (std::int64_t{1} << (bits - 1)) - 1;
  return value > high ? high : value < -high - 1 ? -high - 1 : value;
}

Memory random_memory(std::mt19937_64& random, const Machine& machine) {
  return {.geometry = machine.geometry(),
          .am = random_codes(random, kWords * machine.word_bytes())};
}

// --- where codes lie -----------------------------------------------------------------------------

TEST(XdnnWideCodes, a_word_is_96_channels_of_192_bytes) {
  forall([](std::mt19937_64& random) {
    Machine machine;
    machine.array.bits = 16;
    ASSERT_EQ(machine.word_bytes(), 192);
    ASSERT_EQ(machine.am_words(), 49152);  // docs/facts/xdnn.md 1.1: half of 98304
    Memory memory = random_memory(random, machine);
    AmTensor t{between(random, 0, 9), between(random, 1, 250), between(random, 1, 3),
               between(random, 1, 4)};
    t.start_channel = between(random, 0, 95);
    t.layout = plain_layout(t.start_channel + t.channels, machine.geometry());
    const Codes codes = random_wide_codes(random, t.height * t.width * t.channels);
    write_am(memory, t, bytes_of(codes));
    for (std::int64_t p = 0; p < t.height * t.width; ++p) {
      for (std::int64_t c = 0; c < t.channels; ++c) {
        const std::int64_t channel = t.start_channel + c;
        const std::int64_t word = t.address + channel / 96 * t.height * t.width + p;
        ASSERT_EQ(code_at(memory.am, word * 192 + channel % 96 * 2),
                  codes[static_cast<std::size_t>(p * t.channels + c)]);
      }
    }
    EXPECT_EQ(codes_of(read_am(memory, t)), codes);
  });
}

TEST(XdnnWideCodes, a_line_holds_one_image_and_both_bytes_are_its) {
  forall([](std::mt19937_64& random) {
    const Machine machine = wide_array(random, true);
    Memory memory = random_memory(random, machine);
    const AmTensor t{between(random, 0, 9), between(random, 1, 9), between(random, 1, 4),
                     between(random, 1, 70)};
    const Codes codes = random_wide_codes(random, t.height * t.width * t.channels);
    write_am(memory, t, bytes_of(codes));
    const std::int64_t dsp = machine.array.rows, lines = (t.width + dsp - 1) / dsp;
    for (std::int64_t i = 0; i < t.channels * t.height * t.width; ++i) {
      const std::int64_t x = i % t.width, y = i / t.width % t.height, c = i / t.width / t.height;
      const std::int64_t line = t.address + (c * t.height + y) * lines + x / dsp;
      ASSERT_EQ(code_at(memory.am, line * machine.word_bytes() + x % dsp * 2),
                codes[static_cast<std::size_t>((y * t.width + x) * t.channels + c)]);
    }
    EXPECT_EQ(codes_of(read_am(memory, t)), codes);
  });
}

TEST(XdnnWideCodes, tensors_in_ddr_take_two_bytes_per_code) {
  forall([](std::mt19937_64& random) {
    Machine machine;
    machine.array.bits = 16;
    const std::int64_t channels = between(random, 1, 30), height = between(random, 1, 4);
    const std::int64_t width = between(random, 1, 20);
    const std::int64_t row =
        (width * 16 + 63) / 64 * 64;  // docs/facts/xdnn.md 1.6: padded to 64 bytes
    const std::int64_t bytes = (channels + 7) / 8 * height * row;
    ASSERT_EQ(ddr_tensor_bytes(channels, height, width, machine.geometry()), bytes);
    Memory memory{.geometry = machine.geometry(), .ddr = random_codes(random, 64 + bytes)};
    const Codes codes = random_wide_codes(random, channels * height * width);
    write_ddr(memory, 64, channels, height, width, bytes_of(codes));
    for (std::int64_t i = 0; i < channels * height * width; ++i) {
      const std::int64_t c = i % channels, x = i / channels % width, y = i / channels / width;
      ASSERT_EQ(code_at(memory.ddr, 64 + (c / 8 * height + y) * row + (x * 8 + c % 8) * 2),
                codes[static_cast<std::size_t>(i)]);
    }
    EXPECT_EQ(codes_of(read_ddr(memory, 64, channels, height, width)), codes);
  });
}

// --- instructions --------------------------------------------------------------------------------

std::int64_t output_size(std::int64_t in, std::int64_t kernel, std::int64_t stride,
                         std::int64_t pad) {
  return std::max<std::int64_t>(1, (in + 2 * pad - kernel) / stride + 1);
}

Conv random_conv(std::mt19937_64& random, const Machine& machine) {
  Conv conv;
  conv.kernel_h = between(random, 1, 3), conv.kernel_w = between(random, 1, 3);
  conv.stride_h = between(random, 1, 2), conv.stride_w = between(random, 1, 2);
  conv.pad_h = between(random, 0, conv.kernel_h - 1);
  conv.pad_w = between(random, 0, conv.kernel_w - 1);
  conv.in_h = between(random, 1, 5), conv.in_w = between(random, 1, 9);
  conv.in_ch = between(random, 1, 60), conv.out_ch = between(random, 1, 40);
  conv.out_h = output_size(conv.in_h, conv.kernel_h, conv.stride_h, conv.pad_h);
  conv.out_w = output_size(conv.in_w, conv.kernel_w, conv.stride_w, conv.pad_w);
  conv.relu = coin(random), conv.bias = coin(random);
  conv.inaddr = 0;
  conv.outaddr = kResult * machine.word_addresses();
  if (machine.width_aligned()) return conv;
  conv.prelu = !conv.relu && coin(random);
  conv.tail.pre_relu = random() % 4 == 0;
  conv.tail.half_rate = coin(random);
  conv.tail.source = random_layout(random, conv.in_ch, machine.geometry().word_channels());
  conv.tail.destination = random_layout(random, conv.out_ch, machine.geometry().word_channels());
  return conv;
}

// The fields of docs/facts/xdnn.md 3.6 at 16 bits, mostly such that results are no mere clamps.
std::vector<ChannelConfig> random_configs(std::mt19937_64& random, const Machine& machine,
                                          std::int64_t count) {
  std::vector<ChannelConfig> configs;
  const bool v2 = machine.prescales();
  for (std::int64_t c = 0; c < count; ++c) {
    const std::int64_t bias = v2 ? 32767 : coin(random) ? 100000 : 2147483647;
    configs.push_back({.preshift = v2 ? between(random, 8, 32) : between(random, 0, 24),
                       .enable = true,
                       .scale = between(random, 0, v2 ? 255 : 65535),
                       .bias = between(random, -bias, bias),
                       .postshift = v2 ? between(random, 0, 8) : between(random, 0, 24)});
  }
  return configs;
}

// docs/facts/xdnn.md 3.2 and 3.3 with bw = 16, line by line.
std::int64_t after_sum(const Conv& conv, const Machine& machine, std::int64_t acc,
                       const ChannelConfig& c) {
  const std::int64_t bias = conv.bias ? c.bias : 0;
  std::int64_t v = acc;
  if (machine.prescales()) {
    v = clamp(naive_round_shift(v, c.preshift), 16);
    v = clamp(naive_round_shift(v * c.scale, c.postshift), 16);
    v = clamp(v + bias, 16);
  } else {
    v += bias * 65536;
    const std::int64_t scale = !conv.prelu ? c.scale : v < 0 ? c.scale / 256 : c.scale % 256;
    v = clamp(naive_round_shift(v, c.preshift), 24);
    v = clamp(naive_round_shift(v * scale, c.postshift), 16);
  }
  return conv.relu && v < 0 ? 0 : v;
}

Codes naive_conv(const Conv& conv, const Machine& machine, const Codes& in, const Codes& weights,
                 const std::vector<ChannelConfig>& configs) {
  Codes out;
  for (std::int64_t i = 0; i < conv.out_h * conv.out_w * conv.out_ch; ++i) {
    const std::int64_t c = i % conv.out_ch, ox = i / conv.out_ch % conv.out_w;
    const std::int64_t oy = i / conv.out_ch / conv.out_w;
    std::int64_t sum = 0;
    for (std::int64_t j = 0; j < conv.in_ch * conv.kernel_h * conv.kernel_w; ++j) {
      const std::int64_t kx = j % conv.kernel_w, ky = j / conv.kernel_w % conv.kernel_h;
      const std::int64_t y = oy * conv.stride_h - conv.pad_h + ky;
      const std::int64_t x = ox * conv.stride_w - conv.pad_w + kx;
      if (y < 0 || y >= conv.in_h || x < 0 || x >= conv.in_w) continue;
      const std::int64_t channel = j / conv.kernel_w / conv.kernel_h;
      std::int64_t code = in[static_cast<std::size_t>((y * conv.in_w + x) * conv.in_ch + channel)];
      if (conv.tail.pre_relu && code < 0) code = 0;
      sum += code *
             weights[static_cast<std::size_t>(c * conv.in_ch * conv.kernel_h * conv.kernel_w + j)];
    }
    out.push_back(static_cast<std::int16_t>(
        after_sum(conv, machine, sum, configs[static_cast<std::size_t>(c)])));
  }
  return out;
}

Codes run(const Step& step, const Machine& machine, Memory& memory) {
  const Result result = execute(step, machine, memory, 1);
  EXPECT_EQ(execute(step, machine, memory, 3).pixels, result.pixels);
  commit(result, memory);
  return codes_of(read_am(memory, am_operands(step, machine).results.at(0)));
}

TEST(XdnnWideCodes, convolutions_are_exact) {
  forall([](std::mt19937_64& random) {
    const Machine machine = wide_array(random, coin(random));
    const Conv conv = random_conv(random, machine);
    Memory memory = random_memory(random, machine);
    const Codes in = random_wide_codes(random, conv.in_h * conv.in_w * conv.in_ch);
    const Codes weights =
        random_wide_codes(random, conv.out_ch * conv.in_ch * conv.kernel_h * conv.kernel_w);
    const auto configs = random_configs(random, machine, conv.out_ch);
    std::string image(64, '\0');
    pack_filters(filter_shape(conv), bytes_of(weights), configs, machine, image);
    memory.ddr.assign(image.begin(), image.end());
    write_am(memory, {0, conv.in_ch, conv.in_h, conv.in_w, conv.tail.source}, bytes_of(in));
    EXPECT_EQ(run({conv, 64}, machine, memory), naive_conv(conv, machine, in, weights, configs));
  });
}

TEST(XdnnWideCodes, filters_take_twice_the_bytes_in_twice_the_passes) {
  // docs/facts/xdnn.md 1.6: 8 AXI words of configuration for 64 channels and 16 columns x 6 words
  // per step, 32 bits for each row: four weights of 8 bits or two of 16.
  Machine machine;
  const FilterShape shape{.source = {.full = 2}, .in_channels = 192, .out_channels = 128};
  EXPECT_EQ(filter_bytes(shape, machine), 2 * (8 + 16 * 6 * 2) * 64);
  machine.array.bits = 16;
  EXPECT_EQ(machine.pass_channels(false), 32);
  EXPECT_EQ(filter_bytes(shape, machine), 4 * (4 + 16 * 6 * 2) * 64);
}

TEST(XdnnWideCodes, pools_are_exact) {
  forall([](std::mt19937_64& random) {
    const Machine machine = wide_array(random, coin(random));
    Pool pool{.average = coin(random)};
    pool.kernel_h = between(random, 1, 4), pool.kernel_w = between(random, 1, 4);
    pool.stride_h = between(random, 1, 3), pool.stride_w = between(random, 1, 3);
    pool.pad_h = between(random, 0, pool.kernel_h - 1);
    pool.pad_w = between(random, 0, pool.kernel_w - 1);
    pool.in_h = between(random, 1, 6), pool.in_w = between(random, 1, 6);
    pool.channels = between(random, 1, 60);
    pool.outaddr = kResult * machine.word_addresses();
    pool.out_h = output_size(pool.in_h, pool.kernel_h, pool.stride_h, pool.pad_h);
    pool.out_w = output_size(pool.in_w, pool.kernel_w, pool.stride_w, pool.pad_w);
    pool.tail.source = pool.tail.destination = plain_layout(pool.channels, machine.geometry());
    const Codes in = random_wide_codes(random, pool.in_h * pool.in_w * pool.channels);
    Memory memory = random_memory(random, machine);
    write_am(memory, {0, pool.channels, pool.in_h, pool.in_w, pool.tail.source}, bytes_of(in));
    const Rescale rescale{between(random, 0, 65535), between(random, 12, 24)};
    Codes expected;
    for (std::int64_t i = 0; i < pool.out_h * pool.out_w * pool.channels; ++i) {
      const std::int64_t c = i % pool.channels, p = i / pool.channels;
      std::int64_t largest = -32768, sum = 0;
      for (std::int64_t k = 0; k < pool.kernel_h * pool.kernel_w; ++k) {
        const std::int64_t y = p / pool.out_w * pool.stride_h - pool.pad_h + k / pool.kernel_w;
        const std::int64_t x = p % pool.out_w * pool.stride_w - pool.pad_w + k % pool.kernel_w;
        if (y < 0 || y >= pool.in_h || x < 0 || x >= pool.in_w) continue;
        const std::int64_t code =
            in[static_cast<std::size_t>((y * pool.in_w + x) * pool.channels + c)];
        largest = std::max(largest, code);
        sum += code;
      }
      const std::int64_t average = naive_round_shift(sum * rescale.scale, rescale.shift);
      expected.push_back(static_cast<std::int16_t>(pool.average ? clamp(average, 16) : largest));
    }
    EXPECT_EQ(run({pool, 0, rescale}, machine, memory), expected);
  });
}

TEST(XdnnWideCodes, sums_of_two_maps_are_exact) {
  forall([](std::mt19937_64& random) {
    const Machine machine = wide_array(random, coin(random));
    Eltwise add{.relu = coin(random), .inaddr_a = 0};
    add.inaddr_b = kOther * machine.word_addresses();
    add.outaddr = kResult * machine.word_addresses();
    add.width = between(random, 1, 5), add.height = between(random, 1, 5);
    add.channels = between(random, 1, 100);
    add.tail.source = add.tail.destination = plain_layout(add.channels, machine.geometry());
    const std::int64_t count = add.width * add.height * add.channels;
    const Codes a = random_wide_codes(random, count), b = random_wide_codes(random, count);
    Memory memory = random_memory(random, machine);
    write_am(memory, {0, add.channels, add.height, add.width, add.tail.source}, bytes_of(a));
    write_am(memory, {kOther, add.channels, add.height, add.width, add.tail.source}, bytes_of(b));
    const Rescale rescale{between(random, 0, 65535), between(random, 10, 20)};
    Codes expected;
    for (std::size_t i = 0; i < a.size(); ++i) {
      const std::int64_t sum = std::int64_t{a[i]} + b[i];
      const std::int64_t code = clamp(naive_round_shift(sum * rescale.scale, rescale.shift), 16);
      expected.push_back(static_cast<std::int16_t>(add.relu && code < 0 ? 0 : code));
    }
    EXPECT_EQ(run({add, 0, rescale}, machine, memory), expected);
  });
}

TEST(XdnnWideCodes, rows_gathered_and_scattered_are_the_rows_asked_for) {
  forall([](std::mt19937_64& random) {
    const Machine machine = wide_array(random, coin(random));
    const std::int64_t channels = between(random, 1, 40), height = between(random, 1, 6);
    const std::int64_t width = between(random, 1, 30), row = width * channels;
    const std::int64_t bytes = ddr_tensor_bytes(channels, height, width, machine.geometry());
    Memory memory = random_memory(random, machine);
    memory.ddr = random_codes(random, 2 * bytes);
    const Codes from = random_wide_codes(random, height * row);
    const Codes to = random_wide_codes(random, height * row);
    write_ddr(memory, 0, channels, height, width, bytes_of(from));
    write_ddr(memory, bytes, channels, height, width, bytes_of(to));
    Gather gather{.width = width, .height = height, .channels = channels};
    gather.start_row = between(random, 0, height - 1);
    gather.end_row = between(random, gather.start_row, height - 1);
    gather.tail.destination = plain_layout(channels, machine.geometry());
    Scatter scatter{.ddr_address = bytes, .width = width, .height = height, .channels = channels};
    scatter.start_row = gather.start_row, scatter.end_row = gather.end_row;
    scatter.tail.source = gather.tail.destination;
    commit(execute({gather}, machine, memory, 1), memory);
    commit(execute({scatter}, machine, memory, 1), memory);
    Codes expected = to;
    std::copy(from.begin() + gather.start_row * row, from.begin() + (gather.end_row + 1) * row,
              expected.begin() + gather.start_row * row);
    EXPECT_EQ(codes_of(read_ddr(memory, bytes, channels, height, width)), expected);
  });
}

}  // namespace
}  // namespace workbench::xdnn
