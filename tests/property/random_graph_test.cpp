#include "tests/support/random_graph.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "core/eval/evaluate.h"
#include "tests/support/activations.h"

namespace workbench {
namespace {

constexpr std::uint64_t kSeed = 20240607;
constexpr int kCases = 200;

// How many of kCases graphs have each op; "residual" counts Add.
std::map<std::string, int> graphs_with_op() {
  std::mt19937_64 random(kSeed);
  std::map<std::string, int> counts;
  for (int i = 0; i < kCases; ++i) {
    const Graph graph = random_graph(random);
    std::map<std::string, int> here;
    for (const Node& node : graph.nodes) here[op_name(node.op)] = 1;
    here["Add or Concat"] = here.contains("Add") || here.contains("Concat") ? 1 : 0;
    here["two outputs"] = graph.outputs.size() == 2 ? 1 : 0;
    for (const auto& [name, found] : here) counts[name] += found;
  }
  return counts;
}

bool all_nodes_reach_an_output(const Graph& graph) {
  const auto readers = consumers(graph);
  return std::all_of(graph.nodes.begin(), graph.nodes.end(), [&](const Node& node) {
    const ValueId id = node.outputs[0];
    return !readers[static_cast<std::size_t>(id)].empty() ||
           std::find(graph.outputs.begin(), graph.outputs.end(), id) != graph.outputs.end();
  });
}

TEST(random_graph, is_legal_and_without_dead_ends) {
  RecordProperty("seed", static_cast<int>(kSeed));
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < kCases; ++i) {
    const Graph graph = random_graph(random);
    SCOPED_TRACE(fmt::format("seed {} case {}", kSeed, i));
    const std::vector<Violation> violations = verify(graph);
    ASSERT_TRUE(violations.empty()) << violations.front().message;
    EXPECT_TRUE(all_nodes_reach_an_output(graph));
    EXPECT_LE(graph.outputs.size(), 2U);
  }
}

TEST(random_graph, uses_every_op_it_promises) {
  const std::map<std::string, int> counts = graphs_with_op();
  for (const char* name : {"Conv", "ConvTranspose", "BatchNorm", "Relu", "LeakyRelu", "Clip",
                           "PRelu", "MaxPool", "AveragePool", "Add", "Concat", "Resize", "Sigmoid",
                           "HardSwish", "LRN", "Mul", "Gemm", "Softmax", "two outputs"}) {
    EXPECT_TRUE(counts.contains(name) && counts.at(name) > 0) << name;
  }
  EXPECT_GE(counts.at("Add or Concat"), kCases / 3);
}

TEST(random_graph, splits_channels_only_when_asked) {
  int slices = 0;
  for (std::uint64_t seed = 1; seed <= 20; ++seed) {
    std::mt19937_64 plain(seed), splitting(seed);
    for (const Node& node : random_graph(plain).nodes) EXPECT_NE(op_name(node.op), "Slice");
    const Graph graph = random_graph(splitting, {.split = 0.3});
    const std::vector<Violation> violations = verify(graph);
    ASSERT_TRUE(violations.empty()) << violations.front().message;
    EXPECT_TRUE(all_nodes_reach_an_output(graph));
    for (const Node& node : graph.nodes) slices += op_name(node.op) == "Slice" ? 1 : 0;
  }
  EXPECT_GE(slices, 20);
}

TEST(random_graph, keeps_to_the_engines_when_asked) {
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < kCases; ++i) {
    const Graph graph = random_graph(random, {.host_op = 0, .host_tail = 0});
    for (const Node& node : graph.nodes) {
      const std::string op = op_name(node.op);
      for (const char* host : {"Sigmoid", "HardSwish", "LRN", "Mul", "Gemm", "Softmax"}) {
        EXPECT_NE(op, host);
      }
    }
  }
}

TEST(random_graph, is_the_same_for_the_same_seed) {
  std::mt19937_64 first(kSeed);
  std::mt19937_64 second(kSeed);
  const Graph a = random_graph(first);
  const Graph b = random_graph(second);
  ASSERT_EQ(a.values.size(), b.values.size());
  for (std::size_t i = 0; i < a.values.size(); ++i) {
    EXPECT_EQ(a.values[i].name, b.values[i].name);
    EXPECT_EQ(a.values[i].shape, b.values[i].shape);
    EXPECT_EQ(a.values[i].constant, b.values[i].constant);
  }
}

TEST(random_graph, computes_sane_values) {
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < kCases; ++i) {
    const Graph graph = random_graph(random);
    SCOPED_TRACE(fmt::format("seed {} case {}", kSeed, i));
    EvaluateOptions options;
    options.observe = [&](ValueId id, const Tensor& tensor) {
      for (const float v : tensor.values<float>()) {
        ASSERT_TRUE(std::isfinite(v) && std::fabs(v) < 1e3F) << graph.value(id).name << " " << v;
      }
    };
    const Tensor input = image_like(graph.value(graph.inputs[0]).shape, kSeed);
    evaluate(graph, {&input, 1}, options);
  }
}

}  // namespace
}  // namespace workbench
