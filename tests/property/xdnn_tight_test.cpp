// Small memories: whatever the network, a program is found for every memory down to the smallest
// that the compiler claims, it runs without a hazard and computes what the golden model computes.
#include <gtest/gtest.h>

#include <random>
#include <regex>

#include "compiler/passes/passes.h"
#include "compiler/xdnn/compile.h"
#include "sim/golden/golden.h"
#include "sim/verdict.h"
#include "sim/xdnn/simulate.h"
#include "tests/support/random_graph.h"
#include "tests/support/random_machine.h"

namespace workbench {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr int kCases = 6;  // per slice
#else
constexpr int kCases = 15;
#endif

struct Case {
  Graph quantized;
  xdnn::Machine machine;
  std::vector<Tensor> input;
  std::vector<Tensor> golden;
};

Case make_case(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Case c;
  Graph graph = random_graph(random, {.max_layers = 16, .residual = 0.2, .concat = 0.2});
  c.machine = random_machine(random);
  for (const ValueId id : graph.inputs) {
    Tensor tensor =
        Tensor::uninitialized(ElementType::Float32, graph.value(id).shape, Layout::Nchw);
    for (float& v : tensor.mutable_values<float>()) {
      v = static_cast<float>(static_cast<std::int64_t>(random() % 256) - 128);
    }
    c.input.push_back(std::move(tensor));
  }
  run_passes(graph, float_pipeline());
  const Thresholds thresholds = calibrate(graph, {c.input}, 8);
  c.quantized = quantize(
      graph, thresholds,
      {.limits = xdnn::requantize_limits(c.machine), .host_reason = xdnn::host_reasons(c.machine)});
  c.golden = golden::run(c.quantized, c.input);
  return c;
}

// Pools stay where the network has them: in the branches of a concat they are other values, in
// other memory, and one size may gain by that where the next does not.
xdnn::Program compiled(const Case& c, const xdnn::Machine& machine) {
  return xdnn::compile(c.quantized, machine, {.choices = {.pools_in_branches = xdnn::Use::Never}});
}

struct Outcome {
  std::int64_t values = 0, moveops = 0, peak = 0;
};

Outcome run(const Case& c, const xdnn::Machine& machine) {
  const xdnn::Program program = compiled(c, machine);
  const auto result = xdnn::simulate(program, machine, c.input);
  for (const Hazard& hazard : result.hazards) ADD_FAILURE() << to_string(hazard);
  const Verdict verdict = compare(c.quantized, c.golden, result.tensors);
  EXPECT_EQ(verdict.mismatches, 0);
  for (const LayerVerdict& layer : verdict.layers) {
    if (layer.mismatches == 0) continue;
    ADD_FAILURE() << layer.name << ": " << layer.mismatches << " of " << layer.values;
    break;
  }
  return {verdict.values_compared, program.info.moveops, program.info.peak_bytes};
}

// What the compiler says when it is given next to nothing; 0: it finds a program all the same.
std::int64_t claimed_minimum(const Case& c, xdnn::Machine machine) {
  machine.am.size_bytes = 4 * machine.word_bytes();
  try {
    compiled(c, machine);
    return machine.am.size_bytes;
  } catch (const Error& error) {
    const std::string text = error.what();
    std::smatch match;
    const std::regex wanted("smallest memory this compiler can use for this network is ([0-9]+)");
    EXPECT_TRUE(std::regex_search(text, match, wanted)) << text;
    return match.empty() ? 0 : std::stoll(match[1]);
  }
}

class SmallMemories : public ::testing::TestWithParam<int> {};

TEST_P(SmallMemories, run_every_network_down_to_the_claimed_minimum) {
  int spilled = 0;
  for (int i = 0; i < kCases; ++i) {
    const auto seed = static_cast<std::uint64_t>(100 * (GetParam() + 1) + i);
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Case c = make_case(seed);
    xdnn::Machine machine = c.machine;
    machine.am.size_bytes = 64 << 20;
    const Outcome free = run(c, machine);
    const std::int64_t least = claimed_minimum(c, machine);
    ASSERT_GT(least, 0);
    ASSERT_LE(least, std::max(free.peak * 5 / 4, 4 * machine.word_bytes()));
    for (int step = 0; step < 4 && !HasFailure(); ++step) {  // the minimum, then ever more
      machine.am.size_bytes = least + (free.peak - least) * step * step / 16;
      SCOPED_TRACE(std::to_string(machine.am.size_bytes) + " bytes");
      const Outcome tight = run(c, machine);
      EXPECT_EQ(tight.values, free.values) << "every value is looked at, in pieces or whole";
      EXPECT_LE(tight.peak, machine.am.size_bytes);
      spilled += tight.moveops > free.moveops ? 1 : 0;
    }
    if (HasFailure()) break;
  }
  EXPECT_GT(spilled, kCases / 4) << "most memories are too small for some of the networks";
}
INSTANTIATE_TEST_SUITE_P(Slices, SmallMemories, ::testing::Range(0, 8));

}  // namespace
}  // namespace workbench
