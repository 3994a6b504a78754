// The host's turns as passes over memory, and as steps of the report.
#include "isa/host_steps.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/support/graph_builder.h"

namespace workbench {
namespace {

Activate function(Activation::Kind kind) { return Activate{{.kind = kind}}; }

// `real` of the builder made of 8-bit codes that come from elsewhere; the codes' id.
ValueId make_codes(GraphBuilder& build, ValueId real) {
  Graph& graph = build.graph();
  Value codes{.name = graph.value(real).name + "_int8",
              .shape = graph.value(real).shape,
              .type = ElementType::Int8};
  codes.quantization = Quantization{.bits = 8, .thresholds = {1}};
  const ValueId id = graph.add_value(std::move(codes));
  std::erase(graph.inputs, real);
  graph.nodes.insert(graph.nodes.begin(), {.name = graph.value(real).name + "_dequantize",
                                           .op = Dequantize{},
                                           .inputs = {id},
                                           .outputs = {real}});
  return id;
}

ValueId quantized(GraphBuilder& build, ValueId real) {
  Graph& graph = build.graph();
  Value codes{.name = graph.value(real).name + "_codes",
              .shape = graph.value(real).shape,
              .type = ElementType::Int8};
  codes.quantization = Quantization{.bits = 8, .thresholds = {1}};
  const ValueId id = graph.add_value(std::move(codes));
  graph.nodes.push_back({.name = graph.value(real).name + "_quantize",
                         .op = Quantize{},
                         .inputs = {real},
                         .outputs = {id}});
  return id;
}

std::vector<std::size_t> all(const Graph& graph) {
  std::vector<std::size_t> nodes(graph.nodes.size());
  std::iota(nodes.begin(), nodes.end(), std::size_t{0});
  return nodes;
}

std::vector<HostPass> passes(const GraphBuilder& build) {
  return host_passes(build.graph(), all(build.graph()));
}

constexpr std::int64_t kCount = 8 * 16 * 16;

// x * sigmoid(x) of codes, to codes: `build` has dequantize, s, m, quantize.
GraphBuilder swish(const Shape& shape) {
  GraphBuilder build;
  const ValueId x = build.input("x", shape);
  const ValueId s = build.add("s", function(Activation::Kind::Sigmoid), {x});
  const ValueId m = build.binary("m", Binary::Kind::Mul, x, s);
  make_codes(build, x);
  quantized(build, m);
  return build;
}

TEST(HostSteps, a_chain_of_elementwise_nodes_is_one_pass) {
  const GraphBuilder build = swish({1, 8, 16, 16});
  const std::vector<HostPass> found = passes(build);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].nodes, (std::vector<std::size_t>{1, 2, 3}));
  EXPECT_EQ(found[0].work.bytes, kCount);  // codes, read once
  // From codes, sigmoid, product, to codes.
  EXPECT_EQ(found[0].work.operations, kCount * (1 + 40 + 1 + 1));
}

TEST(HostSteps, a_function_of_one_code_is_a_table) {
  const GraphBuilder build = swish({1, 8, 16, 16});
  const std::vector<HostPass> found = passes(build);
  ASSERT_EQ(found.size(), 1U);
  ASSERT_TRUE(found[0].by_table);
  EXPECT_EQ(build.graph().value(found[0].codes).name, "x_int8");
  EXPECT_EQ(found[0].by_table->operations, 0);
  EXPECT_EQ(found[0].by_table->bytes, kCount + 4 * kCount);  // codes and entries
}

TEST(HostSteps, a_table_is_used_where_it_takes_less_time) {
  const std::vector<HostPass> found = passes(swish({1, 8, 16, 16}));
  ASSERT_TRUE(found.at(0).by_table);
  // 5 bytes of memory a result, or a byte and 43 operations.
  EXPECT_DOUBLE_EQ(found[0].milliseconds({.gflops = 1, .gigabytes_per_second = 1}),
                   5 * kCount / 1e6);
  EXPECT_DOUBLE_EQ(found[0].milliseconds({.gflops = 100, .gigabytes_per_second = 1}), kCount / 1e6);
}

// sigmoid(x) times a constant of this shape.
std::vector<HostPass> sigmoid_times(const Shape& constant) {
  GraphBuilder build;
  const ValueId x = build.input("x", {1, 8, 16, 16});
  const ValueId factor = build.random_constant("factor", constant);
  const ValueId s = build.add("s", function(Activation::Kind::Sigmoid), {x});
  build.output(build.binary("m", Binary::Kind::Mul, s, factor));
  make_codes(build, x);
  return passes(build);
}

TEST(HostSteps, each_channel_may_have_its_table) {
  for (const Shape& constant : {Shape{1, 8, 1, 1}, Shape{8, 1, 1}}) {
    const std::vector<HostPass> found = sigmoid_times(constant);
    ASSERT_EQ(found.size(), 1U);
    ASSERT_TRUE(found[0].by_table);
    EXPECT_EQ(found[0].by_table->operations, 0);
  }
}

TEST(HostSteps, constants_of_several_places_make_no_table) {
  for (const Shape& constant : {Shape{1, 1, 16, 1}, Shape{16}, Shape{8, 16, 1}}) {
    const std::vector<HostPass> found = sigmoid_times(constant);
    ASSERT_EQ(found.size(), 1U);
    EXPECT_FALSE(found[0].by_table);
    EXPECT_EQ(found[0].work.bytes, kCount + 4 * element_count(constant));
  }
}

TEST(HostSteps, numbers_of_the_host_are_no_table) {
  GraphBuilder build;
  const ValueId x = build.input("x", {1, 8, 16, 16});
  build.output(build.add("s", function(Activation::Kind::Sigmoid), {x}));
  const std::vector<HostPass> found = passes(build);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_FALSE(found[0].by_table);
  EXPECT_EQ(found[0].work.bytes, 4 * kCount);
}

TEST(HostSteps, codes_that_move_are_looked_up_where_they_arrive) {
  GraphBuilder build;
  const ValueId x = build.input("x", {1, 8, 16, 16});
  const ValueId t = build.add("t", Transpose{.permutation = {0, 2, 3, 1}}, {x});
  const ValueId s = build.add("s", function(Activation::Kind::Sigmoid), {t});
  make_codes(build, x);
  quantized(build, s);
  const std::vector<HostPass> found = passes(build);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].work.operations, kCount * (1 + 1 + 40 + 1));
  ASSERT_TRUE(found[0].by_table);
  EXPECT_EQ(found[0].by_table->operations, kCount);  // an index each
  EXPECT_EQ(found[0].by_table->bytes, kCount + 4 * kCount);
}

TEST(HostSteps, what_meets_its_own_elements_elsewhere_is_no_function_of_a_code) {
  GraphBuilder build;
  const ValueId x = build.input("x", {1, 8, 16, 16});
  const ValueId t = build.add("t", Transpose{.permutation = {0, 1, 3, 2}}, {x});
  const ValueId m = build.binary("m", Binary::Kind::Mul, t, x);
  make_codes(build, x);
  quantized(build, m);
  const std::vector<HostPass> found = passes(build);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_FALSE(found[0].by_table);
}

// Squeeze and excite: the map is read twice, as codes each time.
TEST(HostSteps, what_needs_all_of_its_operand_begins_a_pass) {
  GraphBuilder build;
  const ValueId x = build.input("x", {1, 8, 16, 16});
  const ValueId mean = build.add("mean", AveragePool{.window = square_window(16)}, {x});
  const ValueId gate = build.add("gate", function(Activation::Kind::HardSigmoid), {mean});
  const ValueId m = build.binary("m", Binary::Kind::Mul, x, gate);
  make_codes(build, x);
  quantized(build, m);
  const std::vector<HostPass> found = passes(build);
  ASSERT_EQ(found.size(), 3U);
  EXPECT_EQ(found[0].work.bytes, kCount);
  EXPECT_EQ(found[1].work.bytes, 4 * 8);
  EXPECT_EQ(found[2].nodes, (std::vector<std::size_t>{3, 4}));
  EXPECT_EQ(found[2].work.bytes, kCount + 4 * 8);
  EXPECT_EQ(found[2].work.operations, kCount * (1 + 1 + 1));
}

TEST(HostSteps, renaming_takes_no_pass_and_keeps_its_readers_apart_from_nothing) {
  GraphBuilder build;
  const ValueId x = build.input("x", {1, 8, 16, 16});
  const ValueId r = build.add("r", Reshape{.shape = {1, 8, 256}}, {x});
  build.output(build.add("s", function(Activation::Kind::Sigmoid), {r}));
  make_codes(build, x);
  const std::vector<HostPass> found = passes(build);
  ASSERT_EQ(found.size(), 1U);
  ASSERT_TRUE(found[0].by_table);
  EXPECT_EQ(found[0].by_table->operations, 0);
}

TEST(HostSteps, what_other_turns_read_is_written) {
  GraphBuilder build;
  const ValueId x = build.input("x", {1, 8, 16, 16});
  const ValueId s = build.add("s", function(Activation::Kind::Sigmoid), {x});
  const ValueId t = build.add("t", function(Activation::Kind::Tanh), {s});
  build.output(build.relu("r", s));
  quantized(build, t);
  make_codes(build, x);
  // Nodes: dequantize, s, t, r, quantize of t; r has its turn later.
  const std::vector<std::size_t> turn = {0, 1, 2, 4};
  const std::vector<HostPass> found = host_passes(build.graph(), turn);
  ASSERT_EQ(found.size(), 1U);
  ASSERT_TRUE(found[0].by_table);
  EXPECT_EQ(found[0].by_table->operations, 0);
  EXPECT_EQ(found[0].by_table->bytes, kCount + 2 * 4 * kCount);
}

TEST(HostSteps, time_is_that_of_the_slower_of_arithmetic_and_memory) {
  GraphBuilder build;  // of numbers: no table
  const ValueId x = build.input("x", {1, 8, 16, 16});
  build.output(build.add("s", function(Activation::Kind::Sigmoid), {x}));
  const auto time = [&](double gflops, double gigabytes) {
    return host_milliseconds(build.graph(), all(build.graph()), {gflops, gigabytes});
  };
  EXPECT_DOUBLE_EQ(time(0.001, 1000), kCount * 40 / 1e3);
  EXPECT_DOUBLE_EQ(time(1000, 0.001), 4 * kCount / 1e3);
}

TEST(HostSteps, a_turn_is_one_step_with_its_operators_reasons_and_crossings) {
  const GraphBuilder build = swish({1, 8, 16, 16});
  const std::vector<std::vector<std::size_t>> turns = {all(build.graph())};
  const std::vector<HostStepInfo> steps =
      describe_host_steps(build.graph(), turns, {{"s", "no table"}, {"m", "it only adds"}}, {1, 1});
  ASSERT_EQ(steps.size(), 1U);
  EXPECT_EQ(steps[0].name, "s, m");
  EXPECT_EQ(steps[0].op, "Sigmoid, Mul");
  EXPECT_EQ(steps[0].reason, "no table; it only adds");
  EXPECT_EQ(steps[0].bytes_in, kCount);
  EXPECT_EQ(steps[0].bytes_out, kCount);
  ASSERT_EQ(steps[0].nodes.size(), 2U);
  EXPECT_EQ(steps[0].nodes[1].name, "m");
  EXPECT_EQ(steps[0].nodes[1].op, "Mul");
  EXPECT_EQ(steps[0].nodes[1].reason, "it only adds");
}

TEST(HostSteps, a_long_turn_counts_its_operators) {
  GraphBuilder build;
  ValueId x = build.input("x", {1, 4});
  std::map<std::string, std::string> reasons;
  for (int i = 0; i < 6; ++i) {
    const std::string name = "n" + std::to_string(i);
    const bool first = i == 0;
    x = build.add(name, function(first ? Activation::Kind::Tanh : Activation::Kind::Sigmoid), {x});
    reasons[name] = "none";
  }
  build.output(x);
  const std::vector<std::vector<std::size_t>> turns = {all(build.graph())};
  const auto steps = describe_host_steps(build.graph(), turns, reasons, {1, 1});
  ASSERT_EQ(steps.size(), 1U);
  EXPECT_EQ(steps[0].name, "n0 ... n5");
  EXPECT_EQ(steps[0].op, "Tanh, 5 Sigmoid");
  EXPECT_EQ(steps[0].reason, "none");
}

TEST(HostSteps, a_turn_that_only_converts_is_no_step) {
  GraphBuilder build;
  const ValueId x = build.input("x", {1, 4});
  quantized(build, x);
  const std::vector<std::vector<std::size_t>> turns = {all(build.graph())};
  EXPECT_TRUE(describe_host_steps(build.graph(), turns, {}, {1, 1}).empty());
}

}  // namespace
}  // namespace workbench
