// The passes that are off unless asked for, and merge_average_scale, on random networks that have
// what they look for: what is computed stays, and what each is there for has happened.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>
#include <string>

#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"
#include "core/error.h"
#include "tests/support/graph_builder.h"
#include "tests/support/random_float_graph.h"
#include "tests/support/same_network.h"

namespace workbench {
namespace {

constexpr std::uint64_t kFirstSeed = 9100;
constexpr std::uint64_t kCases = 60;

class Branches {
 public:
  explicit Branches(std::uint64_t seed) : random_(seed), build_(seed + 1) {}

  std::int64_t range(std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random_() % static_cast<std::uint64_t>(high - low + 1));
  }
  bool chance(std::int64_t one_in) { return range(1, one_in) == 1; }

  ValueId input() { return build_.input("input", {1, range(1, 6), range(6, 12), range(6, 12)}); }

  // Between 2 and 4 branches "block/1x1_reduce" -> "block/3x3"; reduces are rectified or not all
  // alike, and one branch may be a 1x1 alone.
  std::vector<ValueId> inception(ValueId x, const std::string& block) {
    std::vector<ValueId> branches;
    const bool rectified = chance(2);
    for (std::int64_t i = range(2, 4); i > 0; --i) {
      const std::string name = block + "/" + std::to_string(2 * i + 1);
      ValueId reduce =
          build_.conv(name + "_reduce", x, range(1, 5), square_window(1), 1, chance(2));
      if (rectified) fuse_relu();
      branches.push_back(build_.conv(name, reduce, range(1, 4), square_window(3, 1, 1)));
    }
    if (chance(2)) branches.push_back(build_.conv(block + "/1x1", x, 2, square_window(1)));
    return branches;
  }

  void fuse_relu() {
    std::get<Conv>(build_.graph().nodes.back().op).activation.kind = Activation::Kind::Relu;
  }

  Graph finish(ValueId out) {
    build_.output(out);
    build_.graph().name = "branches";
    return std::move(build_.graph());
  }

  GraphBuilder& build() { return build_; }

 private:
  std::mt19937_64 random_;
  GraphBuilder build_;
};

template <typename Kind>
std::size_t count(const Graph& graph) {
  return static_cast<std::size_t>(
      std::count_if(graph.nodes.begin(), graph.nodes.end(),
                    [](const Node& node) { return std::holds_alternative<Kind>(node.op); }));
}

// Runs `pass` on `original`, which has work for it.
Graph rewritten(const Graph& original, bool (*pass)(Graph&), std::uint64_t seed) {
  Graph graph = original;
  EXPECT_TRUE(pass(graph)) << print_graph(original);
  const std::vector<Violation> violations = verify(graph);
  EXPECT_TRUE(violations.empty()) << violations[0].message << "\n" << print_graph(graph);
  EXPECT_TRUE(same_network(original, graph, random_inputs(original, seed)))
      << print_graph(original) << print_graph(graph);
  EXPECT_FALSE(pass(graph)) << "the pass is not done after one call";
  return graph;
}

TEST(RewritePassesProperty, parallel_reduces_become_one_convolution) {
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Branches b(seed);
    const auto branches = b.inception(b.input(), "block");
    const Graph original = b.finish(b.build().add("joined", Concat{}, branches));
    const Graph graph = rewritten(original, merge_parallel_reduces, seed);
    const std::size_t reduces = count<Slice>(graph);
    EXPECT_GE(reduces, 2U);
    EXPECT_EQ(count<Conv>(graph), count<Conv>(original) - reduces + 1);
  }
}

TEST(RewritePasses, merged_reduces_are_named_as_xfdnn_does) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 4, 6, 6});
  const ValueId wide = b.conv("inception_3b/3x3_reduce", x, 3, square_window(1));
  const ValueId narrow = b.conv("inception_3b/5x5_reduce", x, 1, square_window(1));
  const ValueId a = b.conv("inception_3b/3x3", wide, 2, square_window(3, 1, 1));
  const ValueId c = b.conv("inception_3b/5x5", narrow, 2, square_window(5, 1, 2));
  b.output(b.add("inception_3b/output", Concat{}, {a, c}));
  Graph graph = b.graph();
  EXPECT_TRUE(merge_parallel_reduces(graph));
  EXPECT_EQ(graph.nodes[0].name, "inception_3b/5x5_reduce_merged_3x3_reduce");
}

TEST(RewritePassesProperty, strided_pointwise_convolutions_become_pool_and_convolution) {
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Branches b(seed);
    const Window window = square_window(1, b.range(2, 3));
    const ValueId y = b.build().conv("conv", b.input(), b.range(1, 4), window, 1, b.chance(2));
    const Graph graph = rewritten(b.finish(y), conv1x1_stride2_to_pool, seed);
    EXPECT_EQ(count<MaxPool>(graph), 1U);
    EXPECT_EQ(std::get<Conv>(graph.nodes[1].op).window, square_window(1));
  }
}

TEST(RewritePassesProperty, pools_move_around_concats) {
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Branches b(seed);
    const ValueId x = b.input();
    std::vector<ValueId> branches = b.inception(x, "block");
    if (b.chance(2)) branches.push_back(x);
    if (b.chance(3)) branches.push_back(branches[0]);
    const ValueId joined = b.build().add("joined", Concat{}, branches);
    const MaxPool pool{.window = square_window(3, b.range(1, 2), b.range(0, 1)),
                       .ceil_mode = b.chance(2)};
    const Graph original = b.finish(b.build().add("pool", pool, {joined}));
    const Graph graph = rewritten(original, pool_around_concat, seed);
    EXPECT_TRUE(std::holds_alternative<Concat>(graph.nodes.back().op));
    EXPECT_GE(count<MaxPool>(graph), 2U);
  }
}

TEST(RewritePassesProperty, bridges_stand_between_concats) {
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Branches b(seed);
    const ValueId x = b.input();
    const ValueId inner = b.build().add("inner", Concat{}, b.inception(x, "block"));
    const Graph original = b.finish(b.build().add("outer", Concat{}, {x, inner}));
    Graph graph = rewritten(original, bridge_concat, seed);
    EXPECT_EQ(count<Conv>(graph), count<Conv>(original) + 1);
    EXPECT_FALSE(flatten_concat(graph));
  }
}

TEST(RewritePassesProperty, scales_behind_averages_end_up_in_the_convolution) {
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Branches b(seed);
    const std::int64_t channels = b.range(1, 4);
    ValueId y = b.build().conv("conv", b.input(), channels, square_window(3));
    if (b.chance(3)) {
      b.fuse_relu();
    } else if (b.chance(2)) {
      y = b.build().relu("relu", y);
    }
    const AveragePool pool{.window = square_window(3, 2, 1), .count_include_pad = b.chance(2)};
    y = b.build().add("pool", pool, {y});
    const Shape shape = b.chance(2) ? Shape{} : Shape{channels, 1, 1};
    const ValueId k = b.build().random_constant("k", shape, 0.5, 2);
    y = b.chance(2) ? b.build().binary("scale", Binary::Kind::Mul, k, y)
                    : b.build().binary("scale", Binary::Kind::Div, y, k);
    const Graph original = b.finish(y);
    Graph graph = rewritten(original, merge_average_scale, seed);
    run_passes(graph, float_pipeline());
    EXPECT_TRUE(same_network(original, graph, random_inputs(original, seed)));
    EXPECT_EQ(graph.nodes.size(), 2U) << print_graph(graph);
  }
}

ConvTranspose random_deconv(Branches& b, std::int64_t kernel, std::int64_t stride) {
  ConvTranspose op{.window = square_window(kernel, stride, b.range(0, kernel / 2)),
                   .output_padding = {0, 0}};
  if (b.chance(2)) op.activation = {.kind = Activation::Kind::LeakyRelu, .alpha = 0.25F};
  return op;
}

// Kernels of box(stride) * v, as bilinear upsampling has.
TEST(RewritePassesProperty, deconvolutions_by_boxes_become_upsampling) {
  int fired = 0;
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Branches b(seed);
    const ValueId x = b.input();
    const std::int64_t stride = b.range(2, 3), rest = b.range(1, 3), kernel = stride + rest - 1;
    const std::int64_t in = b.build().shape(x)[1], out = b.range(1, 3);
    const ValueId v = b.build().random_constant("v", {in, out, rest, rest});
    const Tensor quotient = *b.build().graph().value(v).constant;
    std::vector<float> weights(static_cast<std::size_t>(in * out * kernel * kernel), 0.0F);
    for (std::int64_t i = 0; i < quotient.size() * stride * stride; ++i) {
      const std::int64_t from = i / (stride * stride), box = i % (stride * stride);
      const std::int64_t slice = from / (rest * rest);
      const std::int64_t row = from / rest % rest + box / stride,
                         column = from % rest + box % stride;
      weights[static_cast<std::size_t>((slice * kernel + row) * kernel + column)] +=
          quotient.values<float>()[static_cast<std::size_t>(from)];
    }
    const ValueId w = b.build().constant("w", {in, out, kernel, kernel}, weights);
    ConvTranspose op = random_deconv(b, kernel, stride);
    op.window.pads_begin = op.window.pads_end = {b.range(0, rest - 1), b.range(0, rest - 1)};
    const Graph original = b.finish(b.build().add("deconv", op, {x, w}));
    // A convolution cannot pad less than nothing at its end.
    Graph tried = original;
    if (!deconv_to_upsample(tried)) continue;
    ++fired;
    const Graph graph = rewritten(original, deconv_to_upsample, seed);
    EXPECT_EQ(count<Resize>(graph), 1U);
    EXPECT_EQ(count<ConvTranspose>(graph), 0U);
  }
  EXPECT_GE(fired, 10);
}

TEST(RewritePasses, a_kernel_that_is_no_box_stays_a_deconvolution) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 1, 3, 3});
  const ValueId w = b.constant("w", {1, 1, 2, 2}, {1, 1, 1, 2});
  const ConvTranspose op{.window = square_window(2, 2), .output_padding = {0, 0}};
  b.output(b.add("deconv", op, {x, w}));
  Graph graph = b.graph();
  EXPECT_FALSE(deconv_to_upsample(graph));
}

TEST(RewritePassesProperty, deconvolutions_become_one_convolution_of_all_phases) {
  int fired = 0;
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + kCases; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Branches b(seed);
    const ValueId x = b.input();
    const std::int64_t stride = b.range(2, 3), kernel = b.range(1, 6), out = b.range(1, 3);
    const ValueId w = b.build().random_constant("w", {b.build().shape(x)[1], out, kernel, kernel});
    const ConvTranspose op = random_deconv(b, kernel, stride);
    std::vector<ValueId> inputs = {x, w};
    if (b.chance(2)) inputs.push_back(b.build().random_constant("bias", {out}));
    const Graph original = b.finish(b.build().add("deconv", op, inputs));
    const Shape& shape = original.value(original.outputs[0]).shape;
    if (shape[2] % stride != 0 || shape[3] % stride != 0) continue;
    ++fired;
    const Graph graph = rewritten(original, deconv_to_subpixel, seed);
    EXPECT_EQ(count<Conv>(graph), 1U);
    EXPECT_EQ(count<DepthToSpace>(graph), 1U);
  }
  EXPECT_GE(fired, 10);
}

TEST(RewritePasses, norm_conv_norm_scale_relu_is_one_convolution) {
  GraphBuilder b;
  ValueId y = b.batch_norm("bn1", b.input("x", {1, 3, 8, 8}));
  y = b.batch_norm("bn2", b.conv("conv", y, 4, square_window(3)));
  y = b.binary("scale", Binary::Kind::Mul, y, b.random_constant("k", {4, 1, 1}));
  b.output(b.relu("relu", y));
  Graph graph = b.graph();
  run_passes(graph, float_pipeline());
  ASSERT_EQ(graph.nodes.size(), 1U) << print_graph(graph);
  const auto& conv = std::get<Conv>(graph.nodes[0].op);
  EXPECT_EQ(conv.activation.kind, Activation::Kind::Relu);
  EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 3)));
}

// Whatever is on or off, the pipeline settles and keeps the network.
TEST(RewritePassesProperty, any_choice_of_passes_keeps_the_network) {
  std::mt19937_64 random(5);
  for (std::uint64_t seed = kFirstSeed; seed < kFirstSeed + 100; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    PassSwitches switches;
    for (const PassDescription& pass : describe_float_passes()) {
      if (random() % 3 != 0) continue;
      (pass.on ? switches.without : switches.with).emplace_back(pass.name);
    }
    check(switches, describe_float_passes());
    const Graph original = random_float_graph(seed);
    Graph graph = original;
    run_passes(graph, float_pipeline(switches));
    EXPECT_TRUE(same_network(original, graph, random_inputs(original, seed)))
        << print_graph(original) << print_graph(graph);
  }
}

TEST(PassSwitches, unknown_names_are_answered_with_all_that_there_are) {
  const std::vector<PassDescription> known = {{"one", "first", true}, {"two", "second", false}};
  const auto message = [&](const PassSwitches& switches) -> std::string {
    try {
      check(switches, known);
      return "";
    } catch (const Error& error) {
      return error.what();
    }
  };
  EXPECT_EQ(message({.with = {"two"}, .without = {"one"}}), "");
  EXPECT_EQ(message({.without = {"three"}}),
            "--without: expected names of passes (one, two), found 'three'");
  EXPECT_EQ(message({.with = {"one"}, .without = {"one"}}),
            "--with one --without one: expected the pass in one of the lists, found it in both");
}

TEST(UniqueNames, are_the_first_that_no_value_has) {
  const std::string known[] = {"a",    "a_",  "a_0", "a_1",   "a_02",  "a_2",
                               "a_3",  "a_4", "a_5", "a_2_2", "a_2_3", "a_-2",
                               "a_+2", "ab",  "b",   "",      "a_3x",  "a_99999999999999999999"};
  std::mt19937_64 random(kFirstSeed);
  for (int i = 0; i < 500; ++i) {
    Graph graph;
    std::set<std::string> taken;
    for (const std::string& name : known) {
      if (random() % 3 == 0) continue;
      taken.insert(name);
      graph.add_value({.name = name});
    }
    for (const std::string base : {"a", "a_2", "b", "c", ""}) {
      std::string expected = base;
      for (int n = 2; taken.contains(expected); ++n) expected = base + "_" + std::to_string(n);
      ASSERT_EQ(unique_value_name(graph, base), expected) << "round " << i;
    }
  }
}

}  // namespace
}  // namespace workbench
