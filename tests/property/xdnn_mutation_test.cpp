// Whether the simulator would notice: compiled programs with one field changed must compute
// something else than the golden model, raise a hazard or be refused. What survives must be proved
// to be the same program.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <random>
#include <set>

#include "compiler/passes/passes.h"
#include "compiler/passes/several_images.h"
#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/quantize.h"
#include "compiler/xdnn/compile.h"
#include "core/error.h"
#include "sim/golden/golden.h"
#include "sim/verdict.h"
#include "sim/xdnn/simulate.h"
#include "tests/support/random_graph.h"
#include "tests/support/random_machine.h"
#include "tests/support/seeds.h"
#include "tests/support/xdnn_mutants.h"
#include "workloads/networks.h"

namespace workbench {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kPerKind = 24;
constexpr std::size_t kRandomCases = 3;  // per family
constexpr std::size_t kBatches = 2;
#else
constexpr std::size_t kPerKind = 600;
constexpr std::size_t kRandomCases = 16;
constexpr std::size_t kBatches = 8;
#endif
constexpr int kMoreRuns = 20;
constexpr std::uint64_t kSeeds = 24;  // per family: not every network fits its machine

struct Case {
  std::string name;
  Graph quantized;
  xdnn::Machine machine;
  std::vector<Tensor> inputs, golden;
  xdnn::Program program;
  std::vector<std::pair<Cycles, Cycles>> times = {};
};

// What happened to a program.
struct Outcome {
  bool error = false, hazard = false, mismatch = false;
  std::string first;                                  // of what was noticed
  std::vector<std::pair<Cycles, Cycles>> times = {};  // of the instructions
  bool noticed() const { return error || hazard || mismatch; }
};

Outcome run(const Case& c, const xdnn::Program& program) {
  Outcome outcome;
  try {
    const auto result = xdnn::simulate(program, c.machine, c.inputs, {.threads = 1});
    outcome.hazard = !result.hazards.empty();
    if (outcome.hazard) outcome.first = to_string(result.hazards[0]);
    for (const Interval& i : result.timeline.intervals) outcome.times.emplace_back(i.begin, i.end);
    outcome.mismatch = !compare(c.quantized, c.golden, result.tensors).bit_exact();
  } catch (const Error& error) {
    outcome.error = true;
    outcome.first = error.what();
  }
  return outcome;
}

// Values spread over all codes, so that what is read from elsewhere differs.
std::vector<Tensor> inputs_for(const Graph& graph, std::mt19937_64& random) {
  std::vector<Tensor> inputs;
  for (const ValueId id : graph.inputs) {
    Tensor tensor =
        Tensor::uninitialized(ElementType::Float32, graph.value(id).shape, Layout::Nchw);
    for (float& v : tensor.mutable_values<float>()) {
      v = static_cast<float>(static_cast<std::int64_t>(random() % 256) - 128);
    }
    inputs.push_back(std::move(tensor));
  }
  return inputs;
}

// Nothing when it does not fit.
std::optional<Case> make_case(std::string name, Graph graph, const xdnn::Machine& machine,
                              std::mt19937_64& random, std::int64_t images = 1) {
  Case c{.name = std::move(name),
         .quantized = {},
         .machine = machine,
         .inputs = {},
         .golden = {},
         .program = {}};
  c.inputs = inputs_for(graph, random);
  run_passes(graph, float_pipeline());
  const Thresholds thresholds = calibrate(graph, {c.inputs}, 8);
  c.quantized = quantize(
      graph, thresholds,
      {.limits = xdnn::requantize_limits(machine), .host_reason = xdnn::host_reasons(machine)});
  if (images > 1) c.quantized = several_images(c.quantized, images);
  for (std::int64_t image = 1; image < images; ++image) {
    for (Tensor& input : inputs_for(graph, random)) c.inputs.push_back(std::move(input));
  }
  try {
    c.program = xdnn::compile(
        c.quantized, machine,
        {.choices = images > 1 ? xdnn::all_choices(xdnn::Use::Always) : xdnn::Choices{},
         .images = images});
  } catch (const Error&) {
    return std::nullopt;
  }
  c.golden = golden::run(c.quantized, c.inputs);
  return c;
}

std::vector<Case> make_cases() {
  std::vector<Case> cases;
  const auto keep = [&](std::optional<Case> c) {
    if (!c || c->program.steps.empty()) return;
    const Outcome outcome = run(*c, c->program);
    EXPECT_FALSE(outcome.noticed()) << c->name << ": " << outcome.first;
    if (outcome.noticed()) return;
    c->times = outcome.times;
    cases.push_back(std::move(*c));
  };
  std::mt19937_64 random(seed_of(20));
  xdnn::Machine v3;
  v3.name = "v3 with 1 MB";
  v3.family_name = "xdnn_v3";
  v3.am.size_bytes = 1 << 20;
  keep(make_case("tiny_inception", tiny_inception({.name = "tiny_inception", .resolution = 32}), v3,
                 random));
  keep(make_case("tiny_residual", tiny_residual({.name = "tiny_residual", .resolution = 32}), v3,
                 random));
  for (const auto family :
       {xdnn::Family::V3, xdnn::Family::V2, xdnn::Family::Darius, xdnn::Family::MathEngine}) {
    const std::size_t enough = cases.size() + kRandomCases;
    for (std::uint64_t seed = 0; seed < kSeeds && cases.size() < enough; ++seed) {
      std::mt19937_64 own(seed_of(100 * static_cast<std::uint64_t>(family) + seed));
      const Graph graph = random_graph(own, {.max_layers = 9,
                                             .max_channels = 48,
                                             .max_elements = 8'000,
                                             .max_macs = 400'000,
                                             .wide = 0.05,
                                             .concat = 0.25,
                                             .split = 0.1});
      xdnn::Machine machine = random_machine(own, family);
      machine.am.size_bytes = std::min<std::int64_t>(machine.am.size_bytes, 1 << 20);
      if (!xdnn::contradiction(machine).empty()) continue;
      keep(make_case(
          "family " + std::to_string(static_cast<int>(family)) + " seed " + std::to_string(seed),
          graph, machine, own));
    }
  }
  const std::size_t alone = cases.size();
  for (std::uint64_t seed = 0; seed < kSeeds && cases.size() < alone + kBatches; ++seed) {
    std::mt19937_64 own(seed_of(7000 + seed));
    const Graph graph =
        random_graph(own, {.max_layers = 6, .max_channels = 48, .max_elements = 4'000});
    const auto family = seed % 2 == 0 ? xdnn::Family::V3 : xdnn::Family::V2;
    xdnn::Machine machine = random_machine(own, family);
    machine.am.size_bytes = std::min<std::int64_t>(machine.am.size_bytes, 1 << 20);
    if (!xdnn::contradiction(machine).empty()) continue;
    keep(make_case("two images, seed " + std::to_string(seed), graph, machine, own, 2));
  }
  EXPECT_GT(cases.size(), alone) << "a batch of which nothing compiles is not tested";
  std::set<xdnn::Family> families;
  for (const Case& c : cases) families.insert(c.machine.family());
  EXPECT_EQ(families.size(), 4U) << "a family of which nothing compiles is not tested";
  return cases;
}

// With other inputs than the case's own, for what those do not show.
bool shows_later(const Case& c, const xdnn::Program& program) {
  std::mt19937_64 random(seed_of(13));
  Case other = c;
  for (int i = 0; i < kMoreRuns; ++i) {
    other.inputs.clear();
    while (other.inputs.size() < c.inputs.size()) {
      for (Tensor& input : inputs_for(c.quantized, random))
        other.inputs.push_back(std::move(input));
    }
    other.golden = golden::run(other.quantized, other.inputs);
    if (run(other, program).noticed()) return true;
  }
  return false;
}

struct Candidate {
  const Case* of = nullptr;
  Mutant mutant;
};

// The mutants of one kind, from all cases, `count` at most: drawn in turns so that a large program
// does not crowd out the small ones.
std::vector<Candidate> draw(std::vector<std::vector<Candidate>> pools, std::size_t count,
                            std::mt19937_64& random) {
  std::vector<Candidate> drawn;
  bool more = true;
  while (more && drawn.size() < count) {
    more = false;
    for (auto& pool : pools) {
      if (pool.empty() || drawn.size() >= count) continue;
      std::swap(pool[random() % pool.size()], pool.back());
      drawn.push_back(pool.back());
      pool.pop_back();
      more = true;
    }
  }
  return drawn;
}

struct Tally {
  std::size_t mutants = 0, mismatch = 0, hazard = 0, error = 0, time = 0, equivalent = 0;
};

TEST(XdnnMutants, are_all_noticed) {
  const std::vector<Case> cases = make_cases();
  std::mt19937_64 random(seed_of(9));
  std::array<std::vector<std::vector<Candidate>>, kMutantKinds> pools;
  for (auto& pool : pools) pool.resize(cases.size());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    for (Mutant& m : all_mutants(cases[i].program, cases[i].machine, random)) {
      // Those of others come from files, too: xdnn_fields_test.cpp changes them there.
      const bool of_files =
          cases[i].machine.family() != xdnn::Family::MathEngine && cases[i].program.images == 1;
      if (m.kind == MutantKind::Geometry && of_files) continue;
      pools[static_cast<std::size_t>(m.kind)][i].push_back({&cases[i], std::move(m)});
    }
  }
  for (int k = 0; k < kMutantKinds; ++k) {
    const auto kind = static_cast<MutantKind>(k);
    const bool geometry = kind == MutantKind::Geometry;
    const std::size_t asked = geometry ? kPerKind / 3 : kPerKind;
    Tally tally;
    for (const Candidate& candidate : draw(pools[static_cast<std::size_t>(k)], asked, random)) {
      const Case& c = *candidate.of;
      const Mutant& m = candidate.mutant;
      const Outcome outcome = run(c, mutated(c.program, m));
      ++tally.mutants;
      tally.mismatch += outcome.mismatch ? 1 : 0;  // told by the values alone
      tally.hazard += outcome.hazard ? 1 : 0;
      tally.error += outcome.error ? 1 : 0;
      if (outcome.noticed()) continue;
      const bool other_time = geometry && outcome.times != c.times;
      tally.time += other_time ? 1 : 0;
      if (other_time) continue;
      const std::string reason = equivalent(c.program, m, c.machine);
      if (reason.empty() && shows_later(c, mutated(c.program, m))) {
        ++tally.mismatch;
        continue;
      }
      EXPECT_FALSE(reason.empty())
          << c.name << ": undetected: " << m.field << " of instruction " << m.instruction << " ("
          << c.program.info.instruction_text[m.instruction] << ") is " << m.value << "; was"
          << fields_text(c.program.steps[m.instruction].instruction);
      ++tally.equivalent;
    }
    fmt::print(
        "{:14} {} mutants: {} wrong values, {} hazards, {} refused, {} other times, {} survivors\n",
        to_string(kind), tally.mutants, tally.mismatch, tally.hazard, tally.error, tally.time,
        tally.equivalent);
    EXPECT_GE(tally.mutants, std::min<std::size_t>(asked, 100)) << to_string(kind);
    // Of the few under the sanitizers one is more than the share of geometry. Other seeds have more
    // of either (18 of 200 were seen).
    const bool more = geometry || (kind == MutantKind::TileSize && !has_usual_seeds());
    const std::size_t percent = has_usual_seeds() ? 6 : 10;
    const std::size_t most = more ? (percent * tally.mutants + 99) / 100 : tally.mutants / 100;
    EXPECT_LE(tally.equivalent, most) << to_string(kind);
  }
}

}  // namespace
}  // namespace workbench
