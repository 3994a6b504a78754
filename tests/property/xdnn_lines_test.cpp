// Machines whose memory words are lines of pixels (V2, MathEngine): tensors byte by byte where
// docs/facts/xdnn.md 1.4 and 1.6 put them, filters weight by weight, instructions against naive
// loops.
#include <gtest/gtest.h>

#include <functional>

#include "isa/xdnn/cost.h"
#include "isa/xdnn/footprint.h"
#include "isa/xdnn/semantics.h"
#include "tests/support/naive_xdnn.h"
#include "tests/support/random_xdnn.h"

namespace workbench::xdnn {
namespace {

constexpr int kCases = 200;

void forall(const std::function<void(std::mt19937_64&)>& body) {
  for (std::uint64_t seed = 1; seed <= kCases && !::testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    body(random);
  }
}

bool coin(std::mt19937_64& random) { return random() % 2 == 0; }

// A V2 of any width, often one that was built, or a MathEngine.
Machine random_lines(std::mt19937_64& random) {
  Machine machine;
  const bool buffers = random() % 5 == 0;
  machine.family_name = buffers ? "math_engine" : "xdnn_v2";
  machine.clocks = {100, 100.0 * static_cast<double>(between(random, 1, 2)), 100};
  machine.array.rows = buffers        ? 1
                       : coin(random) ? between(random, 8, 128)
                       : coin(random) ? 28
                                      : 56;
  machine.array.columns = between(random, 1, 32);
  machine.array.weights_per_dsp = between(random, 1, 2);
  machine.array.images = between(random, 1, 2);
  return machine;
}

std::int64_t lanes(const Machine& machine) {
  std::int64_t lanes = 1;
  while (lanes < machine.array.rows) lanes *= 2;
  return lanes;
}

// docs/facts/xdnn.md 1.4: two bytes for each pixel, ceil(W / DSP) lines of the next power of two in
// a row.
std::int64_t byte_of(const Machine& machine, const AmTensor& t, std::int64_t c, std::int64_t y,
                     std::int64_t x) {
  const std::int64_t dsp = machine.array.rows, lines = (t.width + dsp - 1) / dsp;
  const std::int64_t line = (c * t.height + y) * lines + x / dsp;
  return (t.address + line) * lanes(machine) * 2 + x % dsp * 2;
}

AmTensor random_tensor(std::mt19937_64& random) {
  AmTensor tensor{.address = between(random, 0, 40), .channels = between(random, 1, 12)};
  tensor.height = between(random, 1, 6), tensor.width = between(random, 1, 70);
  return tensor;
}

Memory memory_for(std::mt19937_64& random, const Machine& machine, std::int64_t words) {
  return {.geometry = machine.geometry(), .am = random_codes(random, words * machine.word_bytes())};
}

Memory memory_for(std::mt19937_64& random, const Machine& machine, const AmTensor& tensor) {
  return memory_for(random, machine,
                    tensor.address + tensor.channels * tensor.height * tensor.width + 1);
}

Pixels random_pixels(std::mt19937_64& random, const AmTensor& t) {
  return random_codes(random, t.channels * t.height * t.width);
}

TEST(XdnnLines, a_pixel_of_both_images_lies_where_the_formula_says) {
  forall([](std::mt19937_64& random) {
    const Machine machine = random_lines(random);
    const AmTensor t = random_tensor(random);
    Memory memory = memory_for(random, machine, t);
    const Pixels pixels = random_pixels(random, t);
    write_am(memory, t, pixels);
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(pixels.size()); ++i) {
      const std::int64_t c = i % t.channels, x = i / t.channels % t.width,
                         y = i / t.channels / t.width;
      const auto byte = static_cast<std::size_t>(byte_of(machine, t, c, y, x));
      ASSERT_EQ(memory.am[byte], pixels[static_cast<std::size_t>(i)]) << c << " " << y << " " << x;
      ASSERT_EQ(memory.am[byte + 1], memory.am[byte]) << "the second image";
    }
    EXPECT_EQ(read_am(memory, t), pixels);
  });
}

TEST(XdnnLines, writing_touches_the_bytes_of_the_footprint_and_no_other) {
  forall([](std::mt19937_64& random) {
    const Machine machine = random_lines(random);
    const AmTensor t = random_tensor(random);
    Gather down{.am_address = t.address * machine.word_bytes(), .width = t.width};
    down.height = t.height, down.channels = t.channels, down.end_row = t.height - 1;
    Memory memory = memory_for(random, machine, t);
    std::vector<bool> inside(memory.am.size(), false);
    for (const AmRegion& r : footprint({down}, machine).am_writes) {
      for (std::int64_t w = r.word_begin; w < r.word_end; ++w) {
        for (std::int64_t b = r.byte_begin; b < r.byte_end; ++b) {
          inside[static_cast<std::size_t>(w * machine.word_bytes() + b)] = true;
        }
      }
    }
    Memory inverse = memory;
    for (std::int8_t& byte : inverse.am) byte = static_cast<std::int8_t>(~byte);
    const Pixels pixels = random_pixels(random, t);
    write_am(memory, t, pixels);
    write_am(inverse, t, pixels);
    for (std::size_t i = 0; i < memory.am.size(); ++i) {
      ASSERT_EQ(memory.am[i] == inverse.am[i], inside[i]) << "byte " << i;
    }
  });
}

TEST(XdnnLines, ddr_volumes_have_the_published_size_and_survive) {
  forall([](std::mt19937_64& random) {
    Machine machine = random_lines(random);
    machine.family_name = "xdnn_v2";
    machine.array.rows = between(random, 8, 64);  // beyond, the formula's lines lose pixels
    const AmTensor t = random_tensor(random);
    // docs/facts/xdnn.md 1.6: H * C * 64 * num.
    const std::int64_t dsp = machine.array.rows, w = t.width;
    const std::int64_t twice = std::min(2 * dsp, 2 * w) > 64 && w != 1 ? 2 : 1;
    const std::int64_t bytes = t.height * t.channels * 64 * ((w + dsp - 1) / dsp) * twice;
    EXPECT_EQ(ddr_tensor_bytes(t.channels, t.height, w, machine.geometry()), bytes);
    Memory memory{.geometry = machine.geometry(),
                  .ddr = Pixels(static_cast<std::size_t>(64 + bytes + 64), 77)};
    const Pixels pixels = random_pixels(random, t);
    write_ddr(memory, 64, t.channels, t.height, w, pixels);
    EXPECT_EQ(read_ddr(memory, 64, t.channels, t.height, w), pixels);
    const auto untouched = [](std::int8_t byte) { return byte == 77; };
    EXPECT_TRUE(std::all_of(memory.ddr.begin(), memory.ddr.begin() + 64, untouched));
    EXPECT_TRUE(std::all_of(memory.ddr.end() - 64, memory.ddr.end(), untouched));
  });
}

// Configurations that the fields of V2 can hold (docs/facts/xdnn.md 3.2).
std::vector<ChannelConfig> random_configs(std::mt19937_64& random, std::int64_t count) {
  std::vector<ChannelConfig> configs;
  for (std::int64_t c = 0; c < count; ++c) {
    configs.push_back({.preshift = between(random, 0, 16),
                       .enable = true,
                       .scale = between(random, 0, 255),
                       .bias = between(random, -128, 127),
                       .postshift = between(random, 0, 8)});
  }
  return configs;
}

std::int64_t output_size(std::int64_t in, std::int64_t kernel, std::int64_t stride,
                         std::int64_t pad) {
  return std::max<std::int64_t>(1, (in + 2 * pad - kernel) / stride + 1);
}

// Without addresses.
Conv random_conv(std::mt19937_64& random) {
  Conv conv;
  conv.kernel_h = between(random, 1, 3), conv.kernel_w = between(random, 1, 3);
  conv.stride_h = std::int64_t{1} << between(random, 0, 2);
  conv.stride_w = std::int64_t{1} << between(random, 0, 2);
  conv.dilation_h = between(random, 1, 2), conv.dilation_w = between(random, 1, 2);
  const std::int64_t reach_h = (conv.kernel_h - 1) * conv.dilation_h + 1;
  const std::int64_t reach_w = (conv.kernel_w - 1) * conv.dilation_w + 1;
  conv.pad_h = between(random, 0, reach_h - 1), conv.pad_w = between(random, 0, reach_w - 1);
  conv.in_h = between(random, 1, 6), conv.in_w = between(random, 1, 40);
  conv.in_ch = between(random, 1, 30), conv.out_ch = between(random, 1, 70);
  conv.out_h = output_size(conv.in_h, reach_h, conv.stride_h, conv.pad_h);
  conv.out_w = output_size(conv.in_w, reach_w, conv.stride_w, conv.pad_w);
  conv.relu = coin(random), conv.bias = coin(random);
  return conv;
}

Pixels random_weights(std::mt19937_64& random, const Conv& conv) {
  return random_codes(random, conv.out_ch * conv.in_ch * conv.kernel_h * conv.kernel_w);
}

TEST(XdnnLines, slabs_are_vectors_of_shorts_and_weights_by_input_channel) {
  forall([](std::mt19937_64& random) {
    const Machine machine = random_lines(random);
    const Conv conv = random_conv(random);
    const FilterShape shape = filter_shape(conv);
    const Pixels weights = random_weights(random, conv);
    const auto configs = random_configs(random, conv.out_ch);
    std::string image;
    pack_filters(shape, weights, configs, machine, image);
    // docs/facts/xdnn.md 1.6: vectors padded to the channels of a pass, input channels padded to
    // even.
    const std::int64_t pass = machine.pass_channels(false), area = conv.kernel_h * conv.kernel_w;
    const std::int64_t even = conv.in_ch + conv.in_ch % 2, slab = 8 * pass + even * area * pass;
    EXPECT_EQ(slab_bytes(shape, machine), slab);
    ASSERT_EQ(static_cast<std::int64_t>(image.size()), (conv.out_ch + pass - 1) / pass * slab);
    for (std::int64_t o = 0; o < conv.out_ch; ++o) {
      const std::int64_t begin = o / pass * slab;
      for (std::int64_t i = 0; i < conv.in_ch * area; ++i) {
        const std::int64_t at = begin + 8 * pass + i * pass + o % pass;
        ASSERT_EQ(image[static_cast<std::size_t>(at)],
                  static_cast<char>(weights[static_cast<std::size_t>(o * conv.in_ch * area + i)]));
      }
    }
    const Pixels bytes(image.begin(), image.end());
    EXPECT_EQ(unpack_filters(shape, bytes, machine).configs, configs);
  });
}

// Source at a random word, result behind all that the source can take.
struct Places {
  std::int64_t source = 0, other = 0, result = 0;
  Memory memory;
};

Places random_places(std::mt19937_64& random, const Machine& machine, const AmTensor& largest) {
  const std::int64_t room = largest.channels * largest.height * largest.width;
  Places p;
  p.source = between(random, 0, 9);
  p.other = p.source + room + between(random, 0, 9);
  p.result = p.other + room + between(random, 0, 9);
  p.memory = {.geometry = machine.geometry(),
              .am = Pixels(static_cast<std::size_t>((p.result + room) * machine.word_bytes()), 55)};
  return p;
}

Pixels run(const Step& step, const Machine& machine, Memory& memory) {
  EXPECT_FALSE(misaligned_address(step, machine));
  const Result result = execute(step, machine, memory, 1);
  EXPECT_EQ(execute(step, machine, memory, 3).pixels, result.pixels);
  commit(result, memory);
  return read_am(memory, am_operands(step, machine).results.at(0));
}

TEST(XdnnLines, convolutions_are_exact) {
  forall([](std::mt19937_64& random) {
    const Machine machine = random_lines(random);
    Conv conv = random_conv(random);
    Places p = random_places(random, machine, {0, 70, 8, 50});
    conv.inaddr = p.source * machine.word_bytes();
    conv.outaddr = p.result * machine.word_bytes();
    const AmTensor source{p.source, conv.in_ch, conv.in_h, conv.in_w};
    const Pixels in = random_pixels(random, source), weights = random_weights(random, conv);
    const auto configs = random_configs(random, conv.out_ch);
    std::string image(64, '\0');
    pack_filters(filter_shape(conv), weights, configs, machine, image);
    p.memory.ddr.assign(image.begin(), image.end());
    write_am(p.memory, source, in);
    EXPECT_EQ(run({conv, 64}, machine, p.memory),
              naive_prescaled_convolution(conv, in, weights, configs));
  });
}

TEST(XdnnLines, pools_are_exact) {
  forall([](std::mt19937_64& random) {
    const Machine machine = random_lines(random);
    Pool pool{.average = coin(random)};
    pool.kernel_h = between(random, 1, 4), pool.kernel_w = between(random, 1, 4);
    pool.stride_h = between(random, 1, 3), pool.stride_w = between(random, 1, 3);
    pool.pad_h = between(random, 0, pool.kernel_h - 1);
    pool.pad_w = between(random, 0, pool.kernel_w - 1);
    pool.in_h = between(random, 1, 6), pool.in_w = between(random, 1, 60);
    pool.channels = between(random, 1, 40);
    pool.out_h = output_size(pool.in_h, pool.kernel_h, pool.stride_h, pool.pad_h);
    pool.out_w = output_size(pool.in_w, pool.kernel_w, pool.stride_w, pool.pad_w);
    Places p = random_places(random, machine, {0, 40, 9, 70});
    pool.inaddr = p.source * machine.word_bytes();
    pool.outaddr = p.result * machine.word_bytes();
    const AmTensor source{p.source, pool.channels, pool.in_h, pool.in_w};
    const Pixels in = random_pixels(random, source);
    write_am(p.memory, source, in);
    const Rescale rescale{between(random, 0, 255), between(random, 4, 16)};
    EXPECT_EQ(run({pool, 0, rescale}, machine, p.memory),
              naive_pool(pool, in, rescale.scale, rescale.shift));
  });
}

TEST(XdnnLines, sums_of_two_maps_are_exact) {
  forall([](std::mt19937_64& random) {
    const Machine machine = random_lines(random);
    AmTensor t = random_tensor(random);
    Places p = random_places(random, machine, t);
    const std::int64_t line = machine.word_bytes();
    Eltwise add{.relu = coin(random), .inaddr_a = p.source * line, .inaddr_b = p.other * line};
    add.width = t.width, add.height = t.height, add.channels = t.channels;
    add.outaddr = p.result * line;
    const Pixels a = random_pixels(random, t), b = random_pixels(random, t);
    t.address = p.source, write_am(p.memory, t, a);
    t.address = p.other, write_am(p.memory, t, b);
    const Rescale rescale{between(random, 0, 255), between(random, 0, 8)};
    EXPECT_EQ(run({add, 0, rescale}, machine, p.memory),
              naive_eltwise(add, a, b, rescale.scale, rescale.shift));
  });
}

TEST(XdnnLines, rows_gathered_and_scattered_are_the_rows_asked_for) {
  forall([](std::mt19937_64& random) {
    const Machine machine = random_lines(random);
    const AmTensor t = random_tensor(random);
    const std::int64_t bytes = ddr_tensor_bytes(t.channels, t.height, t.width, machine.geometry());
    Memory memory = memory_for(random, machine, t);
    memory.ddr = random_codes(random, 2 * bytes);
    const Pixels from = random_pixels(random, t), to = random_pixels(random, t);
    write_ddr(memory, 0, t.channels, t.height, t.width, from);
    write_ddr(memory, bytes, t.channels, t.height, t.width, to);
    Gather gather{.am_address = t.address * machine.word_bytes(), .width = t.width};
    gather.height = t.height, gather.channels = t.channels;
    gather.start_row = between(random, 0, t.height - 1);
    gather.end_row = between(random, gather.start_row, t.height - 1);
    Scatter scatter{.am_address = gather.am_address, .ddr_address = bytes, .width = t.width};
    scatter.height = t.height, scatter.channels = t.channels;
    scatter.start_row = gather.start_row, scatter.end_row = gather.end_row;
    commit(execute({gather}, machine, memory, 1), memory);
    commit(execute({scatter}, machine, memory, 1), memory);
    Pixels expected = to;
    const std::int64_t row = t.width * t.channels;
    std::copy(from.begin() + gather.start_row * row, from.begin() + (gather.end_row + 1) * row,
              expected.begin() + gather.start_row * row);
    EXPECT_EQ(read_ddr(memory, bytes, t.channels, t.height, t.width), expected);
  });
}

TEST(XdnnLines, an_address_inside_a_line_is_found) {
  forall([](std::mt19937_64& random) {
    const Machine machine = random_lines(random);
    const std::int64_t line = machine.word_bytes();
    Pool pool{.inaddr = 3 * line, .in_w = 4, .in_h = 4, .channels = 2, .outaddr = 50 * line};
    pool.out_w = pool.out_h = 4;
    EXPECT_FALSE(misaligned_address({pool}, machine));
    pool.outaddr += between(random, 1, line - 1);
    EXPECT_EQ(misaligned_address({pool}, machine), pool.outaddr);
  });
}

// docs/facts/xdnn.md 5.2.
TEST(XdnnLines, a_convolution_computes_as_long_as_the_formula_says) {
  forall([](std::mt19937_64& random) {
    const Machine machine = random_lines(random);
    const Conv conv = random_conv(random);
    const std::int64_t pass = machine.pass_channels(false), dsp = machine.array.rows;
    EXPECT_EQ(conv_cost(conv, machine).compute().value,
              conv.out_h * ((conv.out_w + dsp - 1) / dsp) * ((conv.out_ch + pass - 1) / pass) *
                  conv.in_ch * conv.kernel_w * conv.kernel_h);
  });
}

}  // namespace
}  // namespace workbench::xdnn
