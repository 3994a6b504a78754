// import(export(g)) computes what g computes, to the bit, and the ONNX library accepts the file.
#include <gtest/gtest.h>
#include <onnx/checker.h>
#include <onnx/onnx_pb.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "compiler/import/export.h"
#include "compiler/import/import.h"
#include "core/eval/evaluate.h"
#include "tests/support/random_float_graph.h"
#include "tests/support/random_graph.h"

namespace workbench {
namespace {

constexpr std::uint64_t kSeed = 42;
constexpr int kCases = 200;

std::vector<Tensor> random_inputs(const Graph& graph, std::mt19937_64& random) {
  std::normal_distribution<float> normal(0, 1);
  std::vector<Tensor> inputs;
  for (const ValueId id : graph.inputs) {
    Tensor tensor = Tensor::uninitialized(ElementType::Float32, graph.value(id).shape);
    std::ranges::generate(tensor.mutable_values<float>(), [&] { return normal(random); });
    inputs.push_back(tensor);
  }
  return inputs;
}

std::vector<std::string> value_names(const Graph& graph, const std::vector<ValueId>& ids) {
  std::vector<std::string> names;
  for (const ValueId id : ids) names.push_back(graph.value(id).name);
  return names;
}

bool has_hard_swish(const Graph& graph) {
  const auto is_hard_swish = [](const Activation& a) {
    return a.kind == Activation::Kind::HardSwish;
  };
  return std::ranges::any_of(graph.nodes, [&](const Node& node) {
    const auto* activate = std::get_if<Activate>(&node.op);
    return activate != nullptr && is_hard_swish(activate->activation);
  });
}

// HardSwish is written as two nodes, each of which rounds.
bool close(const Tensor& a, const Tensor& b) {
  const auto x = a.values<float>();
  const auto y = b.values<float>();
  return std::ranges::equal(x, y, [](float p, float q) {
    return std::abs(p - q) <= 1e-4F * (1 + std::abs(p)) || (std::isnan(p) && std::isnan(q));
  });
}

void expect_round_trip(const Graph& graph, std::mt19937_64& random) {
  const std::string bytes = export_onnx_bytes(graph);
  onnx::ModelProto model;
  ASSERT_TRUE(model.ParseFromString(bytes));
  ASSERT_NO_THROW(onnx::checker::check_model(model));
  const Graph back = import_onnx_bytes(bytes, "back");
  EXPECT_EQ(value_names(back, back.inputs), value_names(graph, graph.inputs));
  EXPECT_EQ(value_names(back, back.outputs), value_names(graph, graph.outputs));
  const std::vector<Tensor> inputs = random_inputs(graph, random);
  const EvaluateOptions options{.arithmetic = Arithmetic::Exact, .threads = 1};
  const std::vector<Tensor> expected = evaluate(graph, inputs, options);
  const std::vector<Tensor> found = evaluate(back, inputs, options);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_TRUE(found[i] == expected[i] || (has_hard_swish(graph) && close(found[i], expected[i])))
        << "output " << i;
  }
  EXPECT_EQ(export_onnx_bytes(graph), bytes);
}

TEST(ImportRoundTrip, random_float_networks_compute_the_same) {
  std::mt19937_64 random(kSeed);
  for (std::uint64_t i = 0; i < kCases; ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed << " case " << i);
    expect_round_trip(random_float_graph(kSeed + i), random);
  }
}

TEST(ImportRoundTrip, random_accelerator_networks_compute_the_same) {
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < kCases / 4; ++i) {  // these are larger
    SCOPED_TRACE(testing::Message() << "seed " << kSeed << " case " << i);
    expect_round_trip(random_graph(random, {.max_macs = 300'000}), random);
  }
}

}  // namespace
}  // namespace workbench
