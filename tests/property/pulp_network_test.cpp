// The whole chain on the PULP target: whatever the layers, the machine and the tiler, the program
// runs without a hazard and computes what the golden model computes, and moves what it must.
#include <gtest/gtest.h>

#include <map>
#include <optional>
#include <random>
#include <regex>
#include <span>

#include "compiler/pulp/bounds.h"
#include "compiler/pulp/compile.h"
#include "compiler/pulp/emit.h"
#include "compiler/pulp/l2_plan.h"
#include "compiler/pulp/share_rows.h"
#include "compiler/pulp/tile_loops.h"
#include "core/error.h"
#include "isa/pulp/kernels.h"
#include "isa/pulp/loops.h"
#include "isa/pulp/schedule.h"
#include "sim/golden/golden.h"
#include "sim/pulp/simulate.h"
#include "sim/verdict.h"
#include "tests/support/layer_bounds.h"
#include "tests/support/random_integer_graph.h"
#include "tests/support/sanitized.h"

namespace workbench {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::uint64_t kCases = 6;    // per slice
constexpr std::uint64_t kLadders = 6;  // networks on clusters that grow
#else
constexpr std::uint64_t kCases = 40;
constexpr std::uint64_t kLadders = 20;
#endif
constexpr std::uint64_t kMixed = 10;  // networks of mixed widths: few have calls of extensions

pulp::Machine random_cluster(std::mt19937_64& random) {
  pulp::Machine machine;
  machine.name = "random";
  const auto between = [&](std::int64_t low, std::int64_t high) {
    return low + static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(high - low + 1));
  };
  constexpr std::int64_t kCores[] = {1, 2, 3, 4, 6, 8, 8, 8, 16};
  machine.cluster.cores = kCores[random() % std::size(kCores)];
  machine.l1.buffer_bytes = between(3'000, 60'000);
  machine.l2.buffer_bytes = between(20'000, 400'000);
  machine.l1.conflicts = between(0, 1);
  machine.icache.ideal = between(0, 1);
  return machine;
}

// Bytes that leave L1, by layer, as the program's own transfers say.
std::map<std::int32_t, std::int64_t> bytes_out(const pulp::Program& program) {
  std::map<std::int32_t, std::int64_t> bytes;
  for (std::size_t i = 0; i < program.instructions.size(); ++i) {
    const auto* transfer = std::get_if<pulp::Dma>(&program.instructions[i]);
    if (transfer == nullptr || transfer->to_l1) continue;
    bytes[program.info.instruction_layer[i]] += transfer->bytes();
  }
  return bytes;
}

void expect_each_result_written_once(const pulp::Program& program) {
  const auto bytes = bytes_out(program);
  for (const pulp::LayerTiling& tiling : program.tilings) {
    const LayerInfo& layer = program.info.layers.at(static_cast<std::size_t>(tiling.layer));
    const std::int64_t width = tiling.kernel.starts_with("linear_out_32") ? 4 : 1;
    const auto found = bytes.find(tiling.layer);
    ASSERT_NE(found, bytes.end()) << layer.name;
    EXPECT_EQ(found->second, element_count(layer.shape) * width) << layer.name;
  }
}

Cycles sum_of_dma(const Timeline& timeline) {
  Cycles sum;
  for (const Interval& one : timeline.intervals) sum += Cycles{one.bytes.value};
  return sum;
}

std::int64_t bytes_of_transfers(const pulp::Program& program) {
  std::int64_t bytes = 0;
  for (const pulp::Instruction& instruction : program.instructions) {
    if (const auto* dma = std::get_if<pulp::Dma>(&instruction)) bytes += dma->bytes();
    if (const auto* l3 = std::get_if<pulp::L3Transfer>(&instruction)) bytes += l3->bytes();
  }
  return bytes;
}

// "does not fit L1: its smallest tile takes N bytes": with N bytes it must fit.
void expect_true_claim(const std::string& text, const Graph& graph, pulp::Machine machine) {
  std::smatch match;
  const std::regex claim("does not fit (L[12]): its smallest (tile takes|slices take) ([0-9]+)");
  ASSERT_TRUE(std::regex_search(text, match, claim)) << text;
  std::int64_t& bytes = match[1] == "L1" ? machine.l1.buffer_bytes : machine.l2.buffer_bytes;
  ASSERT_GT(std::stoll(match[3]), bytes) << text;
  if (match[1] == "L2") return;  // of what other tensors leave of it
  bytes = std::stoll(match[3]);
  try {
    pulp::compile(graph, machine);
  } catch (const Error& again) {  // another layer may want more
    EXPECT_EQ(std::string(again.what()).find(text.substr(0, text.find(':'))), std::string::npos)
        << text << ", then " << again.what();
  }
}

void expect_same_in_loops(const pulp::Program& program) {
  const std::vector<pulp::Entry> rolled = pulp::in_loops(program);
  EXPECT_LE(rolled.size(), program.instructions.size());
  // Loops that say something else than the instructions would have been left out.
  EXPECT_EQ(std::count_if(
                rolled.begin(), rolled.end(),
                [](const pulp::Entry& entry) { return std::holds_alternative<pulp::Loop>(entry); }),
            std::ssize(program.loops));
  pulp::Program again;
  pulp::unroll(rolled, again);
  EXPECT_TRUE(again.instructions == program.instructions);
  EXPECT_EQ(again.info.instruction_layer, program.info.instruction_layer);
  EXPECT_EQ(again.info.instruction_text, program.info.instruction_text);
}

// What the optimal tiler may choose, and how much longer, relative, a program may take with the
// choice than without it: nothing where programs are weighed against each other, little where tiles
// are by their model.
struct NamedChoice {
  const char* name;
  pulp::Use pulp::Choices::*use;
  double loss;
};
constexpr NamedChoice kChoices[] = {
    {"other rows", &pulp::Choices::other_rows, 0},
    {"own kernels", &pulp::Choices::own_kernels, 0.01},
    {"fewer cores", &pulp::Choices::fewer_cores, 0.01},
    {"passes", &pulp::Choices::passes, 0.01},
    {"far prefetch", &pulp::Choices::far_prefetch, 0},
    {"smaller memories", &pulp::Choices::smaller_memories, 0},
};

// One in two is used wherever it is possible.
pulp::Choices forced_choices(std::mt19937_64& random) {
  pulp::Choices choices;
  for (const NamedChoice& choice : kChoices) {
    if (random() % 2 == 0) choices.*choice.use = pulp::Use::Always;
  }
  return choices;
}

// Any of the extensions, or none.
pulp::Machine::Isa random_isa(std::uint64_t seed) {
  const auto bit = [&](int at) { return static_cast<std::int64_t>(seed >> at & 1); };
  return {.dot_4bit = bit(0), .dot_2bit = bit(1), .mac_load = bit(2)};
}

// Values are as golden says, and no hazard.
pulp::SimulationResult expect_golden(const Graph& graph, const pulp::Program& program,
                                     const pulp::Machine& machine,
                                     const std::vector<Tensor>& input) {
  const auto result = pulp::simulate(program, machine, input, {.threads = 1});
  for (const Hazard& hazard : result.hazards) ADD_FAILURE() << to_string(hazard);
  const Verdict verdict = compare(graph, golden::run(graph, input), result.tensors);
  EXPECT_GT(verdict.values_compared, 0);
  for (const LayerVerdict& layer : verdict.layers) {
    if (layer.mismatches == 0) continue;
    ADD_FAILURE() << layer.name << ": " << layer.mismatches << " of " << layer.values;
  }
  return result;
}

// False where the machine is too small for the network, which must say so.
bool check_one(std::uint64_t seed, pulp::Tiler tiler) {
  std::mt19937_64 random(seed);
  RandomIntegerOptions options;
  // Some are deep, so that the im2col buffers of all cores do not fit.
  if (seed % 4 == 3) options.max_channels = 400, options.max_side = 8, options.max_layers = 2;
  if (seed % 8 == 6) options.one_row = true, options.max_side = 150;
  const Graph graph = random_integer_graph(random, options);
  EXPECT_TRUE(verify(graph).empty()) << verify(graph).front().message;
  pulp::Machine machine = random_cluster(random);
  machine.isa = random_isa(seed);
  const std::vector<Tensor> input = random_codes(graph, random);
  const bool forced = seed / 8 % 2 == 1;
  const pulp::Choices choices = forced ? forced_choices(random) : pulp::Choices{};
  pulp::Program program;
  try {
    program = pulp::compile(graph, machine, {.tiler = tiler, .choices = choices});
  } catch (const Error& error) {
    if (tiler == pulp::Tiler::Optimal && !forced) expect_true_claim(error.what(), graph, machine);
    return false;
  }
  const auto result = expect_golden(graph, program, machine, input);
  const auto problems = verify(result.timeline);
  EXPECT_TRUE(problems.empty()) << problems.front();
  EXPECT_EQ(sum_of_dma(result.timeline).value, bytes_of_transfers(program));
  expect_bounds_hold(pulp::least_times(program, machine), program.info, result.timeline);
  expect_each_result_written_once(program);
  expect_same_in_loops(program);
  return true;
}

// Cycles of a network of one row, on a cluster that has L1 and L2 for it, as the tilers' programs
// take them before barriers are dropped; with and without sharing the row.
std::int64_t cycles_of(const Graph& graph, pulp::Tiler tiler, bool shared) {
  const pulp::Machine machine;
  pulp::Network network = pulp::layers_of(graph, machine, pulp::NormBits::Auto);
  if (shared) pulp::share_rows(network, machine, tiler);
  const auto turns = pulp::host_turns(graph, network);
  const auto uses = pulp::host_uses(graph, network, turns);
  const auto [plans, obstacle] = pulp::plan_memory(network, machine, tiler, turns, uses);
  if (plans.empty()) fail("{}", obstacle);
  const pulp::Program program =
      pulp::in_tile_loops(pulp::emit(graph, network, plans.front(), turns, uses, tiler, machine));
  return pulp::simulate(program, machine, {}, {.values = false}).timeline.end.value;
}

// Shapes are exchanged where the model says 5 % fewer cycles: what it does not see may take some.
TEST(OneRow, shared_by_the_cores_takes_no_longer) {
  constexpr std::uint64_t kNetworks = kSanitized ? 12 : 40;
  double least = 1;
  for (std::uint64_t seed = 0; seed < kNetworks; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    const Graph graph = random_integer_graph(random, {.max_side = 150, .one_row = true});
    for (const pulp::Tiler tiler : {pulp::Tiler::Optimal, pulp::Tiler::Dory}) {
      try {
        const std::int64_t before = cycles_of(graph, tiler, false);
        const std::int64_t after = cycles_of(graph, tiler, true);
        EXPECT_LE(after, before + before / 50);
        least = std::min(least, static_cast<double>(after) / static_cast<double>(before));
      } catch (const Error&) {  // no tiles by DORY's rules
        EXPECT_EQ(tiler, pulp::Tiler::Dory);
      }
    }
  }
  EXPECT_LT(least, 0.7) << "of 8 cores, two shared a row";
}

pulp::Program first_plan(const Graph& graph, const pulp::Machine& machine) {
  pulp::Network network = pulp::layers_of(graph, machine, pulp::NormBits::Auto);
  pulp::share_rows(network, machine, pulp::Tiler::Optimal);
  const auto turns = pulp::host_turns(graph, network);
  const auto uses = pulp::host_uses(graph, network, turns);
  const auto [plans, obstacle] =
      pulp::plan_memory(network, machine, pulp::Tiler::Optimal, turns, uses);
  if (plans.empty()) fail("{}", obstacle);
  return pulp::in_tile_loops(
      pulp::emit(graph, network, plans.front(), turns, uses, pulp::Tiler::Optimal, machine));
}

// On machines on which L3 is slow and both tiers agree to the cycle; runs are without a hazard.
TEST(FarPrefetch, is_never_slower_than_none) {
  constexpr std::uint64_t kNetworks = kSanitized ? 12 : 40;
  for (std::uint64_t seed = 0; seed < kNetworks; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    const Graph graph = random_integer_graph(random, {.max_side = 20});
    pulp::Machine machine = random_cluster(random);
    if (seed % 2 == 0) machine.l1.conflicts = 0;
    machine.l3.megabytes_per_second = 5 + static_cast<double>(random() % 40);
    try {
      const pulp::SimulationResult near =
          pulp::simulate(first_plan(graph, machine), machine, {}, {.values = false});
      const pulp::SimulationResult best =
          pulp::simulate(pulp::compile(graph, machine), machine, {}, {.values = false});
      EXPECT_LE(best.timeline.end, near.timeline.end);
      EXPECT_TRUE(best.hazards.empty());
    } catch (const Error&) {  // does not fit
    }
  }
}

// On machines on which both tiers agree to the cycle.
TEST(EachChoice, takes_no_longer_than_without_it) {
  constexpr std::uint64_t kNetworks = 16;
  std::map<std::string, double> gain;
  for (std::uint64_t seed = 0; seed < kNetworks; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    const Graph graph = random_integer_graph(random, {.max_side = 24});
    pulp::Machine machine = random_cluster(random);
    if (seed % 2 == 0) machine.l1.conflicts = 0;
    machine.l3.megabytes_per_second = 5 + static_cast<double>(random() % 60);
    const auto end = [&](const pulp::Choices& choices) {
      return pulp::simulate(pulp::compile(graph, machine, {.choices = choices}), machine, {},
                            {.values = false})
          .timeline.end.value;
    };
    try {
      const auto with = static_cast<double>(end({}));
      for (const NamedChoice& choice : kChoices) {
        pulp::Choices choices;
        choices.*choice.use = pulp::Use::Never;
        const auto without = static_cast<double>(end(choices));
        EXPECT_LE(with, without * (1 + choice.loss)) << choice.name;
        gain[choice.name] = std::max(gain[choice.name], without / with - 1);
      }
    } catch (const Error&) {  // does not fit
    }
  }
  for (const NamedChoice& choice : kChoices) {
    // Weighed where the columns of all cores do not fit L1: none of these networks is as deep.
    if (choice.use == &pulp::Choices::passes) continue;
    EXPECT_GT(gain[choice.name], 0) << choice.name;
  }
}

// Cycles by either tier; none where the machine is too small for the network.
struct Ends {
  Cycles analytic, simulated;
};
std::optional<Ends> ends_on(const Graph& graph, const pulp::Machine& machine) {
  try {
    const pulp::Program program = pulp::compile(graph, machine);
    return Ends{pulp::expected_end(program, machine),
                pulp::simulate(program, machine, {}, {.values = false}).timeline.end};
  } catch (const Error&) {
    return std::nullopt;
  }
}

// The most, relative, that a step up takes longer than the best before it.
struct Losses {
  double analytic = 0, simulated = 0;
};
double loss(Cycles now, Cycles& least) {
  const double more = static_cast<double>(now.value) / static_cast<double>(least.value) - 1;
  least = std::min(least, now);
  return more;
}
Losses largest_losses(const Graph& graph, pulp::Machine machine,
                      std::int64_t& (*knob)(pulp::Machine&), std::span<const std::int64_t> sizes) {
  Losses losses;
  std::optional<Ends> least;
  for (const std::int64_t size : sizes) {
    knob(machine) = size;
    const auto ends = ends_on(graph, machine);
    if (!ends) continue;
    if (!least) least = ends;
    losses.analytic = std::max(losses.analytic, loss(ends->analytic, least->analytic));
    losses.simulated = std::max(losses.simulated, loss(ends->simulated, least->simulated));
  }
  return losses;
}

std::int64_t& l1_of(pulp::Machine& machine) { return machine.l1.buffer_bytes; }
std::int64_t& l2_of(pulp::Machine& machine) { return machine.l2.buffer_bytes; }
std::int64_t& cores_of(pulp::Machine& machine) { return machine.cluster.cores; }

constexpr std::int64_t kL1Ladder[] = {4096, 8192, 12288, 16384, 32768, 49152, 65536, 131072};
constexpr std::int64_t kL2Ladder[] = {16384, 32768, 49152, 65536, 131072, 262144, 524288};
constexpr std::int64_t kCoresLadder[] = {1, 2, 4, 8, 16};

// More memory: of networks of few layers nothing is lost, since all that a smaller machine of these
// sizes is planned with is weighed in the analytic tier, with which the simulator agrees where
// banks have no conflicts. Others lose little. Fewer cores are weighed layer by layer, by a model.
constexpr std::int64_t kFewLayers = 5;  // compiler/pulp/plan_search.cpp
// Conflicts at banks come and go with addresses, by which nothing is planned.
constexpr double kMemoryLoss = 0.003, kConflictsLoss = 0.01, kCoresLoss = 0.01;

void expect_no_loss(const Losses& losses, bool few_layers, bool conflicts) {
  EXPECT_LE(losses.analytic, few_layers ? 0 : kMemoryLoss);
  EXPECT_LE(losses.simulated, conflicts ? kConflictsLoss : few_layers ? 0 : kMemoryLoss);
}

TEST(LargerClusters, take_no_longer) {
  std::uint64_t few = 0;
  for (std::uint64_t seed = 0; seed < kLadders; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    const Graph graph = random_integer_graph(random, {.max_side = 24});
    pulp::Machine machine = random_cluster(random);
    if (seed % 2 == 0) machine.l1.conflicts = 0;
    machine.l3.megabytes_per_second = 5 + static_cast<double>(random() % 100);
    const auto layers = std::ssize(pulp::layers_of(graph, machine, pulp::NormBits::Auto).layers);
    few += layers <= kFewLayers ? 1 : 0;
    const bool conflicts = machine.l1.conflicts != 0;
    for (const Losses& losses : {largest_losses(graph, machine, l1_of, kL1Ladder),
                                 largest_losses(graph, machine, l2_of, kL2Ladder)}) {
      expect_no_loss(losses, layers <= kFewLayers, conflicts);
    }
    EXPECT_LE(largest_losses(graph, machine, cores_of, kCoresLadder).simulated, kCoresLoss);
  }
  EXPECT_GE(few, kLadders / 2);
}

// Of a program: calls of kernels that need extensions.
std::int64_t extended_calls(const pulp::Program& program) {
  return std::count_if(program.instructions.begin(), program.instructions.end(),
                       [](const pulp::Instruction& instruction) {
                         const auto* kernel = std::get_if<pulp::Kernel>(&instruction);
                         return kernel != nullptr && pulp::traits(kernel->kind).packed;
                       });
}

// Networks of mixed widths compute the same with any set of extensions, and take no longer than
// without, but for what the search, which has more kernels to choose from, may miss.
constexpr double kSearchLoss = 0.01;

TEST(Extensions, leave_values_and_take_no_longer) {
  std::int64_t calls = 0;
  for (std::uint64_t seed = 20; seed < 20 + kMixed; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    const Graph graph =
        random_integer_graph(random, {.max_side = 14, .wide_output = 0, .mixed_widths = true});
    pulp::Machine machine = random_cluster(random);
    machine.l1.conflicts = 0;  // in which both tiers agree
    const std::vector<Tensor> input = random_codes(graph, random);
    const auto before = ends_on(graph, machine);
    machine.isa = random_isa(random());
    const auto after = ends_on(graph, machine);
    ASSERT_EQ(before.has_value(), after.has_value());
    if (!after) continue;
    const auto least = static_cast<double>(before->analytic.value);
    EXPECT_LE(static_cast<double>(after->analytic.value), (1 + kSearchLoss) * least);
    const pulp::Program program = pulp::compile(graph, machine);
    expect_golden(graph, program, machine, input);
    calls += extended_calls(program);
  }
  EXPECT_GT(calls, 0);
}

class RandomClusters : public testing::TestWithParam<int> {};

TEST_P(RandomClusters, compute_what_the_golden_model_computes) {
  std::uint64_t compiled = 0;
  for (std::uint64_t i = 0; i < kCases; ++i) {
    const std::uint64_t seed = 1000 * static_cast<std::uint64_t>(GetParam()) + i;
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const pulp::Tiler tiler = i % 3 == 2 ? pulp::Tiler::Dory : pulp::Tiler::Optimal;
    compiled += check_one(seed, tiler) ? 1 : 0;
    if (HasFailure()) return;
  }
  EXPECT_GE(compiled * 2, kCases) << "most of them fit";
}

INSTANTIATE_TEST_SUITE_P(Slices, RandomClusters, testing::Range(0, 8));

}  // namespace
}  // namespace workbench
