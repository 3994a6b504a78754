// What a network that came quantized keeps of its file when it is annotated for a target.
#include <gtest/gtest.h>

#include <initializer_list>

#include "compiler/quantize/quantize_target.h"
#include "tests/support/float_graph.h"

namespace workbench {
namespace {

const Activation kRelu6{.kind = Activation::Kind::Clip, .alpha = 0, .beta = 6};

const Value& value(const Graph& graph, const std::string& name) {
  return graph.value(values_by_name(graph).at(name));
}

double step(const Graph& graph, const std::string& name) {
  return value(graph, name).quantization->step();
}

// x -> conv y with a ReLU6 -> max pool p
Graph clipped() {
  FloatGraph build("net");
  const ValueId x = build.input("x", {1, 1, 4, 4});
  const ValueId y = build.conv("y", x, 1, {1}, kRelu6);
  build.output(build.add("p", MaxPool{.window = FloatGraph::window(1)}, {y}));
  return build.graph();
}

// A step of 2^-5 reaches 7.97: its author did not take 6.
TEST(CameQuantized, no_clip_caps_a_step_of_the_file) {
  for (const QuantizeTarget& target : {pulp_quantize_target({}), free_quantize_target(8)}) {
    Graph graph = clipped();
    graph.value(values_by_name(graph).at("y")).quantization =
        Quantization{.is_signed = false, .thresholds = {255.0 / 32}};
    const Graph annotated = target.annotate(graph, {{"x", 1}, {"p", 100}});
    EXPECT_EQ(step(annotated, "y"), 1.0 / 32) << target.name;
    EXPECT_EQ(step(annotated, "p"), 1.0 / 32) << "what was calibrated does not widen it";
    EXPECT_EQ(step(target.annotate(clipped(), {{"x", 1}, {"y", 8}, {"p", 8}}), "y"),
              static_cast<double>(6.0F / 255));
  }
  Graph graph = clipped();
  graph.value(values_by_name(graph).at("y")).quantization =
      Quantization{.thresholds = {127.0 / 16}};
  EXPECT_EQ(step(xdnn_quantize_target({}).annotate(graph, {{"x", 1}}), "y"), 1.0 / 16);
}

TEST(CameQuantized, without_hardware_ties_go_to_even) {
  const Graph annotated =
      free_quantize_target(8).annotate(clipped(), {{"x", 1}, {"y", 8}, {"p", 8}});
  for (const char* name : {"x", "y", "p"}) {
    EXPECT_EQ(value(annotated, name).quantization->rounding, Rounding::HalfEven) << name;
  }
}

// x -> relu -> y = hard_swish: the codes of a file whose HardSwish is written as x *
// HardSigmoid(x).
TEST(CameQuantized, activations_that_keep_the_sign_give_unsigned_codes) {
  for (const auto kind : {Activation::Kind::HardSwish, Activation::Kind::LeakyRelu}) {
    FloatGraph build("net");
    const ValueId x = build.input("x", {1, 1, 4, 4});
    const ValueId a = build.conv("a", x, 1, {1}, {.kind = Activation::Kind::Relu});
    const ValueId y = build.add("y", Activate{{.kind = kind, .alpha = 0.1F}}, {a});
    build.output(build.conv("b", y, 1, {1}));
    const Graph annotated =
        free_quantize_target(8).annotate(build.graph(), {{"x", 1}, {"a", 1}, {"y", 1}, {"b", 1}});
    EXPECT_FALSE(value(annotated, "y").quantization->is_signed);
  }
}

}  // namespace
}  // namespace workbench
