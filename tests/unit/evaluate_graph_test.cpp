#include <gtest/gtest.h>

#include "tests/support/evaluate_one.h"

namespace workbench {
namespace {

// x -> relu -> add(relu, x); both are outputs.
Graph branch() {
  Graph graph{.name = "branch"};
  const ValueId x = graph.add_value({.name = "x", .shape = {4}});
  const ValueId r = graph.add_value({.name = "r", .shape = {4}});
  const ValueId y = graph.add_value({.name = "y", .shape = {4}});
  graph.inputs = {x};
  graph.nodes.push_back({.name = "relu",
                         .op = Activate{{.kind = Activation::Kind::Relu}},
                         .inputs = {x},
                         .outputs = {r}});
  graph.nodes.push_back({.name = "add", .op = Binary{}, .inputs = {r, x}, .outputs = {y}});
  graph.outputs = {y, r};
  return graph;
}

TEST(Evaluate, runs_nodes_in_order_and_keeps_values_still_needed) {
  const Tensor x = Tensor::from<float>({4}, {-2, -1, 1, 2});
  const auto outputs = evaluate(branch(), std::vector<Tensor>{x});
  EXPECT_EQ(elements<float>(outputs[0]), (std::vector<float>{-2, -1, 2, 4}));
  EXPECT_EQ(elements<float>(outputs[1]), (std::vector<float>{0, 0, 1, 2}));
  EXPECT_EQ(elements<float>(x), (std::vector<float>{-2, -1, 1, 2}));  // never written to
}

TEST(Evaluate, observes_inputs_and_every_result_once) {
  const Graph graph = branch();
  std::vector<ValueId> seen;
  evaluate(graph, std::vector<Tensor>{counting({4})},
           {.observe = [&](ValueId id, const Tensor&) { seen.push_back(id); }});
  EXPECT_EQ(seen, (std::vector<ValueId>{0, 1, 2}));
}

TEST(Evaluate, what_was_observed_may_be_kept) {
  Tensor kept;
  const Graph graph = branch();
  evaluate(graph, std::vector<Tensor>{Tensor::from<float>({4}, {-2, -1, 1, 2})},
           {.observe = [&](ValueId id, const Tensor& tensor) {
             if (id == 1) kept = tensor;
           }});
  EXPECT_EQ(elements<float>(kept), (std::vector<float>{0, 0, 1, 2}));
}

TEST(Evaluate, a_constant_may_be_an_output) {
  Graph graph = branch();
  graph.outputs.push_back(graph.add_constant("c", counting({2})));
  const auto outputs = evaluate(graph, std::vector<Tensor>{counting({4})});
  EXPECT_EQ(elements<float>(outputs[2]), (std::vector<float>{0, 1}));
}

TEST(Evaluate, evaluate_node_leaves_its_operands_alone) {
  const Graph graph = branch();
  const std::vector<Tensor> operands{Tensor::from<float>({4}, {-2, -1, 1, 2})};
  const auto results = evaluate_node(graph, graph.nodes[0], operands);
  EXPECT_EQ(elements<float>(results[0]), (std::vector<float>{0, 0, 1, 2}));
  EXPECT_EQ(elements<float>(operands[0]), (std::vector<float>{-2, -1, 1, 2}));
}

TEST(Evaluate, float_ops_refuse_other_types) {
  const OneNode one{.op = Softmax{}, .operands = {Tensor::from<std::int8_t>({2}, {1, 2})}};
  try {
    evaluate_one(one);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "node 'node' (Softmax): operand 0: expected elements of type float32, found int8");
  }
}

TEST(EvaluateDeathTest, an_input_of_another_shape_is_a_bug) {
  EXPECT_DEATH(evaluate(branch(), std::vector<Tensor>{counting({5})}), "input 'x' has shape");
}

}  // namespace
}  // namespace workbench
