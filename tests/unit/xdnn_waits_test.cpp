// Wait bits of hand-made programs: exactly the units that a dependence needs, no other.
#include <gtest/gtest.h>

#include "compiler/xdnn/emit.h"
#include "compiler/xdnn/lower.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {
namespace {

const Machine kV3;

// 4x4 pixels, one word each: 16 words per volume.
Tail plain() {
  Tail tail;
  tail.source = tail.destination = {1, 0, 0, 0};
  return tail;
}
Conv conv(std::int64_t from, std::int64_t to) {
  Conv c{.inaddr = from, .in_w = 4, .in_h = 4, .in_ch = 96, .outaddr = to};
  c.out_w = c.out_h = 4, c.out_ch = 96, c.tail = plain();
  return c;
}
Pool pool(std::int64_t from, std::int64_t to) {
  Pool p{.inaddr = from, .in_w = 4, .in_h = 4, .channels = 96, .outaddr = to};
  p.out_w = p.out_h = 4, p.tail = plain();
  return p;
}
Eltwise add(std::int64_t a, std::int64_t b, std::int64_t to) {
  Eltwise e{.inaddr_a = a, .inaddr_b = b, .width = 4, .height = 4, .channels = 96, .outaddr = to};
  e.tail = plain();
  return e;
}
Gather download(std::int64_t ddr, std::int64_t to) {
  Gather g{.am_address = to, .ddr_address = ddr, .width = 4, .height = 4, .channels = 96};
  g.end_row = 3, g.tail = plain();
  return g;
}
Scatter upload(std::int64_t from, std::int64_t ddr) {
  Scatter s{.am_address = from, .ddr_address = ddr, .width = 4, .height = 4, .channels = 96};
  s.end_row = 3, s.tail = plain();
  return s;
}
// 8x8 output tiles from DDR, both buffers at `buffer`.
Conv tiled(std::int64_t buffer, std::int64_t to) {
  Conv c = conv(1 << 20, to);
  c.tail.source_in_ddr = c.tail.tiling = true;
  c.tail.tile_width = c.tail.tile_height = 4;
  c.tail.source_buffer_0 = buffer, c.tail.source_buffer_1 = buffer + 100;
  return c;
}
template <typename Op>
Op part(Op op, std::int64_t channels, std::int64_t start) {
  if constexpr (requires { op.out_ch; }) {
    op.out_ch = channels;
  } else {
    op.channels = channels;
  }
  op.tail.concat_part = true;
  op.tail.concat_volume = {1, 0, 0, 0};
  op.tail.concat_start = start, op.tail.concat_channels = 96;
  return op;
}

// The names of the units that the last instruction waits for.
std::string waits(const std::vector<Instruction>& instructions,
                  const std::vector<HostStep>& host_steps = {}) {
  Program program{.host_steps = host_steps};
  for (const Instruction& instruction : instructions) program.steps.push_back({instruction});
  set_wait_bits(program, kV3);
  std::string names;
  for (int u = 0; u < kUnits; ++u) {
    const Unit unit = static_cast<Unit>(u);
    if (!waits_for(tail(program.steps.back().instruction), unit)) continue;
    names += (names.empty() ? "" : " ") + std::string(to_string(unit));
  }
  return names;
}

TEST(XdnnWaits, the_first_instruction_waits_for_nothing) { EXPECT_EQ(waits({conv(0, 100)}), ""); }

TEST(XdnnWaits, a_reader_waits_for_its_writer) {
  EXPECT_EQ(waits({conv(0, 100), pool(100, 200)}), "conv");
  EXPECT_EQ(waits({pool(0, 100), conv(100, 200)}), "pool");
  EXPECT_EQ(waits({download(0, 100), conv(100, 200)}), "download");
  EXPECT_EQ(waits({conv(0, 100), upload(100, 0)}), "conv");
  EXPECT_EQ(waits({upload(100, 0), download(0, 200)}), "upload");
}

TEST(XdnnWaits, independent_branches_run_side_by_side) {
  // docs/facts/xdnn.md 2.4: GoogLeNet's pools run beside the 1x1 convolutions of their module.
  EXPECT_EQ(waits({conv(0, 100), pool(0, 200)}), "");
  EXPECT_EQ(waits({conv(0, 100), pool(300, 200)}), "");
  EXPECT_EQ(waits({conv(0, 100), add(300, 400, 500)}), "");
}

TEST(XdnnWaits, an_overwriter_waits_for_the_readers) {
  EXPECT_EQ(waits({pool(0, 100), conv(200, 0)}), "pool");
  EXPECT_EQ(waits({pool(0, 100), conv(200, 100)}), "pool");
}

TEST(XdnnWaits, what_is_known_to_be_finished_is_not_waited_for_again) {
  // The first pool waited for conv; the second reads the same result.
  EXPECT_EQ(waits({conv(0, 100), pool(100, 200), pool(100, 300)}), "");
  // Two operands from the conv unit, one wait; then the sum is the eltwise unit's.
  EXPECT_EQ(waits({conv(0, 100), conv(0, 200), add(100, 200, 300)}), "conv");
  EXPECT_EQ(waits({conv(0, 100), conv(0, 200), add(100, 200, 300), conv(300, 400)}), "eltwise");
}

TEST(XdnnWaits, operands_of_two_units_are_both_waited_for) {
  EXPECT_EQ(waits({conv(0, 100), pool(0, 200), add(100, 200, 300)}), "conv pool");
}

TEST(XdnnWaits, a_sum_in_place_is_waited_for_like_any_other) {
  EXPECT_EQ(waits({conv(0, 100), pool(0, 200), add(100, 200, 100), conv(100, 300)}), "eltwise");
  // A reader of the operand that is overwritten holds the sum back.
  EXPECT_EQ(waits({upload(100, 0), add(100, 200, 100)}), "upload");
}

TEST(XdnnWaits, a_convolution_waits_for_its_own_unit_only_to_read) {
  // The next one starts streaming while the last results drain: too early to read them ...
  EXPECT_EQ(waits({conv(0, 100), conv(100, 200)}), "conv");
  // ... but what it writes follows in order.
  EXPECT_EQ(waits({conv(0, 100), conv(200, 0)}), "");
  EXPECT_EQ(waits({conv(0, 100), conv(200, 100)}), "");
}

TEST(XdnnWaits, other_units_take_one_command_after_the_other) {
  EXPECT_EQ(waits({pool(0, 100), pool(100, 200)}), "");
  EXPECT_EQ(waits({download(0, 100), download(4096, 100)}), "");
}

TEST(XdnnWaits, tile_buffers_are_filled_ahead_and_need_the_full_check) {
  EXPECT_EQ(waits({conv(0, 100), tiled(100, 500)}), "conv");  // would overwrite the results
  EXPECT_EQ(waits({conv(0, 100), tiled(0, 500)}), "conv");    // would overwrite the operands
  EXPECT_EQ(waits({conv(0, 100), tiled(1000, 500)}), "");
}

TEST(XdnnWaits, parts_of_a_concat_do_not_wait_for_each_other_and_its_reader_for_all) {
  const Conv left = part(conv(0, 100), 40, 0);
  const Pool right = part(pool(0, 100), 56, 40);
  EXPECT_EQ(waits({left, right}), "");
  EXPECT_EQ(waits({left, right, add(100, 400, 500)}), "conv pool");
  EXPECT_EQ(waits({left, part(pool(0, 100), 57, 39)}), "conv");
}

TEST(XdnnWaits, nothing_is_open_after_a_host_step) {
  // All engines are idle when the host runs.
  EXPECT_EQ(waits({conv(0, 100), pool(100, 200)}, {{.before = 1}}), "");
  EXPECT_EQ(waits({conv(0, 100), pool(100, 200)}, {{.before = 0}}), "conv");
  EXPECT_EQ(waits({conv(0, 100), pool(100, 200)}, {{.before = 2}}), "conv");
}

// A layer of two images, then the next layer of the first: the second image's instruction has no
// filters to load and waits in its stead, so that its filters come while that one computes.
TEST(XdnnWaits, what_keeps_its_filters_waits_for_what_the_next_to_load_would_wait_for) {
  const auto one_pass = [](std::int64_t from, std::int64_t to) {
    Conv c = conv(from, to);
    c.out_ch = 64;
    return c;
  };
  Conv next = one_pass(100, 400);
  next.in_ch = 64;
  EXPECT_EQ(waits({one_pass(0, 100), one_pass(200, 300)}), "");
  EXPECT_EQ(waits({one_pass(0, 100), one_pass(200, 300), next}), "");
  Program program;
  for (const Conv& c : {one_pass(0, 100), one_pass(200, 300), next}) program.steps.push_back({c});
  set_wait_bits(program, kV3);
  EXPECT_TRUE(waits_for(tail(program.steps[1].instruction), Unit::Conv));
  // Filters of its own: there is nothing to gain.
  program.steps[1].filter_address = 1 << 20;
  set_wait_bits(program, kV3);
  EXPECT_FALSE(waits_for(tail(program.steps[1].instruction), Unit::Conv));
  EXPECT_TRUE(waits_for(tail(program.steps[2].instruction), Unit::Conv));
}

}  // namespace
}  // namespace workbench::xdnn
