// The transaction tier against the clocked model of the array (tests/reference/systolic_array.h):
// values, the cycles in which each pass streams, and when the last result has left.
#include <gtest/gtest.h>

#include "isa/xdnn/cost.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/memory.h"
#include "sim/xdnn/simulate.h"
#include "tests/reference/systolic_array.h"
#include "tests/support/naive_xdnn.h"
#include "tests/support/random_xdnn.h"
#include "tests/support/sanitized.h"

namespace workbench::xdnn {
namespace {

constexpr int kCases = kSanitized ? 20 : 200;

reference::ArrayShape random_shape(std::mt19937_64& random) {
  reference::ArrayShape shape;
  const std::int64_t copies = std::array{1, 2, 3}[random() % 3];
  shape.in_ch = between(random, 1, random() % 4 == 0 ? 400 : 130);
  shape.copies = copies;
  const std::int64_t width = 96 / copies;
  shape.full = copies == 1 ? ceil_div(shape.in_ch, 96) : shape.in_ch / 96;
  shape.sections = copies == 1 ? 0 : ceil_div(shape.in_ch - 96 * shape.full, width);
  shape.out_ch = between(random, 1, 140);
  // Kernels that the channels leave steps for.
  do {
    shape.kernel_h = between(random, 1, 5), shape.kernel_w = between(random, 1, 5);
  } while ((shape.full + shape.sections) * shape.kernel_h * shape.kernel_w > 128);
  shape.stride_h = between(random, 1, 2), shape.stride_w = between(random, 1, 2);
  shape.dilation_h = between(random, 1, 2), shape.dilation_w = between(random, 1, 2);
  shape.in_h = between(random, 1, 5), shape.in_w = between(random, 1, 5);
  const auto size = [&](std::int64_t in, std::int64_t kernel, std::int64_t dilation,
                        std::int64_t stride, std::int64_t& pad) {
    const std::int64_t reach = (kernel - 1) * dilation + 1;
    pad = between(random, std::max<std::int64_t>(0, (reach - in + 1) / 2), reach - 1);
    return std::max<std::int64_t>(0, in + 2 * pad - reach) / stride + 1;
  };
  shape.out_h = size(shape.in_h, shape.kernel_h, shape.dilation_h, shape.stride_h, shape.pad_h);
  shape.out_w = size(shape.in_w, shape.kernel_w, shape.dilation_w, shape.stride_w, shape.pad_w);
  shape.relu = random() % 2 == 0;
  return shape;
}

Conv conv_of(const reference::ArrayShape& shape, const Machine& machine) {
  Conv conv;
  conv.kernel_h = shape.kernel_h, conv.kernel_w = shape.kernel_w;
  conv.stride_h = shape.stride_h, conv.stride_w = shape.stride_w;
  conv.pad_h = shape.pad_h, conv.pad_w = shape.pad_w;
  conv.dilation_h = shape.dilation_h, conv.dilation_w = shape.dilation_w;
  conv.in_h = shape.in_h, conv.in_w = shape.in_w, conv.in_ch = shape.in_ch;
  conv.out_h = shape.out_h, conv.out_w = shape.out_w, conv.out_ch = shape.out_ch;
  conv.relu = shape.relu, conv.bias = true;
  conv.outaddr = 4096;
  conv.tail.source = shape.sections == 0 ? plain_layout(shape.in_ch, 96)
                                         : ChannelLayout{shape.full, shape.sections, shape.copies,
                                                         96 / shape.copies};
  conv.tail.destination = plain_layout(shape.out_ch, 96);
  const FilterMode mode = filter_mode(filter_shape(conv), machine);
  conv.tail.pingpong_weight = mode.pingpong;
  conv.tail.half_rate = mode.half_rate;
  conv.tail.wait_download = true;
  return conv;
}

// Gather of the input, then the convolution, in a program of their own.
Program program_of(const Conv& conv, const Machine& machine, const Pixels& input,
                   const Pixels& weights, const std::vector<ChannelConfig>& configs) {
  Program program;
  Gather gather{
      .width = conv.in_w, .height = conv.in_h, .channels = conv.in_ch, .end_row = conv.in_h - 1};
  gather.tail.destination = conv.tail.source;
  std::string filters;
  pack_filters(filter_shape(conv), weights, configs, machine, filters);
  Memory memory{.geometry = machine.geometry(), .am = {}, .ddr = {}};
  memory.ddr.assign(filters.begin(), filters.end());
  gather.ddr_address = round_up(static_cast<std::int64_t>(memory.ddr.size()), 64);
  memory.ddr.resize(static_cast<std::size_t>(
      gather.ddr_address + ddr_tensor_bytes(conv.in_ch, conv.in_h, conv.in_w, machine.geometry())));
  write_ddr(memory, gather.ddr_address, conv.in_ch, conv.in_h, conv.in_w, input);
  program.constants.assign(memory.ddr.begin(), memory.ddr.end());
  program.ddr_bytes = static_cast<std::int64_t>(memory.ddr.size());
  program.steps = {{gather, 0, {}}, {conv, 0, {}}};
  program.info.layers = {{.name = "input"}, {.name = "conv"}};
  program.info.instruction_layer = {0, 1};
  program.info.instruction_text = {"", ""};
  program.probes = {{.value = "result",
                     .after = {1},
                     .address = conv.outaddr,
                     .layout = conv.tail.destination,
                     .channels = conv.out_ch,
                     .height = conv.out_h,
                     .width = conv.out_w}};
  return program;
}

std::int32_t resource(const Timeline& timeline, const std::string& name) {
  const auto found = std::ranges::find(timeline.resources, name);
  return static_cast<std::int32_t>(found - timeline.resources.begin());
}

// Stretches of work without a gap between them, from `origin` on.
struct Stretches {
  std::vector<std::int64_t> begins, ends;
};
Stretches stretches(const std::vector<std::int64_t>& begins,
                    const std::vector<std::int64_t>& ends) {
  Stretches joined;
  for (std::size_t i = 0; i < begins.size(); ++i) {
    if (!joined.ends.empty() && joined.ends.back() == begins[i]) {
      joined.ends.back() = ends[i];
    } else {
      joined.begins.push_back(begins[i]);
      joined.ends.push_back(ends[i]);
    }
  }
  return joined;
}

// What the transaction tier says of the convolution, from the cycle in which its filters are asked
// for.
struct Times {
  Stretches work;
  std::int64_t finished = 0;
};
Times times_of(const Timeline& timeline) {
  std::int64_t origin = -1, finished = 0;
  std::vector<std::int64_t> begins, ends;
  const std::int32_t filters = resource(timeline, "filters"), array = resource(timeline, "conv");
  for (const Interval& one : timeline.intervals) {
    if (one.instruction == 1 && one.resource == filters) {
      origin = origin < 0 ? one.begin.value : std::min(origin, one.begin.value);
    }
  }
  for (const Interval& one : timeline.intervals) {
    if (one.instruction != 1 || one.resource != array) continue;
    finished = std::max(finished, one.end.value - origin);
    if (one.cause != Cause::Work) continue;
    begins.push_back(one.begin.value - origin);
    ends.push_back(one.end.value - origin);
  }
  return {stretches(begins, ends), finished};
}

struct Parameters {
  std::vector<ChannelConfig> configs;
  std::vector<reference::OutputChannel> channels;
};
Parameters random_parameters(std::mt19937_64& random, std::int64_t count) {
  Parameters all;
  for (std::int64_t c = 0; c < count; ++c) {
    const reference::OutputChannel one{between(random, -100000, 100000), between(random, 0, 65535),
                                       between(random, 18, 32)};
    all.channels.push_back(one);
    all.configs.push_back(
        {.enable = true, .scale = one.scale, .bias = one.bias, .postshift = one.shift});
  }
  return all;
}

// [1, C, H, W] as [H][W][C].
Pixels pixels_of(const Tensor& tensor, const reference::ArrayShape& shape) {
  const std::int64_t area = shape.out_h * shape.out_w;
  Pixels pixels;
  for (std::int64_t p = 0; p < area; ++p) {
    for (std::int64_t c = 0; c < shape.out_ch; ++c) {
      pixels.push_back(tensor.values<std::int8_t>()[static_cast<std::size_t>(c * area + p)]);
    }
  }
  return pixels;
}

void compare(std::mt19937_64& random, const Machine& machine) {
  const reference::ArrayShape shape = random_shape(random);
  const Conv conv = conv_of(shape, machine);
  const Pixels input = random_codes(random, shape.in_h * shape.in_w * shape.in_ch);
  const Pixels weights =
      random_codes(random, shape.out_ch * shape.in_ch * shape.kernel_h * shape.kernel_w);
  const Parameters parameters = random_parameters(random, shape.out_ch);
  const reference::FilterSupply supply{
      .latency = machine.ddr.latency_cycles,
      .bytes_per_cycle = 64 * machine.clocks.ddr / machine.clocks.report * machine.ddr.efficiency};
  const reference::ArrayRun array =
      reference::run_array(shape, input, weights, parameters.channels, supply);
  const SimulationResult found =
      simulate(program_of(conv, machine, input, weights, parameters.configs), machine, {});
  ASSERT_TRUE(found.hazards.empty());
  EXPECT_EQ(pixels_of(found.tensors.at("result"), shape), array.result);
  const Times times = times_of(found.timeline);
  const Stretches passes = stretches(array.pass_begins, array.pass_ends);
  EXPECT_EQ(times.work.begins, passes.begins);
  EXPECT_EQ(times.work.ends, passes.ends);
  EXPECT_EQ(times.finished, array.finished);
}

TEST(SystolicArray, the_transaction_tier_has_its_values_and_cycles) {
  const Machine machine;  // V3 as it was built
  for (std::uint64_t seed = 1; seed <= kCases && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937_64 random(seed);
    compare(random, machine);
  }
}

}  // namespace
}  // namespace workbench::xdnn
