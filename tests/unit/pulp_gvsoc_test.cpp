// The cluster against the micro-benchmarks that the GVSoC of 2026 ran (networks/pulp/
// gvsoc_micro.json, docs/facts/pulp.md 1.9), all but the DMA's (pulp_dma_test.cpp): the same loops
// on the modelled machine, cycles per iteration exact. What an iteration consists of follows from
// the records' names, their counts of instructions and docs/facts/pulp.md 1.9.
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>

#include "isa/pulp/kernel_code.h"
#include "sim/pulp/simulate.h"
#include "sim/pulp/tcdm.h"

namespace workbench::pulp {
namespace {

std::optional<YAML::Node> records() {
  const char* shared = std::getenv("WORKBENCH_SHARED");
  const std::filesystem::path file = std::filesystem::path(shared ? shared : "../shared") /
                                     "networks" / "pulp" / "gvsoc_micro.json";
  if (!std::filesystem::exists(file)) return std::nullopt;
  return YAML::LoadFile(file.string())["records"];
}

#define NEEDS_RECORDS(name)    \
  const auto name = records(); \
  if (!name) GTEST_SKIP() << "networks/pulp is not under WORKBENCH_SHARED or ../shared"

Machine gvsoc() { return load_machine("configs/pulp_open_2026.yaml"); }

struct Record {
  std::string what, pattern;
  std::int64_t cores = 0, iterations = 0, cycles = 0;
};

// Those of the variant with conflicts, "micro ub_" left out.
std::vector<Record> micro(const YAML::Node& all, const std::string& variant = "bank") {
  std::vector<Record> result;
  const std::string prefix = "micro ub_";
  for (const YAML::Node& node : all) {
    const auto what = node["what"].as<std::string>();
    if (what.rfind(prefix, 0) != 0 || node["variant"].as<std::string>() != variant) continue;
    const YAML::Node pattern = node["args"]["pattern"];
    result.push_back({what.substr(prefix.size()),
                      pattern && !pattern.IsNull() ? pattern.as<std::string>() : "",
                      node["cores"].as<std::int64_t>(), node["args"]["N"].as<std::int64_t>(),
                      node["cycles"].as<std::int64_t>()});
  }
  return result;
}

// The record is of a call, 25 cycles when empty, and has the refills of the instruction cache at
// its entry, 40 cycles at most: less than one cycle per iteration. The last branch of a loop is not
// taken.
void expect_per_iteration(std::int64_t modelled, const Record& record) {
  constexpr std::int64_t kCall = 25, kRefills = 40, kLastBranch = 3;
  const std::int64_t beyond = record.cycles - kCall - modelled * record.iterations;
  EXPECT_GE(beyond, -kLastBranch) << record.what << " " << record.pattern << " " << record.cores;
  EXPECT_LE(beyond, kRefills) << record.what << " " << record.pattern << " " << record.cores;
  EXPECT_LT(kRefills + kLastBranch, record.iterations) << "the next whole cycle is told apart";
}

// Of the slowest core, per iteration of a loop of `body` that is longer than what comes once.
template <typename Body>
std::int64_t per_iteration(const Machine& machine, std::int64_t cores, Body&& body) {
  constexpr std::int64_t kIterations = 1024;
  std::vector<CoreCode> code;
  for (std::int64_t core = 0; core < cores; ++core) {
    CodeBuilder builder(machine);
    builder.loop(kIterations, [&](int depth) { body(builder, core, depth); });
    code.push_back(builder.take());
  }
  if (machine.l1.conflicts == 0) return code_cost(code.front(), machine).cycles / kIterations;
  const auto cycles = contended_cycles(code, machine);
  return *std::max_element(cycles.begin(), cycles.end()) / kIterations;
}

TEST(PulpGvsoc, instructions_take_what_was_measured) {
  NEEDS_RECORDS(all);
  const auto load = [](CodeBuilder& b) { b.load({0, {}}); };
  const std::map<std::string, std::function<void(CodeBuilder&)>> loops{
      {"add", [](CodeBuilder& b) { b.work({.instructions = 8}); }},
      {"lw_alu", [&](CodeBuilder& b) { load(b), b.work({.instructions = 3}); }},
      {"lduse", [&](CodeBuilder& b) { load(b), b.work({.instructions = 3, .load_uses = 1}); }},
      {"lduse2", [&](CodeBuilder& b) { load(b), b.work({.instructions = 3}); }},
      {"br_taken", [](CodeBuilder& b) { b.work({.instructions = 4, .taken_branches = 1}); }},
      {"br_nt", [](CodeBuilder& b) { b.work({.instructions = 4}); }},
      {"j", [](CodeBuilder& b) { b.work({.instructions = 4, .jumps = 2}); }},
      {"mul", [](CodeBuilder& b) { b.work({.instructions = 4, .multiplies = 2}); }},
      {"muluse",
       [](CodeBuilder& b) { b.work({.instructions = 4, .multiplies = 2, .multiply_uses = 2}); }},
      {"mac", [](CodeBuilder& b) { b.work({.instructions = 4}); }},
      {"mulh", [](CodeBuilder& b) { b.work({.instructions = 4, .multiply_highs = 2}); }},
      {"div", [](CodeBuilder& b) { b.work({.instructions = 4, .divisions = 2}); }},
      {"sdotp_use", [](CodeBuilder& b) { b.work({.instructions = 4}); }},
      {"lw_misaligned",
       [](CodeBuilder& b) {
         for (int i = 0; i < 4; ++i) b.load({2, {}});
       }},
      {"sw_misaligned", [](CodeBuilder& b) {
         for (int i = 0; i < 4; ++i) b.store({2, {}});
       }}};
  const Machine machine = gvsoc();
  std::size_t checked = 0;
  for (const Record& record : micro(*all)) {
    const auto loop = loops.find(record.what);
    if (loop == loops.end()) continue;
    const auto body = [&](CodeBuilder& b, std::int64_t, int) { loop->second(b); };
    expect_per_iteration(per_iteration(machine, record.cores, body), record);
    ++checked;
  }
  EXPECT_EQ(checked, loops.size() + 1);  // "add" with one core and with eight
}

// Byte address of a core's first access, and how far it goes with each.
struct Walk {
  std::int64_t first = 0, step = 0;
};
std::optional<Walk> walk_of(const std::string& pattern, std::int64_t core) {
  if (pattern == "same address") return Walk{0, 0};
  if (pattern == "same bank, different address") return Walk{1024 * core, 0};
  if (pattern == "different banks") return Walk{4 * core, 0};
  if (pattern == "2 groups of banks: (core*8)&15") return Walk{32 * core, 0};
  if (pattern == "all cores same sequential words") return Walk{0, 4};
  if (pattern == "sequential words, core offset 1 word") return Walk{4 * core, 4};
  if (pattern == "sequential, own 1 KiB block each (same bank phase)") return Walk{1024 * core, 4};
  if (pattern == "sequential, own block + 1 word skew") return Walk{1028 * core, 4};
  return std::nullopt;
}

int expect_l1_accesses(const Machine& machine, const std::vector<Record>& all) {
  int checked = 0;
  for (const Record& record : all) {
    if (record.what != "lw" && record.what != "sw" && record.what != "lwinc") continue;
    const auto body = [&](CodeBuilder& b, std::int64_t core, int depth) {
      const Walk walk = walk_of(record.pattern, core).value();
      for (std::int64_t i = 0; i < 4; ++i) {
        const Address at = stepped({walk.first + i * walk.step, {}}, depth, 4 * walk.step);
        record.what == "sw" ? b.store(at) : b.load(at);
      }
    };
    expect_per_iteration(per_iteration(machine, record.cores, body), record);
    ++checked;
  }
  return checked;
}

TEST(PulpGvsoc, loads_and_stores_of_l1_wait_for_each_other_as_measured) {
  NEEDS_RECORDS(all);
  Machine machine = gvsoc();
  EXPECT_EQ(expect_l1_accesses(machine, micro(*all)), 48);
  machine.l1.conflicts = 0;
  EXPECT_EQ(expect_l1_accesses(machine, micro(*all, "base")), 48);
}

// Programs of the modelled cluster: cycles of `body`, repeated.
std::int64_t cycles_of(std::vector<Instruction> body, std::int64_t times, std::int64_t cores) {
  Machine machine = gvsoc();
  machine.cluster.cores = cores;
  Program program;
  program.info.layers.push_back({.name = "loop"});
  for (std::int64_t i = 0; i < times; ++i) {
    program.instructions.insert(program.instructions.end(), body.begin(), body.end());
  }
  program.info.instruction_layer.assign(program.instructions.size(), 0);
  return simulate(program, machine, {}, {.values = false}).timeline.end.value;
}

TEST(PulpGvsoc, a_barrier_takes_what_was_measured_for_every_number_of_cores) {
  NEEDS_RECORDS(all);
  int checked = 0;
  for (const Record& record : micro(*all)) {
    if (record.what != "barrier") continue;
    // The loop's counter and its taken branch beside the barrier: 1 + 3.
    // Without the first rounds, for which code is fetched.
    const std::vector<Instruction> round{Barrier{}, Code{.instructions = 4}};
    const std::int64_t cycles = cycles_of(round, 2 * record.iterations, record.cores) -
                                cycles_of(round, record.iterations, record.cores);
    EXPECT_EQ(cycles % record.iterations, 0);
    expect_per_iteration(cycles / record.iterations, record);
    ++checked;
  }
  EXPECT_EQ(checked, 4);
}

TEST(PulpGvsoc, loads_and_stores_of_l2_block_their_core_alone) {
  NEEDS_RECORDS(all);
  struct Loop {
    std::int64_t loads, others;
  };
  // "lduse": three more instructions, of which the first waits a cycle for the load.
  const std::map<std::string, Loop> loops{{"lw_L2", {4, 0}},
                                          {"sw_L2", {4, 0}},
                                          {"lduse_L2", {1, 4}},
                                          {"empty data in L2", {0, 0}},
                                          {"lw data in L2", {4, 0}},
                                          {"lw_alu data in L2", {1, 3}},
                                          {"lduse data in L2", {1, 4}},
                                          {"lduse2 data in L2", {1, 3}}};
  std::size_t checked = 0;
  for (const Record& record : micro(*all)) {
    const auto loop = loops.find(record.what);
    if (loop == loops.end()) continue;
    const Code code{.instructions = loop->second.others, .l2_loads = loop->second.loads};
    const std::int64_t cycles = cycles_of({code}, record.iterations, record.cores);
    expect_per_iteration(cycles / record.iterations, record);
    ++checked;
  }
  EXPECT_EQ(checked, loops.size() + 2);  // two of them with one core and with eight
}

}  // namespace
}  // namespace workbench::pulp
