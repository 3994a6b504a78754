// Random graphs through quantize(): what every integer graph must satisfy.
#include <gtest/gtest.h>

#include <random>

#include "compiler/passes/passes.h"
#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/quantize.h"
#include "compiler/quantize/table.h"
#include "tests/support/float_graph.h"

namespace workbench {
namespace {

// Values of one shape, so that any two can meet in an add or a concat + 1x1 conv.
ValueId random_node(FloatGraph& build, const std::vector<ValueId>& values, int index,
                    std::mt19937_64& random) {
  const auto pick = [&] { return values[random() % values.size()]; };
  const std::string name = fmt::format("n{}", index);
  const auto weights = [&](std::size_t count) {
    std::normal_distribution<float> normal;
    std::vector<float> list(count);
    for (float& weight : list) weight = normal(random);
    return list;
  };
  switch (random() % 6) {
    case 0:
      return build.add(name, Binary{}, {pick(), pick()});
    case 1:
      return build.add(name, MaxPool{.window = FloatGraph::window(1)}, {pick()});
    case 2:
      return build.add(name, AveragePool{.window = FloatGraph::window(1)}, {pick()});
    case 3:
      return build.add(name, Softmax{.axis = 1}, {pick()});  // host
    case 4: {
      const ValueId both = build.add(name + ".concat", Concat{.axis = 1}, {pick(), pick()});
      return build.conv(name, both, 2, weights(8));
    }
    default:
      return build.conv(name, pick(), 2, weights(4), {.kind = Activation::Kind::Relu});
  }
}

// Tied operands must have one threshold; every scale must fit its field.
void check_integer_node(const Graph& graph, const Node& node) {
  const auto threshold = [&](ValueId id) { return graph.value(id).quantization->thresholds[0]; };
  const ValueId out = node.outputs[0];
  const bool copies =
      std::holds_alternative<MaxPool>(node.op) || std::holds_alternative<Concat>(node.op);
  if (copies || std::holds_alternative<Binary>(node.op)) {
    for (const ValueId id : node.inputs) {
      EXPECT_EQ(graph.value(id).type, ElementType::Int8);
      EXPECT_EQ(threshold(id), threshold(node.inputs[0])) << node.name;
    }
  }
  if (copies) {
    EXPECT_EQ(threshold(out), threshold(node.inputs[0])) << node.name;
  }
  EXPECT_EQ(node.requantize.has_value(), !copies) << node.name;
  if (!node.requantize) return;
  for (const std::int32_t scale : node.requantize->scale) {
    EXPECT_TRUE(scale >= 0 && scale < 65536) << node.name;
  }
}

TEST(QuantizeGraphProperty, random_graphs_become_consistent_integer_graphs) {
  const std::uint64_t seed = 31337;
  std::mt19937_64 random(seed);
  for (int n = 0; n < 200; ++n) {
    SCOPED_TRACE(fmt::format("seed {}, case {}", seed, n));
    FloatGraph build("random");
    std::vector<ValueId> values = {build.input("x", {1, 2, 3, 3})};
    const int nodes = 1 + static_cast<int>(random() % 12);
    for (int i = 0; i < nodes; ++i) values.push_back(random_node(build, values, i, random));
    build.output(values.back());
    if (random() % 3 == 0) build.output(values[random() % values.size()]);
    Thresholds thresholds;
    for (const Value& value : build.graph().values) {
      if (!value.constant) thresholds[value.name] = 0.1 + static_cast<double>(random() % 100);
    }
    const Graph got = quantize(build.graph(), thresholds, {});  // verify()s its result
    for (std::size_t i = 0; i < got.outputs.size(); ++i) {
      EXPECT_EQ(got.value(got.outputs[i]).name, build.graph().value(build.graph().outputs[i]).name);
      EXPECT_EQ(got.value(got.outputs[i]).type, ElementType::Float32);
    }
    for (const Node& node : got.nodes) {
      const bool integer = got.value(node.outputs[0]).type == ElementType::Int8;
      if (integer && !std::holds_alternative<Quantize>(node.op)) check_integer_node(got, node);
    }
    // Its own table reproduces it.
    const QuantizerTable table = quantizer_table_from_json(to_json(quantizer_table(got)), "q");
    const Graph again = quantize(build.graph(), thresholds, {}, &table);
    ASSERT_EQ(to_json(quantizer_table(again)), to_json(quantizer_table(got)));
    ASSERT_EQ(print_graph(again), print_graph(got));
  }
}

}  // namespace
}  // namespace workbench
