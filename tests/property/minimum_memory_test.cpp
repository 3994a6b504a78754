// Minimum memory on random networks: never more than when every value had memory of its own, and
// exactly that where no value shares memory with another.
#include "compiler/xdnn/minimum_memory.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "isa/xdnn/memory.h"
#include "tests/support/random_graph.h"
#include "tests/support/xdnn_program.h"

namespace workbench {
namespace {

constexpr std::uint64_t kSeed = 4711;
constexpr int kCases = 100;

bool shares(const Op& op) {
  return std::holds_alternative<Concat>(op) || std::holds_alternative<Binary>(op) ||
         std::holds_alternative<Activate>(op) || std::holds_alternative<Slice>(op) ||
         std::holds_alternative<Reshape>(op) || std::holds_alternative<Identity>(op);
}

// Bytes alive per step when each int8 value has memory of its own from its writer to its last
// reader. The steps themselves are taken as they are.
std::vector<std::int64_t> naive(const Graph& graph, const xdnn::Machine& machine,
                                const xdnn::MinimumMemory& memory) {
  std::vector<int> first(graph.values.size(), -1), last(graph.values.size(), -1);
  int now = static_cast<int>(graph.inputs.size()) - 1;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    const bool silent = memory.step_of_node[n] < 0;
    const int step = silent ? now : memory.step_of_node[n];
    const bool on_host = graph.value(node.outputs[0]).type == ElementType::Float32;
    now = on_host || silent ? step : step + static_cast<int>(node.merged.size());
    const auto input = std::find(graph.inputs.begin(), graph.inputs.end(), node.inputs[0]);
    const auto id = static_cast<std::size_t>(node.outputs[0]);
    first[id] = input == graph.inputs.end() || on_host
                    ? step
                    : static_cast<int>(input - graph.inputs.begin());
    last[id] = now;
    for (const ValueId operand : node.inputs) {
      if (operand != kNoValue) last[static_cast<std::size_t>(operand)] = step;
    }
  }
  // A concat is there as long as one of its parts is needed.
  for (const Node& node : graph.nodes) {
    if (!std::holds_alternative<Concat>(node.op)) continue;
    int& end = last[static_cast<std::size_t>(node.outputs[0])];
    for (const ValueId part : node.inputs) {
      end = std::max(end, last[static_cast<std::size_t>(part)]);
    }
  }
  std::vector<std::int64_t> live(memory.steps.size(), 0);
  const xdnn::Geometry geometry = machine.geometry();
  for (std::size_t v = 0; v < graph.values.size(); ++v) {
    const Value& value = graph.values[v];
    if (value.type != ElementType::Int8 || value.constant || value.shape.size() != 4) continue;
    const std::int64_t bytes =
        machine.word_bytes() * geometry.words(value.shape[1], value.shape[2], value.shape[3],
                                              xdnn::plain_layout(value.shape[1], geometry));
    for (int step = first[v]; step >= 0 && step <= last[v]; ++step) {
      live[static_cast<std::size_t>(step)] += bytes;
    }
  }
  return live;
}

TEST(MinimumMemory, random_networks_need_at_most_what_separate_values_need) {
  const xdnn::Machine machine = xdnn::load_machine("configs/v2_28.yaml");
  std::mt19937_64 random(kSeed);
  int separate = 0;
  for (int i = 0; i < kCases; ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed << " case " << i);
    const Graph graph = quantized_for(random_graph(random, {.max_macs = 100'000}), machine);
    const auto memory = minimum_memory(graph, machine, xdnn::model_order(graph));
    const auto alone = naive(graph, machine, memory);
    const bool shared =
        std::ranges::any_of(graph.nodes, [](const Node& n) { return shares(n.op); });
    separate += shared ? 0 : 1;
    for (std::size_t step = 0; step < alone.size(); ++step) {
      if (shared) {
        EXPECT_LE(memory.live_bytes[step], alone[step]) << memory.steps[step].name;
      } else {
        EXPECT_EQ(memory.live_bytes[step], alone[step]) << memory.steps[step].name;
      }
    }
  }
  EXPECT_GT(separate, 0);
}

}  // namespace
}  // namespace workbench
