// Whatever is written can be read back: channel configurations, filter slabs, tensors in the AM and
// in DDR. Machine files: whatever the text, an Error or a machine.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <set>
#include <tuple>

#include "core/error.h"
#include "core/file.h"
#include "isa/xdnn/footprint.h"
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

TEST(XdnnCodec, channel_configurations_survive) {
  forall([](std::mt19937_64& random) {
    const ChannelConfig config = random_channel_config(random);
    EXPECT_EQ(decode_channel_config(encode(config)), config);
  });
}

TEST(XdnnCodec, configuration_words_survive_but_for_the_unused_bits) {
  // docs/facts/xdnn.md 1.6 defines bits 0-5, 7-55 and 56-61.
  constexpr std::uint64_t kUsed = 0x3fffffffffffffbfull;
  forall([](std::mt19937_64& random) {
    const std::uint64_t word = random();
    EXPECT_EQ(encode(decode_channel_config(word)), word & kUsed);
  });
}

TEST(XdnnCodec, taps_cover_each_channel_of_each_kernel_cell_once) {
  forall([](std::mt19937_64& random) {
    const Machine machine = random_array(random);
    const std::int64_t word = machine.word_bytes(), channels = between(random, 1, 400);
    const std::int64_t kernel_h = between(random, 1, 7), kernel_w = between(random, 1, 7);
    const ChannelLayout layout = random_layout(random, channels, word);
    const std::int64_t steps = array_steps(layout, kernel_h, kernel_w);
    std::set<std::tuple<std::int64_t, std::int64_t, std::int64_t>> cells;
    std::set<std::pair<std::int64_t, std::int64_t>> rows;  // (step, row): one weight each
    for (const Tap& tap : array_taps(layout, channels, kernel_h, kernel_w, word)) {
      ASSERT_LT(tap.step, steps);
      ASSERT_LE(tap.row + tap.channels, word);
      ASSERT_EQ(tap.lane, tap.row) << "row r of the array is fed with code r of the word";
      for (std::int64_t c = 0; c < tap.channels; ++c) {
        ASSERT_TRUE(cells.insert({tap.first_channel + c, tap.kernel_y, tap.kernel_x}).second);
        ASSERT_TRUE(rows.insert({tap.step, tap.row + c}).second);
      }
    }
    EXPECT_EQ(static_cast<std::int64_t>(cells.size()), channels * kernel_h * kernel_w);
  });
}

// Each weight where the taps' order puts it, zero in between.
void expect_weights(const FilterShape& s, const Pixels& weights, std::int64_t word,
                    const PackedMatrix& unpacked) {
  PackedMatrix expected(unpacked.depth, s.out_channels);
  std::int64_t depth = 0;
  for (const Tap& tap : array_taps(s.source, s.in_channels, s.kernel_h, s.kernel_w, word)) {
    for (std::int64_t i = 0; i < tap.channels * s.out_channels; ++i) {
      const std::int64_t c = i / s.out_channels, o = i % s.out_channels;
      const std::int64_t row = (o * s.in_channels + tap.first_channel + c) * s.kernel_h;
      const std::int64_t from = (row + tap.kernel_y) * s.kernel_w + tap.kernel_x;
      expected.codes[expected.index(depth + c, o)] = weights[static_cast<std::size_t>(from)];
    }
    depth += round_up(tap.channels, kDotLength);
  }
  EXPECT_EQ(depth, unpacked.depth);
  EXPECT_EQ(unpacked.codes, expected.codes);
}

TEST(XdnnCodec, filters_survive_packing) {
  forall([](std::mt19937_64& random) {
    const Machine machine = random_array(random);
    FilterShape shape{.in_channels = between(random, 1, 150),
                      .out_channels = between(random, 1, 150)};
    shape.kernel_h = between(random, 1, 3), shape.kernel_w = between(random, 1, 3);
    shape.half_rate = random() % 2 == 0;
    shape.source = random_layout(random, shape.in_channels, machine.word_bytes());
    const std::int64_t per_channel = shape.in_channels * shape.kernel_h * shape.kernel_w;
    const Pixels weights = random_codes(random, shape.out_channels * per_channel);
    std::vector<ChannelConfig> configs;
    for (std::int64_t c = 0; c < shape.out_channels; ++c) {
      configs.push_back(random_channel_config(random));
    }
    std::string image = "before";
    pack_filters(shape, weights, configs, machine, image);
    const std::int64_t slab = slab_bytes(array_steps(shape.source, shape.kernel_h, shape.kernel_w),
                                         shape.half_rate, machine);
    const std::int64_t passes =
        ceil_div(shape.out_channels, machine.pass_channels(shape.half_rate));
    ASSERT_EQ(static_cast<std::int64_t>(image.size()), 6 + passes * slab);
    const Pixels bytes(image.begin() + 6, image.end());
    const UnpackedFilters unpacked = unpack_filters(shape, bytes, machine);
    EXPECT_EQ(unpacked.configs, configs);
    expect_weights(shape, weights, machine.word_bytes(), unpacked.weights);
  });
}

struct AmCase {
  Memory memory;
  AmTensor tensor;
};

// Plain, replicated, or a part of a concat volume that may begin at any channel of a word.
AmCase random_am_case(std::mt19937_64& random) {
  const std::int64_t word = 16 * between(random, 1, 16);
  AmTensor tensor{.address = between(random, 0, 5), .channels = between(random, 1, 300)};
  tensor.height = between(random, 1, 5), tensor.width = between(random, 1, 5);
  if (random() % 2 == 0) {
    tensor.layout = random_layout(random, tensor.channels, word);
  } else {
    tensor.start_channel = between(random, 0, 2 * word);
    tensor.layout = plain_layout(tensor.start_channel + tensor.channels, word);
  }
  const std::int64_t sections =
      1 + std::max(tensor.layout.sections(), ceil_div(tensor.channels, word));
  const std::int64_t words = tensor.address + sections * tensor.height * tensor.width;
  return {{.geometry = {word}, .am = random_codes(random, words * word)}, tensor};
}

TEST(XdnnCodec, tensors_survive_in_the_am) {
  forall([](std::mt19937_64& random) {
    auto [memory, tensor] = random_am_case(random);
    const Pixels pixels = random_codes(random, tensor.channels * tensor.height * tensor.width);
    write_am(memory, tensor, pixels);
    EXPECT_EQ(read_am(memory, tensor), pixels);
  });
}

TEST(XdnnCodec, writing_touches_the_bytes_of_the_footprint_and_no_other) {
  forall([](std::mt19937_64& random) {
    auto [memory, tensor] = random_am_case(random);
    Machine machine;
    machine.array.rows = memory.geometry.word_bytes;
    // A download of the whole tensor.
    Gather down{.am_address = tensor.address, .width = tensor.width, .height = tensor.height};
    down.channels = tensor.channels, down.end_row = tensor.height - 1;
    down.tail.destination = tensor.layout;
    if (!tensor.layout.replicated()) {
      down.tail.concat_part = true;
      down.tail.concat_volume = tensor.layout;
      down.tail.concat_start = tensor.start_channel;
    }
    std::vector<bool> inside(memory.am.size(), false);
    for (const AmRegion& r : footprint({down}, machine).am_writes) {
      for (std::int64_t w = r.word_begin; w < r.word_end; ++w) {
        for (std::int64_t b = r.byte_begin; b < r.byte_end; ++b) {
          inside[static_cast<std::size_t>(w * memory.geometry.word_bytes + b)] = true;
        }
      }
    }
    // Written twice, over two different backgrounds: a byte is touched when it ends up the same.
    const Pixels pixels = random_codes(random, tensor.channels * tensor.height * tensor.width);
    Memory inverse = memory;
    for (std::int8_t& byte : inverse.am) byte = static_cast<std::int8_t>(~byte);
    write_am(memory, tensor, pixels);
    write_am(inverse, tensor, pixels);
    for (std::size_t i = 0; i < memory.am.size(); ++i) {
      ASSERT_EQ(memory.am[i] == inverse.am[i], inside[i]) << "byte " << i;
    }
  });
}

TEST(XdnnCodec, tensors_survive_in_ddr_and_stay_inside_their_bytes) {
  forall([](std::mt19937_64& random) {
    const std::int64_t c = between(random, 1, 40), h = between(random, 1, 6),
                       w = between(random, 1, 20), address = 64 * between(random, 0, 4);
    const Geometry geometry;
    const std::int64_t bytes = ddr_tensor_bytes(c, h, w, geometry);
    const Pixels pixels = random_codes(random, c * h * w);
    Memory memory{.geometry = geometry,
                  .ddr = Pixels(static_cast<std::size_t>(address + bytes + 64), 77)};
    write_ddr(memory, address, c, h, w, pixels);
    EXPECT_EQ(read_ddr(memory, address, c, h, w), pixels);
    const auto untouched = [](std::int8_t byte) { return byte == 77; };
    EXPECT_TRUE(std::all_of(memory.ddr.begin(), memory.ddr.begin() + address, untouched));
    EXPECT_TRUE(std::all_of(memory.ddr.end() - 64, memory.ddr.end(), untouched));
  });
}

// One to four random edits: a character changed, removed or doubled, or a line moved elsewhere.
std::string mutated(std::string text, std::mt19937_64& random) {
  constexpr std::string_view kAlphabet = "0123456789:-.#[]{}&*!|>'\"%@`,? \n\tabcxyz\x80\xff";
  for (std::uint64_t edit = 0; edit < 1 + random() % 4 && !text.empty(); ++edit) {
    const std::size_t at = random() % text.size();
    switch (random() % 4) {
      case 0:
        text[at] = kAlphabet[random() % kAlphabet.size()];
        break;
      case 1:
        text.erase(at, 1 + random() % 8);
        break;
      case 2:
        text.insert(at, text.substr(random() % text.size(), random() % 40));
        break;
      default:
        text.insert(at, 1, kAlphabet[random() % kAlphabet.size()]);
    }
  }
  return text;
}

TEST(XdnnCodec, a_damaged_machine_file_is_an_error_or_a_machine) {
  const std::string shipped = read_file("configs/v3_96.yaml");
  int refused = 0;
  for (std::uint64_t seed = 1; seed <= 5 * kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    try {
      const Machine machine = parse_machine(mutated(shipped, random), "machine.yaml");
      EXPECT_EQ(contradiction(machine), "");
    } catch (const Error& error) {
      const std::string what = error.what();
      EXPECT_EQ(what.substr(0, 13), "machine.yaml:") << what;
      EXPECT_EQ(what.find('\n'), std::string::npos) << what;
      ++refused;
    }
  }
  EXPECT_GT(refused, kCases);  // else the edits would be harmless
}

}  // namespace
}  // namespace workbench::xdnn
