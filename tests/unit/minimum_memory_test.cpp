// Minimum memory before placement, held against the published figures (docs/facts/xdnn.md 4.3, 4.6)
// and against lifetimes worked out by hand.
#include "compiler/xdnn/minimum_memory.h"

#include <gtest/gtest.h>

#include "tests/support/graph_builder.h"
#include "tests/support/xdnn_program.h"
#include "workloads/workloads.h"

namespace workbench {
namespace {

using xdnn::MemoryTensor;
using xdnn::MinimumMemory;

MinimumMemory counted(const Graph& graph, const xdnn::Machine& machine) {
  const Graph quantized = quantized_for(graph, machine);
  return minimum_memory(quantized, machine, xdnn::model_order(quantized));
}

MinimumMemory counted(const std::string& network, const std::string& machine) {
  return counted(build_workload(network), xdnn::load_machine("configs/" + machine + ".yaml"));
}

std::vector<std::string> steps_with(const MinimumMemory& memory, std::int64_t bytes) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < memory.steps.size(); ++i) {
    if (memory.live_bytes[i] == bytes) names.push_back(memory.steps[i].name);
  }
  return names;
}

const MemoryTensor& tensor(const MinimumMemory& memory, const std::string& name) {
  for (const MemoryTensor& t : memory.tensors) {
    if (t.name == name) return t;
  }
  ADD_FAILURE() << "no tensor of step '" << name << "'";
  return memory.tensors.at(0);
}

TEST(MinimumMemory, googlenet_on_56_pixels_needs_what_the_notebook_prints) {
  const MinimumMemory memory = counted("googlenet_v1", "v2_56");
  EXPECT_EQ(memory.worst(), 33);  // every Caffe layer is a step, data the first
  EXPECT_EQ(memory.steps[33].name, "inception_3b/pool");
  EXPECT_EQ(memory.live_bytes[33], 3325952);
  EXPECT_EQ(steps_with(memory, 3325952).size(), 1U);
}

TEST(MinimumMemory, resnet50_on_28_pixels_needs_what_the_notebook_prints) {
  const MinimumMemory memory = counted("resnet50", "v2_28");
  // The notebook's steps 17, 30 and 43.
  EXPECT_EQ(steps_with(memory, 4128768),
            (std::vector<std::string>{"res2a_branch2c", "res2b_branch2c", "res2c_branch2c"}));
  EXPECT_EQ(memory.live_bytes[static_cast<std::size_t>(memory.worst())], 4128768);
  // Its figure after placement is that of the sum's own step: two maps of 56x56x256.
  for (std::size_t i = 0; i < memory.steps.size(); ++i) {
    if (memory.steps[i].name == "res2c") {
      EXPECT_EQ(memory.live_bytes[i], 3670016);
    }
  }
}

// Maps of 2 x 28 x 28 on V2 28x32: 2 * 28 lines of 64 bytes.
constexpr std::int64_t kMap = std::int64_t{2} * 28 * 64;

struct Small {
  GraphBuilder b;
  ValueId x = b.input("x", {1, 2, 28, 28});
  ValueId conv(const std::string& name, ValueId from) {
    return b.conv(name, from, 2, square_window(3, 1, 1));
  }
  MinimumMemory memory(ValueId out) {
    b.output(out);
    return counted(b.graph(), xdnn::load_machine("configs/v2_28.yaml"));
  }
};

TEST(MinimumMemory, a_sum_takes_the_place_of_an_operand_nobody_reads_again) {
  Small net;
  const ValueId a = net.conv("a", net.x);
  const ValueId b = net.conv("b", net.x);
  const MinimumMemory memory = net.memory(net.b.binary("sum", Binary::Kind::Add, a, b));
  // x; x a; x a b; a b, the sum in the place of a.
  EXPECT_EQ(memory.live_bytes, (std::vector<std::int64_t>{kMap, 2 * kMap, 3 * kMap, 2 * kMap}));
  EXPECT_TRUE(tensor(memory, "sum").replaces);
}

TEST(MinimumMemory, a_sum_whose_operands_are_read_again_has_memory_of_its_own) {
  Small net;
  const ValueId a = net.conv("a", net.x);
  const ValueId b = net.conv("b", net.x);
  const ValueId sum = net.b.binary("sum", Binary::Kind::Add, a, b);
  const ValueId joined = net.b.add("join", Concat{}, {sum, a, b});
  const MinimumMemory memory = net.memory(net.conv("c", joined));
  EXPECT_FALSE(tensor(memory, "sum").replaces);
  // x; x a; x a b; a b sum; the join in their place; join and c.
  EXPECT_EQ(memory.live_bytes,
            (std::vector<std::int64_t>{kMap, 2 * kMap, 3 * kMap, 3 * kMap, 3 * kMap, 4 * kMap}));
}

TEST(MinimumMemory, a_part_read_after_its_concat_is_read_inside_it) {
  Small net;
  const ValueId a = net.conv("a", net.x);
  const ValueId b = net.conv("b", net.x);
  const ValueId join = net.b.add("join", Concat{}, {a, b});
  net.b.output(net.conv("late", a));
  const MinimumMemory memory = net.memory(net.conv("last", join));
  // x; x a; x a b; join; join and late; those and last.
  EXPECT_EQ(memory.live_bytes,
            (std::vector<std::int64_t>{kMap, 2 * kMap, 3 * kMap, 2 * kMap, 3 * kMap, 4 * kMap}));
}

TEST(MinimumMemory, what_is_folded_into_a_convolution_is_a_step_in_place) {
  Small net;
  const ValueId a = net.b.relu("a/relu", net.b.batch_norm("a/bn", net.conv("a", net.x)));
  const MinimumMemory memory = net.memory(net.conv("b", a));
  EXPECT_EQ(memory.live_bytes, (std::vector<std::int64_t>{kMap, 2 * kMap, kMap, kMap, 2 * kMap}));
  EXPECT_EQ(tensor(memory, "a").writers, (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(tensor(memory, "a").readers, (std::vector<int>{2, 3, 4}));
}

TEST(MinimumMemory, machines_that_tile_read_the_input_from_ddr) {
  GraphBuilder b;
  b.output(b.conv("a", b.input("x", {1, 3, 10, 10}), 4, square_window(1)));
  const MinimumMemory memory = counted(b.graph(), xdnn::Machine{});  // V3: words of 96 channels
  EXPECT_EQ(memory.live_bytes, (std::vector<std::int64_t>{0, 100 * 96}));
}

}  // namespace
}  // namespace workbench
