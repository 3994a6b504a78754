// Whether the simulator would notice: compiled tile programs with one wait or barrier gone, or one
// address moved, must compute something else than the golden model, raise a hazard or be refused.
// What survives must be proved to be the same program.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <random>

#include "compiler/pulp/compile.h"
#include "core/error.h"
#include "core/file.h"
#include "isa/pulp/check.h"
#include "sim/golden/golden.h"
#include "sim/pulp/simulate.h"
#include "sim/verdict.h"
#include "tests/support/pulp_dataflow.h"
#include "tests/support/pulp_mutants.h"
#include "tests/support/random_integer_graph.h"
#include "tests/support/seeds.h"

namespace workbench {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr std::size_t kPerKind = 24, kCases = 8;
constexpr bool kEnoughCodes = false;  // for each number of the arithmetic to show
#else
constexpr std::size_t kPerKind = 400, kCases = 120;
constexpr bool kEnoughCodes = true;
#endif
constexpr std::size_t kRuns = 4, kMoreRuns = 60;
constexpr std::uint64_t kSeeds = 4 * kCases;  // not every network fits its machine

struct Case {
  std::string name;
  Graph graph;
  pulp::Machine machine;
  // Of several runs: one may hide what another shows.
  std::vector<std::vector<Tensor>> inputs, golden;
  pulp::Program program;
};

// What happened to a program.
struct Outcome {
  bool error = false, hazard = false, mismatch = false;
  std::string first;  // of what was noticed
  bool noticed() const { return error || hazard || mismatch; }
};

void run_once(const Case& c, const pulp::Program& program, const std::vector<Tensor>& inputs,
              const std::vector<Tensor>& golden, Outcome& outcome) {
  const auto result = pulp::simulate(program, c.machine, inputs, {.threads = 1});
  outcome.hazard = !result.hazards.empty();
  if (outcome.hazard) outcome.first = to_string(result.hazards[0]);
  outcome.mismatch = !compare(c.graph, golden, result.tensors).bit_exact();
}

Outcome run(const Case& c, const pulp::Program& program) {
  Outcome outcome;
  try {
    for (std::size_t i = 0; i < c.inputs.size() && !outcome.noticed(); ++i) {
      run_once(c, program, c.inputs[i], c.golden[i], outcome);
    }
  } catch (const Error& error) {
    outcome.error = true;
    outcome.first = error.what();
  }
  return outcome;
}

// With other inputs than a case's own, for what those do not show.
bool shows_later(const Case& c, const pulp::Program& program) {
  std::mt19937_64 random(seed_of(13));
  Outcome outcome;
  for (std::size_t i = 0; i < kMoreRuns && !outcome.noticed(); ++i) {
    const std::vector<Tensor> inputs = random_codes(c.graph, random);
    run_once(c, program, inputs, golden::run(c.graph, inputs), outcome);
  }
  return outcome.noticed();
}

// Little of either memory, so that layers are cut at both.
pulp::Machine small_cluster(std::mt19937_64& random) {
  constexpr std::int64_t kCores[] = {1, 2, 3, 4, 8, 8};
  pulp::Machine machine;
  machine.name = "small";
  machine.cluster.cores = kCores[random() % std::size(kCores)];
  machine.l1.buffer_bytes = 3000 + static_cast<std::int64_t>(random() % 12000);
  machine.l2.buffer_bytes = 10000 + static_cast<std::int64_t>(random() % 30000);
  machine.l1.conflicts = 0;
  return machine;
}

// Codes at either end of what a tensor holds hide what was computed. In one that shows something of
// it, one in twenty is neither.
template <typename Code>
bool saturated(const Tensor& tensor) {
  std::map<Code, std::int64_t> counts;
  for (const Code code : tensor.values<Code>()) ++counts[code];
  if (tensor.size() < 20 || counts.size() < 2) return counts.size() < 2;
  const std::int64_t ends = counts.begin()->second + counts.rbegin()->second;
  return 20 * (tensor.size() - ends) < tensor.size();
}

bool tells_nothing(const Graph& graph, const std::vector<Tensor>& golden) {
  for (const Node& node : graph.nodes) {
    const Tensor& result = golden[static_cast<std::size_t>(node.outputs.at(0))];
    if (result.type() == ElementType::Uint8 && saturated<std::uint8_t>(result)) return true;
    if (result.type() == ElementType::Int8 && saturated<std::int8_t>(result)) return true;
  }
  return false;
}

std::vector<Case> make_cases(pulp::Tiler tiler) {
  std::vector<Case> cases;
  for (std::uint64_t seed = 0; seed < kSeeds && cases.size() < kCases; ++seed) {
    std::mt19937_64 random(seed_of(7000 + seed));
    Case c{.name = fmt::format("seed {}", seed),
           .graph = random_integer_graph(random, {.max_macs = 200'000}),
           .machine = small_cluster(random),
           .inputs = {},
           .golden = {},
           .program = {}};
    for (std::size_t i = 0; i < kRuns; ++i) c.inputs.push_back(random_codes(c.graph, random));
    try {
      c.program = pulp::compile(c.graph, c.machine, {.tiler = tiler});
    } catch (const Error&) {
      continue;
    }
    for (const auto& inputs : c.inputs) c.golden.push_back(golden::run(c.graph, inputs));
    if (tells_nothing(c.graph, c.golden[0])) continue;
    const Outcome outcome = run(c, c.program);
    EXPECT_FALSE(outcome.noticed()) << c.name << ": " << outcome.first;
    EXPECT_EQ(depends_on_timing(c.program, c.machine), "") << c.name;
    if (!outcome.noticed()) cases.push_back(std::move(c));
  }
  EXPECT_GE(cases.size(), kCases / 2);
  return cases;
}

struct Candidate {
  const Case* of = nullptr;
  PulpMutant mutant;
};
using Pools = std::array<std::vector<std::vector<Candidate>>, kPulpMutantKinds>;

Pools candidates(const std::vector<Case>& cases, std::mt19937_64& random) {
  Pools pools;
  for (auto& pool : pools) pool.resize(cases.size());
  for (std::size_t i = 0; i < cases.size(); ++i) {
    for (PulpMutant& m : all_mutants(cases[i].program, cases[i].machine, random)) {
      pools[static_cast<std::size_t>(m.kind)][i].push_back({&cases[i], std::move(m)});
    }
  }
  return pools;
}

// `count` at most, in turns, so that a large program does not crowd out the small ones.
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

// Why nothing proves that a mutant is the same program.
std::string doubt(const Case& c, const pulp::Program& changed) {
  const std::string luck = depends_on_timing(changed, c.machine);
  if (!luck.empty()) return fmt::format("{} depend on timing", luck);
  const auto before = provenance(c.program, c.machine), after = provenance(changed, c.machine);
  if (before.empty() || after.empty()) return "addresses outside the memories";
  return "other bytes are looked at";
}

struct Tally {
  std::size_t mutants = 0, mismatch = 0, hazard = 0, error = 0, equivalent = 0;
};

Tally judged(const std::vector<Candidate>& drawn) {
  Tally tally;
  for (const auto& [c, m] : drawn) {
    const Outcome outcome = run(*c, mutated(c->program, m));
    ++tally.mutants;
    tally.mismatch += outcome.mismatch ? 1 : 0;  // told by the values alone
    tally.hazard += outcome.hazard ? 1 : 0;
    tally.error += outcome.error ? 1 : 0;
    if (outcome.noticed()) continue;
    const bool proved = !equivalent(c->program, m, c->machine).empty();
    if (!proved && shows_later(*c, mutated(c->program, m))) {
      ++tally.mismatch;
      continue;
    }
    EXPECT_TRUE(proved) << c->name << ": undetected: "
                        << (m.field.empty() ? "there is no"
                                            : fmt::format("{} is {} in", m.field, m.value))
                        << " instruction " << m.instruction << " ("
                        << c->program.info.instruction_text[m.instruction]
                        << "): " << doubt(*c, mutated(c->program, m));
    ++tally.equivalent;
  }
  return tally;
}

// DORY's code waits for more than it needs (docs/facts/pulp.md 5), and measuring needs barriers
// that data do not: what is gone of them is proved to make no difference, but it is more than a
// few.
bool synchronises_no_more_than_needed(pulp::Tiler tiler, PulpMutantKind kind) {
  if (kind == PulpMutantKind::CounterBarrier) return false;
  const bool order = kind == PulpMutantKind::Wait || kind == PulpMutantKind::Barrier;
  return tiler == pulp::Tiler::Optimal || !order;
}

class PulpMutants : public testing::TestWithParam<pulp::Tiler> {};

TEST_P(PulpMutants, are_all_noticed) {
  const std::vector<Case> cases = make_cases(GetParam());
  std::mt19937_64 random(seed_of(9));
  const Pools pools = candidates(cases, random);
  for (std::size_t k = 0; k < kPulpMutantKinds; ++k) {
    const auto kind = to_string(static_cast<PulpMutantKind>(k));
    const Tally tally = judged(draw(pools[k], kPerKind, random));
    fmt::print("{:15} {} mutants: {} wrong values, {} hazards, {} refused, {} survivors\n", kind,
               tally.mutants, tally.mismatch, tally.hazard, tally.error, tally.equivalent);
    const bool few = kind == to_string(PulpMutantKind::CounterBarrier);  // two a layer at most
    EXPECT_GE(tally.mutants, std::min<std::size_t>(few ? kPerKind / 2 : kPerKind, few ? 50 : 100))
        << kind;
    if (synchronises_no_more_than_needed(GetParam(), static_cast<PulpMutantKind>(k))) {
      EXPECT_LE(100 * tally.equivalent, tally.mutants) << kind;
    }
  }
}

// --- every field of every opcode -----------------------------------------------------------------

enum class Way { PlusOne, FlippedBit, NeighboursValue };
constexpr Way kWays[] = {Way::PlusOne, Way::FlippedBit, Way::NeighboursValue};
constexpr std::size_t kOfEach = 1;  // mutants of an opcode's field in one way

struct FieldMutant {
  const Case* of = nullptr;
  std::size_t instruction = 0;
  std::vector<PulpMutant> fields;
};

std::vector<std::pair<std::string, std::int64_t>> fields_of(pulp::Instruction instruction) {
  std::vector<std::pair<std::string, std::int64_t>> fields;
  std::visit(
      [&](auto& op) {
        for_each_field(op, [&](std::string_view field, auto& member) {
          fields.emplace_back(field, static_cast<std::int64_t>(member));
        });
      },
      instruction);
  return fields;
}

// Flags are named: any other number of theirs is their opposite.
bool is_flag(const pulp::Instruction& instruction, const std::string& name) {
  bool flag = false;
  std::visit(
      [&](const auto& op) {
        for_each_field(op, [&](std::string_view field, const auto& member) {
          flag = flag ||
                 (field == name && std::is_same_v<std::remove_cvref_t<decltype(member)>, bool>);
        });
      },
      instruction);
  return flag;
}

std::optional<FieldMutant> mutant_of(const Case& c, std::size_t at, std::size_t field, Way way,
                                     std::mt19937_64& random) {
  const pulp::Instruction& instruction = c.program.instructions[at];
  const auto fields = fields_of(instruction);
  const auto& [name, value] = fields[field];
  const auto& [next, other] = fields[(field + 1) % fields.size()];
  FieldMutant mutant{&c, at, {}};
  const auto set = [&](const std::string& key, std::int64_t to) {
    mutant.fields.push_back({PulpMutantKind::L1Address, at, key, to});
  };
  switch (way) {
    case Way::PlusOne:
      set(name, is_flag(instruction, name) ? 1 - value : value + 1);
      break;
    case Way::FlippedBit:
      set(name, value ^ (std::int64_t{1} << (is_flag(instruction, name) ? 0 : random() % 8)));
      break;
    case Way::NeighboursValue:
      if (value == other || fields.size() < 2) return std::nullopt;
      set(name, is_flag(instruction, name) ? (other != 0 ? 1 : 0) : other);
      set(next, is_flag(instruction, next) ? (value != 0 ? 1 : 0) : value);
      break;
  }
  return mutant;
}

pulp::Program mutated(const FieldMutant& mutant) {
  pulp::Program program = mutant.of->program;
  for (const PulpMutant& field : mutant.fields) program = mutated(program, field);
  return program;
}

bool listed(const FieldMutant& mutant, const pulp::Program& changed) {
  const Case& c = *mutant.of;
  const auto rows = pulp::fields_without_effect();
  return std::all_of(mutant.fields.begin(), mutant.fields.end(), [&](const PulpMutant& field) {
    return std::any_of(rows.begin(), rows.end(), [&](const pulp::FieldWithoutEffect& row) {
      return row.is(changed.instructions[mutant.instruction], field.field, c.machine) ||
             row.is(c.program.instructions[mutant.instruction], field.field, c.machine);
    });
  });
}

// Moved or shortened where nothing that is looked at is lost.
bool same_bytes(const Case& c, const pulp::Program& changed) {
  if (!depends_on_timing(changed, c.machine).empty()) return false;
  const auto before = provenance(c.program, c.machine), after = provenance(changed, c.machine);
  return !before.empty() && before == after;
}

std::vector<std::pair<Cycles, Cycles>> times(const Case& c, const pulp::Program& program) {
  std::vector<std::pair<Cycles, Cycles>> times;
  const auto result = pulp::simulate(program, c.machine, c.inputs[0], {.values = false});
  for (const Interval& i : result.timeline.intervals) times.emplace_back(i.begin, i.end);
  return times;
}

std::string name_of(const pulp::Instruction& instruction) {
  const auto* call = std::get_if<pulp::Kernel>(&instruction);
  return call == nullptr ? std::string(opcode(instruction)) : std::string(to_string(call->kind));
}

// Numbers of the arithmetic, where the windows of a max pool begin, and how much of a map a
// transfer moves, in whose place the codes of the tile before may be the same: whether another one
// shows depends on the codes.
bool of_codes(const std::string& opcode, std::string_view field) {
  return field.find("signed") != field.npos || field.starts_with("offset") ||
         field.starts_with("multiplier") || field.starts_with("divisor") ||
         field.starts_with("shift") ||
         (opcode.starts_with("maxpool") && field.starts_with("pad_")) ||
         (opcode == "dma" && (field == "length" || field == "lines" || field == "rows"));
}

bool of_codes(const std::string& opcode, const FieldMutant& mutant) {
  return std::all_of(mutant.fields.begin(), mutant.fields.end(),
                     [&](const PulpMutant& field) { return of_codes(opcode, field.field); });
}

std::string text_of(const FieldMutant& mutant) {
  const pulp::Program& program = mutant.of->program;
  std::string text = fmt::format("{}: {} {} ({}):", mutant.of->name, mutant.instruction,
                                 name_of(program.instructions[mutant.instruction]),
                                 program.info.instruction_text[mutant.instruction]);
  for (const PulpMutant& field : mutant.fields) {
    text += fmt::format(" {} is {}", field.field, field.value);
  }
  text += "; was";
  for (const auto& [field, value] : fields_of(program.instructions[mutant.instruction])) {
    if (value != 0) text += fmt::format(" {} {}", field, value);
  }
  return text;
}

TEST_P(PulpMutants, of_every_field_of_every_opcode_are_noticed_or_listed) {
  const std::vector<Case> cases = make_cases(GetParam());
  std::mt19937_64 random(seed_of(11));
  std::map<std::tuple<std::string, std::string, Way>, std::vector<FieldMutant>> pools;
  for (const Case& c : cases) {
    for (std::size_t at = 0; at < c.program.instructions.size(); ++at) {
      const auto fields = fields_of(c.program.instructions[at]);
      for (std::size_t field = 0; field < fields.size(); ++field) {
        const std::string name = name_of(c.program.instructions[at]);
        const std::string& what = fields[field].first;
        for (const Way way : kWays) {
          // Several bits of what depends on the codes: a kernel may be called once.
          const int draws = way == Way::FlippedBit && of_codes(name, what) ? 4 : 1;
          for (int draw = 0; draw < draws; ++draw) {
            auto mutant = mutant_of(c, at, field, way, random);
            if (mutant) pools[{name, what, way}].push_back(std::move(*mutant));
          }
        }
      }
    }
  }
  std::map<const Case*, std::vector<std::pair<Cycles, Cycles>>> before;
  for (const Case& c : cases) before[&c] = times(c, c.program);
  std::map<std::string, Tally> tallies;
  for (auto& [what, pool] : pools) {
    const auto& [opcode, field, way] = what;
    std::shuffle(pool.begin(), pool.end(), random);
    std::size_t tried = 0, shown = 0, hidden = 0;
    for (const FieldMutant& mutant : pool) {
      // Of what depends on the codes, one that shows is enough.
      if (tried >= kOfEach && (hidden == 0 || shown > 0)) break;
      const Case& c = *mutant.of;
      ++tried;
      const pulp::Program changed = mutated(mutant);
      if (run(c, changed).noticed() || times(c, changed) != before.at(&c)) {
        ++shown;
        continue;
      }
      ++tallies[opcode].equivalent;
      if (listed(mutant, changed) || same_bytes(c, changed)) continue;
      if (!of_codes(opcode, mutant) && shows_later(c, changed)) continue;
      ++hidden;
      EXPECT_TRUE(of_codes(opcode, mutant))
          << "undetected: " << text_of(mutant) << ": " << doubt(c, changed);
    }
    EXPECT_TRUE(!kEnoughCodes || hidden == 0 || shown > 0)
        << "never shows: " << opcode << " " << field << " " << static_cast<int>(way);
    tallies[opcode].mutants += tried;
  }
  for (const auto& [opcode, tally] : tallies) {
    fmt::print("{:24} {} mutants, {} of fields without effect\n", opcode, tally.mutants,
               tally.equivalent);
  }
  EXPECT_GE(tallies.size(), 12U);
}

// The page that tells users has these rows, and no others.
TEST(PulpFields, without_effect_are_all_listed) {
  std::string rows = "|---|---|---|\n";
  for (const pulp::FieldWithoutEffect& row : pulp::fields_without_effect()) {
    rows += fmt::format("| {} | {} | {} |\n", row.instructions, row.fields, row.why);
  }
  EXPECT_NE(read_file("docs/reliability.md").find(rows + "\n"), std::string::npos) << rows;
}

INSTANTIATE_TEST_SUITE_P(Tilers, PulpMutants,
                         testing::Values(pulp::Tiler::Optimal, pulp::Tiler::Dory));

}  // namespace
}  // namespace workbench
