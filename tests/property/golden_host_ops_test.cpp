// Two implementations of one definition, written apart: the golden model's host ops and the float
// evaluator's exact arithmetic give the same bits.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "core/eval/evaluate.h"
#include "sim/golden/golden.h"
#include "tests/support/host_nodes.h"
#include "tests/support/seeds.h"

namespace workbench {
namespace {

constexpr int kCases = 200;
const std::uint64_t kSeed = seed_of(3);

void expect_same_bits(const Tensor& golden, const Tensor& evaluated) {
  ASSERT_EQ(golden.type(), evaluated.type());
  ASSERT_EQ(golden.shape(), evaluated.shape());
  if (golden == evaluated) return;
  const auto bytes = static_cast<std::size_t>(element_bytes(golden.type()));
  for (std::size_t i = 0; i < static_cast<std::size_t>(golden.size()); ++i) {
    const std::byte* a = golden.data() + i * bytes;
    const std::byte* b = evaluated.data() + i * bytes;
    if (std::memcmp(a, b, bytes) == 0) continue;
    const bool both_nan = golden.type() == ElementType::Float32 &&
                          std::isnan(golden.values<float>()[i]) &&
                          std::isnan(evaluated.values<float>()[i]);
    if (both_nan) continue;  // of either sign
    if (golden.type() == ElementType::Float32) {
      FAIL() << "element " << i << ": golden " << golden.values<float>()[i] << ", evaluator "
             << evaluated.values<float>()[i];
    }
    FAIL() << "element " << i << " differs";
  }
}

TEST(GoldenHostOps, equal_the_exact_evaluator_bit_for_bit) {
  for (const auto& [name, make] : host_nodes(kSeed)) {
    for (int i = 0; i < kCases; ++i) {
      SCOPED_TRACE(::testing::Message() << name << ", seed " << kSeed << ", case " << i);
      const OneNode one = make();
      const Graph graph = graph_of(one);
      const std::vector<Tensor> values = golden::run(graph, {&one.operands[0], 1});
      const std::vector<Tensor> evaluated = evaluate_node(
          graph, graph.nodes[0], one.operands, {.arithmetic = Arithmetic::Exact, .threads = 1});
      ASSERT_GE(evaluated.size(), graph.outputs.size());  // some ops have more than is read
      for (std::size_t o = 0; o < graph.outputs.size(); ++o) {
        expect_same_bits(values[static_cast<std::size_t>(graph.outputs[o])], evaluated[o]);
      }
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

}  // namespace
}  // namespace workbench
