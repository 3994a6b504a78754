// Joins and sums of scales too far apart are not computed on codes: the smaller operand would have
// next to none.
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
  if (read_by_layer) y = build.conv("last", y, 2, {1, 2, 3, 4, 1, 2, 3, 4});
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

TEST(UnlikeScales, parts_of_like_range_are_joined_as_codes) {
  FloatGraph build = detector(false);
  const auto thresholds = ones_but(build.graph(), {{"boxes", 3}, {"joined", 3}});
  const Graph graph = quantize(build.graph(), thresholds, {});
  EXPECT_FALSE(is_float(graph, "joined_int8"));
}

TEST(UnlikeScales, what_a_layer_reads_is_joined_as_codes) {
  FloatGraph build = detector(true);
  const auto thresholds = ones_but(build.graph(), {{"boxes", 345}, {"joined", 345}});
  EXPECT_FALSE(is_float(quantize(build.graph(), thresholds, {}), "joined"));
}

// x -> small -> deep, small + large: `small` has codes of its own for `deep` if the sum, 1000 times
// as large, does not say what they are.
TEST(UnlikeScales, a_skip_does_not_take_the_codes_of_the_layer_it_leaves) {
  FloatGraph build("skip");
  const ValueId x = build.input("x", {1, 2, 2, 2});
  const ValueId small = build.conv("small", x, 2, {1, 2, 3, 4});
  const ValueId deep = build.conv("deep", small, 2, {1, 2, 3, 4});
  const ValueId large = build.conv("large", deep, 2, {1, 2, 3, 4});
  build.output(build.conv("last", build.add("sum", Binary{}, {small, large}), 2, {1, 2, 3, 4}));
  const auto wide = ones_but(build.graph(), {{"large", 1000}, {"sum", 1000}});
  const Graph apart = quantize(build.graph(), wide, {});
  EXPECT_TRUE(is_float(apart, "sum"));
  EXPECT_NEAR(step_of(apart, "small") * 127, 1, 1e-6);
  EXPECT_NEAR(step_of(apart, "sum_int8") * 127, 1000, 1e-3);
  const auto like = ones_but(build.graph(), {{"large", 10}, {"sum", 10}});
  EXPECT_FALSE(is_float(quantize(build.graph(), like, {}), "sum"));
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

}  // namespace
}  // namespace workbench
