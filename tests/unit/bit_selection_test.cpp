// Choosing widths: the selection against all combinations, the memory-driven rule, and a search
// from a network to recipe files.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <set>

#include "compiler/quantize/code_bits.h"
#include "core/error.h"
#include "explore/bits/memory_rule.h"
#include "explore/bits/program_search.h"
#include "explore/bits/selection.h"
#include "tests/support/float_graph.h"

namespace workbench {
namespace {

constexpr double kAny = std::numeric_limits<double>::infinity();

std::string refusal(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "none";
}

// Two variables, whose term costs less with both narrow only: 0 1 loses 1 for nothing.
TEST(Selection, finds_what_no_other_choice_is_as_good_as) {
  const SelectionProblem problem{.base_loss = 0.5,
                                 .losses = {{0, 2}, {0, 1}},
                                 .terms = {{.variables = {0, 1}, .costs = {{10}, {9}, {10}, {4}}}},
                                 .bounds = {kAny}};
  const SelectedFront front = best_choices(problem);
  ASSERT_EQ(front.choices.size(), 3U);
  EXPECT_EQ(front.choices[0].options, (Options{0, 0}));
  EXPECT_EQ(front.choices[1].options, (Options{1, 0}));
  EXPECT_EQ(front.choices[2].options, (Options{1, 1}));
  EXPECT_EQ(front.choices[2].loss, 3.5);
  EXPECT_EQ(front.choices[2].costs, (std::vector<double>{4}));
  EXPECT_EQ(front.factor, 1);
  EXPECT_EQ(selected(problem, {0, 1})->costs, (std::vector<double>{10}));
}

TEST(Selection, leaves_out_what_cannot_be_and_what_breaks_a_bound) {
  const SelectionProblem problem{
      .losses = {{0, 2}, {0, 1}},
      .terms = {{.variables = {0, 1}, .costs = {{10, 5}, {9, 3}, {}, {4, 3}}}},
      .bounds = {kAny, 4}};
  const SelectedFront front = best_choices(problem);
  ASSERT_EQ(front.choices.size(), 2U);
  EXPECT_EQ(front.choices[0].options, (Options{1, 0}));
  EXPECT_EQ(front.choices[1].options, (Options{1, 1}));
  EXPECT_FALSE(selected(problem, {0, 1}).has_value());
}

struct Random {
  std::mt19937_64 engine;
  std::size_t below(std::size_t n) { return engine() % n; }
};

SelectionProblem random_problem(Random& random) {
  SelectionProblem problem{.base_loss = 0.125, .losses = {}, .terms = {}, .bounds = {kAny}};
  if (random.below(2) == 0) problem.bounds.push_back(static_cast<double>(20 + random.below(60)));
  const std::size_t variables = 2 + random.below(5);
  for (std::size_t v = 0; v < variables; ++v) {
    problem.losses.push_back({0});
    while (problem.losses[v].size() < 3) {
      problem.losses[v].push_back(static_cast<double>(random.below(64)) / 8);
    }
  }
  for (std::size_t t = 0; t < variables + 2; ++t) {
    CostTerm term;
    for (std::size_t v = 0; v < variables; ++v) {
      if (term.variables.size() < 3 && random.below(3) == 0) term.variables.push_back(v);
    }
    std::size_t combinations = 1;
    for (std::size_t i = 0; i < term.variables.size(); ++i) combinations *= 3;
    for (std::size_t c = 0; c < combinations; ++c) {
      term.costs.emplace_back();
      if (c > 0 && random.below(20) == 0) continue;  // cannot be
      for (std::size_t k = 0; k < problem.bounds.size(); ++k) {
        term.costs.back().push_back(static_cast<double>(random.below(30)));
      }
    }
    problem.terms.push_back(std::move(term));
  }
  return problem;
}

std::vector<Selected> all_that_meet(const SelectionProblem& problem) {
  std::vector<Selected> found;
  Options options(problem.losses.size(), 0);
  while (true) {
    const auto one = selected(problem, options);
    bool meets = one.has_value();
    for (std::size_t k = 0; meets && k < problem.bounds.size(); ++k) {
      meets = one->costs[k] <= problem.bounds[k];
    }
    if (meets) found.push_back(*one);
    std::size_t v = 0;
    while (v < options.size() && ++options[v] == 3) options[v++] = 0;
    if (v == options.size()) return found;
  }
}

// Sums of eighths are exact: the front is the front, whatever the order of the additions.
TEST(Selection, is_the_front_of_all_combinations) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random{std::mt19937_64(seed)};
    const SelectionProblem problem = random_problem(random);
    const std::vector<Selected> all = all_that_meet(problem);
    const SelectedFront front = best_choices(problem);
    EXPECT_EQ(front.choices.empty(), all.empty());
    for (const Selected& one : front.choices) {
      const auto again = selected(problem, one.options);
      ASSERT_TRUE(again.has_value());
      EXPECT_EQ(again->loss, one.loss);
      EXPECT_EQ(again->costs, one.costs);
    }
    for (const Selected& one : all) {
      const bool covered =
          std::any_of(front.choices.begin(), front.choices.end(), [&](const Selected& better) {
            return better.loss <= one.loss && better.costs[0] <= one.costs[0];
          });
      EXPECT_TRUE(covered);
    }
    // With two labels a state no choice may be better than the stated factor.
    const SelectedFront thin = best_choices(problem, 2);
    for (const Selected& one : front.choices) {
      const bool covered =
          std::any_of(thin.choices.begin(), thin.choices.end(), [&](const Selected& near) {
            return near.loss <= one.loss * thin.factor * (1 + 1e-12) &&
                   near.costs[0] <= one.costs[0];
          });
      EXPECT_TRUE(covered);
    }
  }
}

// The larger of what computes and what moves, as layers that wait for one L3 have it: no sum.
std::optional<std::vector<double>> larger_of_two(const Options& options) {
  double computes = 0, moves = 0;
  for (std::size_t v = 0; v < options.size(); ++v) {
    computes += 10 + 2 * static_cast<double>(options[v]);
    moves += static_cast<double>(v + 1) * (v == 3 ? 20 : 5) / static_cast<double>(1 + options[v]);
  }
  if (options == Options{2, 2, 2, 2}) return std::nullopt;
  return std::vector<double>{std::max(computes, moves), moves};
}

// With a budget of all 81 choices its front is that of all; with fewer, of those it was told.
TEST(ProgramSearch, is_the_front_of_what_it_was_told) {
  SelectionProblem problem{.losses = {{0, 1, 4}, {0, 2, 3}, {0, 1, 9}, {0, 3, 5}},
                           .bounds = {kAny, 95}};
  for (const std::size_t most : {std::size_t{6}, std::size_t{30}, std::size_t{1000}}) {
    std::vector<Selected> told;
    std::set<Options> asked;
    const auto costs = [&](const Options& options) {
      EXPECT_TRUE(asked.insert(options).second);
      const auto found = larger_of_two(options);
      if (found) told.push_back({options, selected(problem, options)->loss, *found});
      return found;
    };
    const ProgramSearch found = search_programs(problem, {{1, 1, 1, 1}, {0, 0, 0, 2}}, most, costs);
    EXPECT_EQ(found.tried, asked.size());
    EXPECT_LE(found.tried, most);
    EXPECT_TRUE(asked.contains({1, 1, 1, 1}) && asked.contains({0, 0, 0, 2}));
    for (const Selected& one : told) {
      const bool covered = std::ranges::any_of(found.choices, [&](const Selected& better) {
        return better.loss <= one.loss && better.costs[0] <= one.costs[0];
      });
      EXPECT_EQ(covered || one.costs[1] > 95, true);
    }
    for (std::size_t i = 0; i < found.choices.size(); ++i) {
      EXPECT_LE(found.choices[i].costs[1], 95);
      EXPECT_TRUE(i == 0 || found.choices[i].costs[0] < found.choices[i - 1].costs[0]);
    }
    EXPECT_LE(found.refused, 1U);
  }
}

// Changing the last variable alone saves most of what moves, and what saves nothing is not taken.
TEST(ProgramSearch, finds_what_the_sums_do_not_say) {
  const SelectionProblem problem{.losses = {{0, 1, 4}, {0, 2, 3}, {0, 1, 9}, {0, 3, 5}},
                                 .bounds = {kAny, kAny}};
  const ProgramSearch found = search_programs(problem, {}, 12, larger_of_two);
  // All wide: 40 computed, 5 + 10 + 15 + 80 = 110 moved; the last at option 1: 42 and 70, at 2: 44
  // and 57.
  ASSERT_GE(found.choices.size(), 3U);
  EXPECT_EQ(found.choices.front().costs[0], 110);
  EXPECT_TRUE(std::ranges::any_of(
      found.choices, [](const Selected& one) { return one.options[3] > 0 && one.costs[0] <= 70; }));
}

// What a search asks for, in its order.
std::vector<Options> asked_by(const SelectionProblem& problem, const std::vector<Options>& start,
                              std::size_t most, const ChoiceCosts& costs) {
  std::vector<Options> asked;
  search_programs(problem, start, most, [&](const Options& options) {
    asked.push_back(options);
    return costs(options);
  });
  return asked;
}

// Loss for what is saved: of the first variable 2.5 for 25 and 2 for 10, of the second 6 for 20 and
// 3.5 for 10, of the third 8 for 20 and 5 for 10: the narrower option comes first, and stays.
TEST(ProgramSearch, a_change_that_saves_less_does_not_undo_one_that_saves_more) {
  const std::vector<std::vector<double>> saved{{0, 10, 25}, {0, 10, 20}, {0, 10, 20}};
  const SelectionProblem problem{.losses = {{0, 2, 2.5}, {0, 3.5, 6}, {0, 5, 8}}, .bounds = {kAny}};
  const std::vector<Options> asked = asked_by(problem, {}, 13, [&](const Options& options) {
    double cost = 100;
    for (std::size_t v = 0; v < 3; ++v) cost -= saved[v][options[v]];
    return std::optional(std::vector<double>{cost});
  });
  ASSERT_GT(asked.size(), 8U);  // the widest, its six neighbours, then two of the changes together
  EXPECT_EQ(asked[7], (Options{2, 2, 0}));
  EXPECT_EQ(asked[8], (Options{2, 2, 2}));
}

TEST(ProgramSearch, changes_what_fits_where_the_widest_does_not) {
  const SelectionProblem problem{.losses = {{0, 1, 4}, {0, 2, 3}, {0, 1, 9}}, .bounds = {kAny}};
  const auto costs = [](const Options& options) -> std::optional<std::vector<double>> {
    if (options[0] + options[1] + options[2] < 4) return std::nullopt;
    return std::vector<double>{10.0 - static_cast<double>(options[0] + options[1] + options[2])};
  };
  const std::vector<Options> asked = asked_by(problem, {{2, 2, 2}, {2, 2, 1}}, 15, costs);
  ASSERT_GE(asked.size(), 8U);  // the widest and both of the start, then neighbours of {2, 2, 1}
  std::set<Options> neighbours(asked.begin() + 3, asked.begin() + 8);
  EXPECT_EQ(neighbours, (std::set<Options>{{0, 2, 1}, {1, 2, 1}, {2, 0, 1}, {2, 1, 1}, {2, 2, 0}}));
}

TEST(ProgramSearch, what_the_start_has_asked_for_is_put_together_with_the_rest) {
  const SelectionProblem problem{.losses = {{0, 1}, {0, 2}}, .bounds = {kAny}};
  const std::vector<Options> asked = asked_by(problem, {{1, 0}}, 4, [](const Options& options) {
    const double cost =
        10.0 - 3.0 * static_cast<double>(options[0]) - 2.0 * static_cast<double>(options[1]);
    return std::optional(std::vector<double>{cost});
  });
  EXPECT_EQ(asked, (std::vector<Options>{{0, 0}, {1, 0}, {0, 1}, {1, 1}}));
}

TEST(Selection, a_share_of_no_cost_is_none) {
  EXPECT_DOUBLE_EQ(share_off(9, 10), 0.1);
  EXPECT_DOUBLE_EQ(share_off(12, 10), 0.2);
  EXPECT_EQ(share_off(3, 0), 0);
  EXPECT_EQ(share_off(0, 0), 0);
}

// x -> a -> b -> c, 1x1 convolutions of 2, 4, 4 and 2 channels over 2x2 maps.
Graph annotated_chain() {
  FloatGraph build("chain");
  ValueId x = build.input("x", {1, 2, 2, 2});
  x = build.conv("a", x, 4, std::vector<float>(8, 1));
  x = build.conv("b", x, 4, std::vector<float>(16, 1));
  x = build.conv("c", x, 2, std::vector<float>(8, 1));
  build.output(x);
  Graph graph = build.graph();
  for (Value& value : graph.values) {
    if (value.name.find('.') == std::string::npos || value.name.ends_with(".w")) {
      value.quantization = Quantization{.thresholds = {1}};
    }
  }
  return graph;
}

Widths widths_of_chain(const Graph& graph) { return widths_of(graph, pulp_quantize_target({})); }

TEST(Widths, are_those_of_weights_and_of_what_layers_exchange) {
  const Graph graph = annotated_chain();
  const Widths widths = widths_of_chain(graph);
  std::vector<std::string> found;
  for (const WidthVariable& one : widths.variables) {
    found.push_back(one.layers[0] + (one.weights ? " weights " : " result ") +
                    std::to_string(one.elements));
  }
  EXPECT_EQ(found, (std::vector<std::string>{"a weights 8", "a result 16", "b weights 16",
                                             "b result 16", "c weights 8"}));
  EXPECT_EQ(uniform_options(widths, 4, 2), (Options{0, 2, 1, 2, 0}));
  EXPECT_EQ(weight_bytes(widths, {0, 0, 1, 0, 2}), 8 + 8 + 2);
  const CodeBits bits = code_bits(widths, {0, 1, 2, 0, 0});
  EXPECT_EQ(bits.layers.at("a").weights, 8);
  EXPECT_EQ(bits.layers.at("a").activations, 4);
  EXPECT_EQ(bits.layers.at("b").weights, 2);
}

// Bytes of maps at 8 bits: x 8, a 16, b 16, c 8: layers of 24, 32, 24. Within 20: the first layer
// cuts its result to 8 bytes, which leaves the second 24: its result is the larger, at 8 of 4 bits
// all three fit. Weights of 8, 16, 8 bytes within 24: b's share is the largest by far.
TEST(MemoryRule, cuts_the_larger_map_and_the_layer_of_most_bytes) {
  const Graph graph = annotated_chain();
  const Widths widths = widths_of_chain(graph);
  EXPECT_EQ(activation_bytes(graph, widths, {0, 0, 0, 0, 0}), 32);
  EXPECT_EQ(memory_driven(graph, widths, {.weight_bytes = 24, .activation_bytes = 20}),
            (Options{0, 1, 1, 1, 0}));
  // Within 23 the three are alike at 8 bytes: the first is cut.
  EXPECT_EQ(memory_driven(graph, widths, {.weight_bytes = 23, .activation_bytes = 100}),
            (Options{1, 0, 1, 0, 0}));
  // What cannot be met ends.
  EXPECT_EQ(memory_driven(graph, widths, {.weight_bytes = 1, .activation_bytes = 1}),
            (Options{2, 2, 2, 2, 2}));
}

TEST(RecipeFile, says_what_options_say) {
  const RecipeFile file = parse_recipe_file(
      "scheme: per-channel\nweight-bits: 4\nlayers:\n  \"a: b\": {weight-bits: 2, "
      "activation-bits: 4}\n  c: {activation-bits: 8}\n",
      "r.yaml");
  EXPECT_EQ(file.scheme, "per-channel");
  EXPECT_EQ(file.bits.weights, 4);
  EXPECT_EQ(file.bits.layers.at("a: b").weights, 2);
  EXPECT_EQ(file.bits.layers.at("a: b").activations, 4);
  EXPECT_EQ(file.bits.layers.at("c").weights, 0);
  const RecipeFile again = parse_recipe_file(recipe_file_text(file), "again");
  EXPECT_EQ(recipe_file_text(again), recipe_file_text(file));
  const CodeBits both = overridden(file.bits, code_bits(0, 4, {"c:weight-bits=8"}));
  EXPECT_EQ(both.weights, 4);
  EXPECT_EQ(both.activations, 4);
  EXPECT_EQ(both.layers.at("c").weights, 8);
  EXPECT_EQ(both.layers.at("c").activations, 8);
}

TEST(RecipeFile, that_is_wrong_is_refused_with_its_line) {
  const auto refused = [](const char* text) {
    return refusal([&] { (void)parse_recipe_file(text, "r.yaml"); });
  };
  EXPECT_EQ(refused(""), "r.yaml:1: the recipe is empty");
  EXPECT_EQ(refused("- 1"), "r.yaml:1: the recipe must be a mapping of keys to values");
  EXPECT_EQ(refused("bits: 4"),
            "r.yaml:1: expected scheme, weight-bits, activation-bits or layers, found 'bits'");
  EXPECT_EQ(refused("scheme: default\nweight-bits: 1"),
            "r.yaml:2: weight-bits: expected 2 to 16 bits, found '1'");
  EXPECT_EQ(refused("layers:\n  a: {bits: 4}"),
            "r.yaml:2: layer 'a': expected weight-bits or activation-bits, found 'bits'");
  EXPECT_EQ(refused("layers:\n  a: {weight-bits: 4}\n  a: {weight-bits: 8}"),
            "r.yaml:3: layers: expected names, each once, found 'a'");
  EXPECT_EQ(refused("layers:\n  a:"), "r.yaml:2: layers: 'a' has no value");
}

}  // namespace
}  // namespace workbench
