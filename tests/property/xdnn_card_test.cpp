// Cards of several engines and machines with a slice 0, on random networks: values are those of the
// golden model whatever else runs, and nothing is faster than the analytic tier allows.
#include <gtest/gtest.h>

#include <random>

#include "compiler/passes/passes.h"
#include "compiler/xdnn/compile.h"
#include "isa/xdnn/cost.h"
#include "sim/golden/golden.h"
#include "sim/verdict.h"
#include "sim/xdnn/simulate.h"
#include "tests/support/graph_builder.h"
#include "tests/support/random_graph.h"
#include "tests/support/random_machine.h"
#include "tests/support/sanitized.h"

namespace workbench {
namespace {

// A V3 machine with a slice 0 of its own in use.
xdnn::Machine random_card(std::mt19937_64& random, bool throughput) {
  const auto between = [&](std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(high - low + 1));
  };
  xdnn::Machine machine;
  do {
    machine = random_machine(random);
  } while (machine.family() != xdnn::Family::V3);
  machine.board = {.engines = between(1, 4), .ddr_banks = between(1, 3)};
  if (throughput) {
    machine.slice0 = {.rows = between(9, 48),
                      .columns = std::int64_t{1} << between(0, 4),
                      .am_bytes = between(50, 400) * 1024,
                      .used = 1};
  }
  return machine;
}

// Returns false when the network cannot run so.
bool check_case(std::uint64_t seed, bool throughput) {
  std::mt19937_64 random(seed);
  const Graph imported =
      random_graph(random, {.max_layers = 6, .max_input_channels = throughput ? 6 : 40});
  const xdnn::Machine machine = random_card(random, throughput);
  const std::vector<Tensor> input = random_inputs(imported, seed);
  Graph graph = imported;
  run_passes(graph, float_pipeline());
  const Graph quantized = quantize(
      graph, calibrate(graph, {input}, 8),
      {.limits = xdnn::requantize_limits(machine), .host_reason = xdnn::host_reasons(machine)});
  xdnn::Program program;
  try {
    program = xdnn::compile(quantized, machine);
  } catch (const Error&) {
    return false;  // does not fit, or its first layer is none for slice 0
  }
  const auto result = xdnn::simulate(program, machine, input);
  for (const Hazard& hazard : result.hazards) ADD_FAILURE() << to_string(hazard);
  for (const std::string& violation : verify(result.timeline)) ADD_FAILURE() << violation;
  EXPECT_EQ(compare(quantized, golden::run(quantized, input), result.tensors).mismatches, 0);
  EXPECT_EQ(static_cast<std::int64_t>(result.engines.size()), machine.board.engines);
  const Cycles least = xdnn::earliest_times(program, machine).end;
  for (const xdnn::EngineTimes& engine : result.engines) EXPECT_GE(engine.latency, least);
  EXPECT_EQ(result.timeline.end, result.engines[0].interval);

  // With a bank for each, engines do not know of each other.
  xdnn::Machine alone = machine, apart = machine;
  alone.board = {.engines = 1, .ddr_banks = 1};
  apart.board = {.engines = machine.board.engines, .ddr_banks = 8};
  const auto one = xdnn::simulate(program, alone, input);
  const auto many = xdnn::simulate(program, apart, input);
  EXPECT_EQ(one.tensors, result.tensors);
  EXPECT_EQ(one.outputs, result.outputs);
  for (const xdnn::EngineTimes& engine : many.engines) {
    EXPECT_EQ(engine.latency, one.engines[0].latency);
    EXPECT_EQ(engine.interval, one.engines[0].interval);
  }
  return true;
}

TEST(RandomCards, engines_share_banks_and_stay_bit_exact) {
  constexpr int kCases = kSanitized ? 12 : 30;
  int ran = 0;
  for (std::uint64_t seed = 1; seed <= kCases && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ran += check_case(seed, false) ? 1 : 0;
  }
  EXPECT_GE(ran, kCases / 2);
}

TEST(RandomCards, slices_hand_images_on_and_stay_bit_exact) {
  constexpr int kCases = kSanitized ? 30 : 80;
  int ran = 0;
  for (std::uint64_t seed = 1; seed <= kCases && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    ran += check_case(seed, true) ? 1 : 0;
  }
  EXPECT_GE(ran, kCases * 3 / 16)
      << "enough first layers must be convolutions that slice 0 can run";
}

}  // namespace
}  // namespace workbench
