// What ends in a concat, and sums of scales too far apart: the smaller operand would have next to
// no codes on one scale with the larger.
#include <gtest/gtest.h>

#include "compiler/quantize/nemo.h"
#include "compiler/quantize/quantize.h"
#include "tests/support/float_graph.h"

namespace workbench {
namespace {

Thresholds ones_but(const Graph& graph, const Thresholds& special) {
  Thresholds thresholds;
  for (const Value& value : graph.values) {
    if (!value.constant) thresholds[value.name] = 1;
  }
  for (const auto& [name, threshold] : special) thresholds[name] = threshold;
  return thresholds;
}

double step_of(const Graph& graph, const std::string& name) {
  return graph.value(values_by_name(graph).at(name)).quantization->step();
}

bool is_float(const Graph& graph, const std::string& name) {
  return graph.value(values_by_name(graph).at(name)).type == ElementType::Float32;
}

// boxes, reaching to 345, and scores, reaching to 1, side by side.
FloatGraph detector(bool read_by_layer) {
  FloatGraph build("detector");
  const ValueId x = build.input("x", {1, 2, 2, 2});
  const ValueId boxes = build.conv("boxes", x, 2, {1, 2, 3, 4}),
                scores = build.conv("scores", x, 2, {1, 2, 3, 4});
  ValueId y = build.add("joined", Concat{}, {boxes, scores});
  if (read_by_layer) y = build.conv("last", y, 2, {1, 2, 3, 4, 5, 6, 7, 8});
  build.output(y);
  return build;
}

TEST(UnlikeScales, what_ends_in_a_concat_keeps_the_scale_of_each_part) {
  FloatGraph build = detector(false);
  const auto thresholds = ones_but(build.graph(), {{"boxes", 345}, {"joined", 345}});
  for (const Graph& graph :
       {quantize(build.graph(), thresholds, {}), quantize_nemo(build.graph(), thresholds, {})}) {
    EXPECT_TRUE(is_float(graph, "joined"));
    EXPECT_NEAR(step_of(graph, "scores") * 127, 1, 1e-6);
    EXPECT_NEAR(step_of(graph, "boxes") * 127, 345, 1e-3);
  }
}

// Through movement of either kind: x -> two joins, one of the other, and a slice of both.
TEST(UnlikeScales, movement_behind_the_last_concat_is_the_hosts_too) {
  FloatGraph build = detector(false);
  build.graph().outputs.clear();
  const ValueId joined = values_by_name(build.graph()).at("joined");
  const ValueId both = build.add("both", Concat{}, {joined, joined});
  build.output(build.add("half", Reshape{.shape = {1, 4, 8, 1}}, {both}));
  const Graph graph = quantize(build.graph(), ones_but(build.graph(), {}), {});
  for (const char* name : {"joined", "both", "half"}) EXPECT_TRUE(is_float(graph, name)) << name;
  EXPECT_FALSE(is_float(graph, "scores"));
}

TEST(UnlikeScales, what_a_layer_reads_is_joined_as_codes) {
  FloatGraph build = detector(true);
  const auto thresholds = ones_but(build.graph(), {{"boxes", 345}, {"joined", 345}});
  EXPECT_FALSE(is_float(quantize(build.graph(), thresholds, {}), "joined"));
}

// x -> small -> deep -> large, small + large: `small` has codes of its own for `deep` if the sum,
// 1000 times as large, does not say what they are.
FloatGraph skip() {
  FloatGraph build("skip");
  const ValueId x = build.input("x", {1, 2, 2, 2});
  const ValueId small = build.conv("small", x, 2, {1, 2, 3, 4});
  const ValueId deep = build.conv("deep", small, 2, {1, 2, 3, 4});
  const ValueId large = build.conv("large", deep, 2, {1, 2, 3, 4});
  build.output(build.conv("last", build.add("sum", Binary{}, {small, large}), 2, {1, 2, 3, 4}));
  return build;
}

TEST(UnlikeScales, a_skip_does_not_take_the_codes_of_the_layer_it_leaves) {
  FloatGraph build = skip();
  const auto wide = ones_but(build.graph(), {{"large", 1000}, {"sum", 1000}});
  const Graph apart = quantize(build.graph(), wide, {});
  EXPECT_TRUE(is_float(apart, "sum"));
  EXPECT_NEAR(step_of(apart, "small") * 127, 1, 1e-6);
  EXPECT_NEAR(step_of(apart, "sum_int8") * 127, 1000, 1e-3);
  const auto like = ones_but(build.graph(), {{"large", 32}, {"sum", 32}});
  EXPECT_FALSE(is_float(quantize(build.graph(), like, {}), "sum"));
}

// Each operand has a multiplier there.
TEST(UnlikeScales, pulp_adds_any_two_scales) {
  FloatGraph build = skip();
  const auto wide = ones_but(build.graph(), {{"large", 1000}, {"sum", 1000}});
  const Graph graph = quantize_nemo(build.graph(), wide, {});
  EXPECT_FALSE(is_float(graph, "sum"));
  EXPECT_NEAR(step_of(graph, "small") * 127, 1, 1e-6);
}

// Nothing else reads the smaller operand: beside the sum it does not count, whatever its codes.
TEST(UnlikeScales, a_sum_that_alone_reads_its_operands_is_a_sum_of_codes) {
  FloatGraph build("sum");
  const ValueId x = build.input("x", {1, 2, 2, 2});
  const ValueId small = build.conv("small", x, 2, {1, 2, 3, 4}),
                large = build.conv("large", x, 2, {1, 2, 3, 4});
  build.output(build.conv("last", build.add("sum", Binary{}, {small, large}), 2, {1, 2, 3, 4}));
  const auto wide = ones_but(build.graph(), {{"large", 1000}, {"sum", 1000}});
  EXPECT_FALSE(is_float(quantize(build.graph(), wide, {}), "sum"));
}

// a (1) + b (20) puts a on 20; c (100) is then within reach of a, which it was not before.
TEST(UnlikeScales, a_sum_is_judged_by_the_scales_that_other_sums_lead_to) {
  FloatGraph build("sums");
  const ValueId x = build.input("x", {1, 2, 2, 2});
  const ValueId a = build.conv("a", x, 2, {1, 2, 3, 4}), b = build.conv("b", a, 2, {1, 2, 3, 4}),
                c = build.conv("c", b, 2, {1, 2, 3, 4});
  const ValueId near = build.add("near", Binary{}, {a, b}),
                far = build.add("far", Binary{}, {a, c});
  build.output(build.conv("y", near, 2, {1, 2, 3, 4}));
  build.output(build.conv("z", far, 2, {1, 2, 3, 4}));
  const auto thresholds = ones_but(build.graph(), {{"b", 20}, {"near", 20}, {"c", 100}});
  const Graph graph = quantize(build.graph(), thresholds, {});
  for (const char* name : {"a", "b", "c"}) EXPECT_NEAR(step_of(graph, name) * 127, 100, 1e-4);
  EXPECT_FALSE(is_float(graph, "near"));
  EXPECT_FALSE(is_float(graph, "far"));
}

}  // namespace
}  // namespace workbench
