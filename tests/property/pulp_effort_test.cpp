// `--effort` of the PULP compiler: more of it is never worse, changes no value, gives the same
// program each time, and says what it came to. Larger clusters take no longer at the best effort.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <random>
#include <regex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compiler/pulp/compile.h"
#include "compiler/pulp/compile_longer.h"
#include "core/error.h"
#include "isa/pulp/program.h"
#include "isa/pulp/schedule.h"
#include "sim/golden/golden.h"
#include "sim/pulp/simulate.h"
#include "sim/verdict.h"
#include "tests/support/random_integer_graph.h"

namespace workbench {
namespace {

constexpr std::uint64_t kNetworks = 16;
#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kEnough = 3;  // once one of them gained
#else
constexpr std::uint64_t kEnough = kNetworks;
#endif

pulp::Machine random_cluster(std::mt19937_64& random) {
  pulp::Machine machine;
  machine.name = "random";
  constexpr std::int64_t kCores[] = {1, 2, 3, 4, 8, 8, 16};
  machine.cluster.cores = kCores[random() % std::size(kCores)];
  machine.l1.buffer_bytes = 4000 + static_cast<std::int64_t>(random() % 40'000);
  machine.l2.buffer_bytes = 20'000 + static_cast<std::int64_t>(random() % 200'000);
  machine.l1.conflicts = static_cast<std::int64_t>(random() % 2);
  machine.icache.ideal = static_cast<std::int64_t>(random() % 2);
  machine.l3.megabytes_per_second = 5 + static_cast<double>(random() % 100);
  return machine;
}

pulp::CompileOptions fast() {
  pulp::CompileOptions options;
  options.choices.other_rows = options.choices.far_prefetch = pulp::Use::Never;
  options.choices.smaller_memories = pulp::Use::Never;
  return options;
}

std::optional<pulp::Program> compiled(const Graph& graph, const pulp::Machine& machine,
                                      const pulp::CompileOptions& options, bool longer = false) {
  try {
    return longer ? pulp::compile_longer(graph, machine, options, {})
                  : pulp::compile(graph, machine, options);
  } catch (const Error&) {  // does not fit
    return std::nullopt;
  }
}

void expect_golden(const Graph& graph, const pulp::Program& program, const pulp::Machine& machine,
                   std::mt19937_64& random) {
  const std::vector<Tensor> input = random_codes(graph, random);
  const auto result = pulp::simulate(program, machine, input, {.threads = 1});
  for (const Hazard& hazard : result.hazards) ADD_FAILURE() << to_string(hazard);
  const Verdict verdict = compare(graph, golden::run(graph, input), result.tensors);
  EXPECT_GT(verdict.values_compared, 0);
  EXPECT_TRUE(verdict.bit_exact());
}

TEST(PulpEffort, of_more_is_no_worse) {
  int better = 0;
  for (std::uint64_t seed = 0; seed < (better > 0 ? kEnough : kNetworks); ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    const int layers = seed % 4 == 3 ? 8 : 4;
    const Graph graph = random_integer_graph(random, {.max_layers = layers, .max_side = 24});
    const pulp::Machine machine = random_cluster(random);
    const auto least = compiled(graph, machine, fast());
    const auto usual = compiled(graph, machine, {});
    const auto most = compiled(graph, machine, {}, true);
    ASSERT_EQ(least.has_value(), most.has_value());
    ASSERT_EQ(usual.has_value(), most.has_value());
    if (!most) continue;
    const auto end = [&](const pulp::Program& program) {
      return pulp::expected_end(program, machine).value;
    };
    EXPECT_LE(end(*usual), end(*least));
    EXPECT_LE(end(*most), end(*usual));
    better += end(*most) < end(*usual) ? 1 : 0;
    // The tiers agree to the cycle where banks have no conflicts.
    if (machine.l1.conflicts == 0) {
      const auto simulated = pulp::simulate(*most, machine, {}, {.values = false});
      EXPECT_EQ(simulated.timeline.end.value, end(*most));
    }
    expect_golden(graph, *most, machine, random);
  }
  EXPECT_GT(better, 0);
}

TEST(PulpEffort, gives_the_same_program_each_time_and_says_what_it_came_to) {
  std::mt19937_64 random(5);
  const Graph graph = random_integer_graph(random, {.min_layers = 3, .max_layers = 5});
  pulp::Machine machine;
  machine.l3.megabytes_per_second = 20;
  std::vector<std::string> remarks, lines;
  double done = 0;
  const auto progress = [&](std::string_view text, double share) {
    lines.emplace_back(text);
    EXPECT_GE(share, 0);
    EXPECT_LE(share, 1);
    done = std::max(done, share);
  };
  const pulp::SearchTalk talk{.remark = [&](const std::string& text) { remarks.push_back(text); },
                              .progress = progress};
  const pulp::Program one = pulp::compile_longer(graph, machine, {}, talk);
  const pulp::Program two = pulp::compile_longer(graph, machine, {}, {});
  EXPECT_TRUE(one.instructions == two.instructions);
  EXPECT_EQ(one.constants, two.constants);
  const std::string now = "best so far [0-9]+ cycles, gap to the bound [0-9.]+ %";
  ASSERT_EQ(remarks.size(), 1U);
  const std::regex remark("search: (" + now + "; ){3}bound [0-9]+ \\([A-Za-z0-9 ]+\\)");
  EXPECT_TRUE(std::regex_match(remarks[0], remark)) << remarks[0];
  EXPECT_GE(lines.size(), one.info.layers.size());
  EXPECT_GT(done, 0);
  const std::regex line("searching, [0-9]+ % of the budget: " + now +
                        ", bound [0-9]+ \\([A-Za-z0-9 ]+\\)");
  for (const std::string& text : lines) EXPECT_TRUE(std::regex_match(text, line)) << text;
  const auto last = std::to_string(pulp::expected_end(one, machine).value);
  EXPECT_NE(remarks[0].find("best so far " + last + " cycles"), std::string::npos) << remarks[0];
}

}  // namespace
}  // namespace workbench
