// What --save-optimized writes is the network after the passes: reading it back gives the same
// network, and passing it again changes nothing that it computes.
#include <gtest/gtest.h>

#include <random>

#include "compiler/import/export.h"
#include "compiler/import/import.h"
#include "compiler/passes/passes.h"
#include "tests/support/graph_builder.h"
#include "tests/support/random_graph.h"
#include "tests/support/same_network.h"

namespace workbench {
namespace {

constexpr std::uint64_t kSeed = 808;
constexpr int kCases = 60;

// All nodes by operation, activations of their own or not.
std::string operations(Graph graph) {
  run_passes(graph, float_pipeline());
  std::string text;
  for (const Node& node : graph.nodes) {
    const std::string shape = " " + to_string(graph.value(node.outputs[0]).shape) + "\n";
    const std::string name = op_name(node.op);
    // ONNX 13 has no HardSwish: the exporter writes what it stands for.
    text += name == "HardSwish" ? "HardSigmoid" + shape + "Mul" + shape : name + shape;
  }
  return text;
}

TEST(OptimizedExport, read_back_it_is_the_same_network) {
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < kCases; ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed << " case " << i);
    Graph passed = random_graph(random, {.max_macs = 300'000, .batch_norm = 0.6});
    run_passes(passed, float_pipeline());
    const Graph back = import_onnx_bytes(export_onnx_bytes(passed), "back");
    EXPECT_TRUE(same_network(passed, back, random_inputs(passed, kSeed + 1)));
    EXPECT_EQ(operations(back), operations(passed));
  }
}

}  // namespace
}  // namespace workbench
