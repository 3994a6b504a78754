// What a run needs of memory is known from shapes, and one that fits only in turn is the same run.
#include "explore/flow/memory_need.h"

#include <gtest/gtest.h>

#include "core/error.h"
#include "core/memory.h"
#include "explore/flow/pipeline.h"
#include "sim/golden/golden.h"
#include "tests/support/graph_builder.h"

namespace workbench {
namespace {

constexpr std::int64_t kMap = 4 * 8 * 8;  // bytes of a map of one channel, 8x8, of floats

// x -> a (conv, 2 channels) -> b (relu) -> c (sum of b and a) -> d (conv, 1 channel)
GraphBuilder diamond() {
  GraphBuilder build;
  const ValueId x = build.input("x", {1, 1, 8, 8});
  const ValueId a = build.conv("a", x, 2, square_window(1));
  const ValueId b = build.relu("b", a);
  const ValueId c = build.binary("c", Binary::Kind::Add, b, a);
  build.output(build.conv("d", c, 1, square_window(1)));
  return build;
}

// At c: a and b and c, two maps each, but c may take b's place; a is read twice, so b cannot take
// a's.
TEST(MemoryNeed, values_die_after_their_last_use) {
  EXPECT_EQ(evaluation_bytes(diamond().graph()), 4 * kMap);
}

// A chain holds an operand and a result; what nothing reads dies at once.
TEST(MemoryNeed, a_chain_holds_two_values) {
  GraphBuilder build;
  ValueId x = build.input("x", {1, 1, 8, 8});
  for (int i = 0; i < 9; ++i) x = build.conv("c" + std::to_string(i), x, 3, square_window(1));
  build.conv("unread", x, 1, square_window(1));
  build.output(x);
  EXPECT_EQ(evaluation_bytes(build.graph()), 6 * kMap);
}

TEST(MemoryNeed, new_shapes_of_the_same_bytes_cost_nothing) {
  GraphBuilder build;
  const ValueId x = build.input("x", {1, 1, 8, 8});
  const ValueId a = build.conv("a", x, 2, square_window(1));
  const ValueId flat = build.add("flat", Reshape{.shape = {1, 128}}, {a});
  build.output(build.add("back", Reshape{.shape = {1, 2, 8, 8}}, {flat}));
  EXPECT_EQ(evaluation_bytes(build.graph()), 2 * kMap);
}

// Two names of one buffer: its bytes are given back once, and `c` finds as much taken as there is.
TEST(MemoryNeed, a_new_shape_that_nothing_reads_dies_with_its_operand) {
  GraphBuilder build;
  const ValueId x = build.input("x", {1, 1, 8, 8});
  const ValueId a = build.conv("a", x, 2, square_window(1));
  build.add("flat", Reshape{.shape = {1, 128}}, {a});
  const ValueId b = build.conv("b", x, 3, square_window(1));
  build.output(build.conv("c", b, 3, square_window(1)));
  EXPECT_EQ(evaluation_bytes(build.graph()), 6 * kMap);
}

TEST(MemoryNeed, the_golden_model_gives_the_same_values_one_by_one) {
  const Compiled compiled = compile_network(
      {.model = {.name = "zoo:tiny_inception"}, .machine = find_machine_file("v3_96")});
  const std::vector<Tensor> all = golden::run(compiled.quantized, compiled.input);
  std::size_t seen = 0, constants = 0;
  golden::run(compiled.quantized, compiled.input, [&](ValueId id, const Tensor& tensor) {
    EXPECT_TRUE(tensor == all[static_cast<std::size_t>(id)]);
    ++seen;
  });
  for (const Value& value : compiled.quantized.values) constants += value.constant ? 1 : 0;
  EXPECT_EQ(seen + constants, all.size());
}

class Limited {
 public:
  explicit Limited(std::int64_t bytes) { set_memory_limit(bytes); }
  ~Limited() { set_memory_limit(before_); }
  Limited(const Limited&) = delete;
  Limited& operator=(const Limited&) = delete;

 private:
  std::int64_t before_ = memory_limit();
};

TEST(MemoryNeed, a_run_that_fits_only_in_turn_is_the_same) {
  const Compiled compiled = compile_network(
      {.model = {.name = "zoo:tiny_inception"}, .machine = find_machine_file("v3_96")});
  const RunMemory needed = run_memory(compiled.quantized, compiled.program, compiled.machine);
  ASSERT_LT(needed.in_turn(), needed.side_by_side());
  const Verdict beside = *run_network(compiled).result.verdict;
  {
    // room for what the estimate leaves out, but not for both at once
    const Limited tight(tensor_memory() + needed.side_by_side() - 1);
    const Verdict in_turn = *run_network(compiled).result.verdict;
    EXPECT_TRUE(in_turn.bit_exact());
    EXPECT_EQ(in_turn.values_compared, beside.values_compared);
    ASSERT_EQ(in_turn.layers.size(), beside.layers.size());
    for (std::size_t i = 0; i < in_turn.layers.size(); ++i) {
      EXPECT_EQ(in_turn.layers[i].name, beside.layers[i].name);
    }
  }
  const Limited too_tight(tensor_memory() + needed.in_turn() - 1);
  EXPECT_THROW(run_network(compiled), Error);
}

}  // namespace
}  // namespace workbench
