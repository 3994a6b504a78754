// A fixed batch becomes one image, where no image has to do with another.
#include <gtest/gtest.h>

#include "compiler/passes/one_image.h"
#include "core/eval/evaluate.h"
#include "tests/support/graph_builder.h"
#include "tests/support/random_float_graph.h"

namespace workbench {
namespace {

std::vector<float> flat(const Tensor& tensor) {
  const auto values = tensor.values<float>();
  return {values.begin(), values.end()};
}

// By output, the results one after the other.
std::vector<std::vector<float>> results(const Graph& graph, std::span<const Tensor> inputs) {
  std::vector<std::vector<float>> found(graph.outputs.size());
  evaluate(graph, inputs, {.observe = [&](ValueId id, const Tensor& tensor) {
             for (std::size_t i = 0; i < graph.outputs.size(); ++i) {
               if (graph.outputs[i] == id) found[i] = flat(tensor);
             }
           }});
  return found;
}

Tensor image(const Tensor& batch, std::int64_t i) {
  const std::vector<float> all = flat(batch);
  Shape shape = batch.shape();
  shape[0] = 1;
  const auto size = static_cast<std::ptrdiff_t>(element_count(shape));
  const std::vector<float> one(all.begin() + i * size, all.begin() + (i + 1) * size);
  return Tensor::from<float>(shape, one);
}

// Half of the random networks have a batch of 2.
TEST(OneImage, computes_of_each_image_what_the_batch_does) {
  int separated = 0;
  for (std::uint64_t seed = 1; seed <= 120; ++seed) {
    SCOPED_TRACE(seed);
    const Graph graph = random_float_graph(seed);
    const OneImage one = one_image(graph);
    EXPECT_EQ(one.obstacle, "");
    if (one.batch == 1) continue;
    ++separated;
    const std::vector<Tensor> inputs = random_inputs(graph, seed);
    const auto whole = results(graph, inputs);
    for (std::int64_t i = 0; i < one.batch; ++i) {
      const Tensor input = image(inputs[0], i);
      const auto part = results(one.graph, std::span(&input, 1));
      for (std::size_t o = 0; o < whole.size(); ++o) {
        const auto size = static_cast<std::ptrdiff_t>(part[o].size());
        ASSERT_EQ(static_cast<std::int64_t>(whole[o].size()), size * one.batch);
        const std::vector<float> expected(whole[o].begin() + i * size,
                                          whole[o].begin() + (i + 1) * size);
        for (std::size_t e = 0; e < expected.size(); ++e) {
          ASSERT_NEAR(part[o][e], expected[e], 1e-4F * (1 + std::abs(expected[e])));
        }
      }
    }
  }
  EXPECT_GT(separated, 30);
}

std::string obstacle(const Op& op, const Shape& shape = {4, 2, 3, 3}) {
  GraphBuilder b;
  b.output(b.add("node", op, {b.input("x", shape)}));
  const OneImage one = one_image(b.graph());
  EXPECT_EQ(one.graph.value(one.graph.inputs[0]).shape[0], one.obstacle.empty() ? 1 : 4);
  return one.obstacle;
}

TEST(OneImage, a_node_that_sees_several_images_is_named) {
  EXPECT_EQ(obstacle(Softmax{.axis = 0}),
            "node 'node' (Softmax) computes with more than one image");
  EXPECT_NE(obstacle(Reduce{.axes = {0}}), "");
  EXPECT_NE(obstacle(Transpose{{1, 0, 2, 3}}), "");
  EXPECT_NE(obstacle(Reshape{{8, 9}}), "");
  EXPECT_NE(obstacle(Slice{.starts = {0}, .ends = {2}, .axes = {0}, .steps = {1}}), "");
  EXPECT_EQ(obstacle(Softmax{.axis = 1}), "");
  EXPECT_EQ(obstacle(Reshape{{4, 18}}), "");
}

}  // namespace
}  // namespace workbench
