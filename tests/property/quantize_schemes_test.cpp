// Whatever the network, the recipe and the target: what lowering makes of an annotated graph is
// what the machine computes and what the golden model says it should, value by value.
#include <gtest/gtest.h>

#include <random>

#include "compiler/passes/passes.h"
#include "compiler/pulp/compile.h"
#include "compiler/quantize/fake_quantize.h"
#include "compiler/quantize/recipe.h"
#include "compiler/xdnn/compile.h"
#include "compiler/xdnn/fit_limits.h"
#include "compiler/xdnn/support.h"
#include "core/error.h"
#include "core/eval/evaluate.h"
#include "sim/golden/golden.h"
#include "sim/pulp/simulate.h"
#include "sim/verdict.h"
#include "sim/xdnn/simulate.h"
#include "tests/support/activations.h"
#include "tests/support/random_graph.h"

namespace workbench {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kCases = 2;  // per recipe and target
#else
constexpr std::uint64_t kCases = 6;
#endif

// Every recipe that hardware can have; "default" at its best effort.
constexpr const char* kRecipes[] = {"default",          "xfdnn",
                                    "per-channel",      "per-channel-pow2",
                                    "published-static", "per-tensor-pow2-clip-safe"};

struct Case {
  Graph passed;
  std::vector<std::vector<Tensor>> samples;
  Recipe recipe;
};

Case random_case(const std::string& recipe, const std::string& target, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  Case one;
  one.passed = random_graph(random, {.max_layers = 7, .max_elements = 8'000, .wide = 0});
  run_passes(one.passed, float_pipeline());
  const Shape shape = one.passed.value(one.passed.inputs[0]).shape;
  for (std::uint64_t i = 0; i < 2; ++i) one.samples.push_back({image_like(shape, 2 * seed + i)});
  one.recipe = recipe == "default" ? default_recipe(target, Effort::Best) : recipe_named(recipe);
  return one;
}

void expect_verdict(const Graph& integers, const std::vector<Tensor>& input,
                    const std::map<std::string, Tensor>& simulated, std::size_t hazards) {
  EXPECT_EQ(hazards, 0U);
  const Verdict verdict = compare(integers, golden::run(integers, input), simulated);
  EXPECT_EQ(verdict.mismatches, 0);
}

void check_xdnn(const Case& one) {
  xdnn::Machine machine;
  Graph passed = one.passed;
  xdnn::fit_limits(passed, machine, {});
  const QuantizeTarget target = xdnn_quantize_target({.bits = 8,
                                                      .limits = xdnn::requantize_limits(machine),
                                                      .host_reason = xdnn::host_reasons(machine)});
  const Annotated annotated =
      apply_recipe(target.prepare(std::move(passed)), in_memory(one.samples), one.recipe, target);
  const Graph integers = target.lower(annotated.graph);
  const xdnn::Program program = xdnn::compile(integers, machine, {});
  const xdnn::SimulationResult run = xdnn::simulate(program, machine, one.samples[0]);
  expect_verdict(integers, one.samples[0], run.tensors, run.hazards.size());
}

// False where the network has no layer that PULP runs, or does not fit.
bool check_pulp(const Case& one) {
  const QuantizeTarget target = pulp_quantize_target({});
  const Annotated annotated =
      apply_recipe(target.prepare(one.passed), in_memory(one.samples), one.recipe, target);
  const Graph integers = target.lower(annotated.graph);
  const pulp::Machine machine;
  pulp::Program program;
  try {
    program = pulp::compile(integers, machine, {});
  } catch (const Error&) {
    return false;
  }
  const pulp::SimulationResult run = pulp::simulate(program, machine, one.samples[0]);
  expect_verdict(integers, one.samples[0], run.tensors, run.hazards.size());
  return true;
}

// The reference of every target's annotation is itself something golden can compute.
void check_free(const Case& one) {
  const QuantizeTarget target = free_quantize_target(8);
  const Annotated annotated =
      apply_recipe(target.prepare(one.passed), in_memory(one.samples), one.recipe, target);
  const Graph reference = target.lower(annotated.graph);
  const std::vector<Tensor> wanted = golden::run(reference, one.samples[0]);
  const std::vector<Tensor> got =
      evaluate(reference, one.samples[0], {.arithmetic = Arithmetic::Exact});
  for (std::size_t i = 0; i < got.size(); ++i) {
    const Tensor& golden_output = wanted[static_cast<std::size_t>(reference.outputs[i])];
    EXPECT_EQ(to_string(golden_output.shape()), to_string(got[i].shape()));
    EXPECT_TRUE(std::ranges::equal(golden_output.values<float>(), got[i].values<float>()));
  }
}

class Schemes : public testing::TestWithParam<const char*> {};

TEST_P(Schemes, on_xdnn_compute_what_golden_says) {
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    check_xdnn(random_case(GetParam(), "xdnn", seed));
  }
}

TEST_P(Schemes, on_pulp_compute_what_golden_says) {
  std::uint64_t ran = 0;
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    ran += check_pulp(random_case(GetParam(), "pulp", seed)) ? 1 : 0;
  }
  EXPECT_GE(ran, kCases / 2);
}

TEST_P(Schemes, without_hardware_are_the_same_in_golden_and_evaluator) {
  for (std::uint64_t seed = 1; seed <= kCases; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    check_free(random_case(GetParam(), "none", seed));
  }
}

std::string case_name(const testing::TestParamInfo<const char*>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(Recipe, Schemes, testing::ValuesIn(kRecipes), case_name);

}  // namespace
}  // namespace workbench
