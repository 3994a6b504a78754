// The cluster DMA against what GVSoC measured (networks/pulp/gvsoc_micro.json,
// docs/facts/pulp.md 1.9) and, on its own, the rules of its queues.
#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "isa/pulp/kernel_code.h"
#include "isa/pulp/mchan.h"
#include "sim/pulp/tcdm.h"

namespace workbench::pulp {
namespace {

// Runs of one transfer each, all contiguous in L1.
Dma lines_of(std::int64_t length, std::int64_t lines, bool to_l1, bool two_d) {
  return {.to_l1 = to_l1,
          .length = length,
          .lines = lines,
          .l2_line_stride = 2 * length,
          .l1_line_stride = length,
          .two_d = two_d,
          .split = false};
}

class Cores {
 public:
  explicit Cores(std::int64_t cores) : clocks(static_cast<std::size_t>(cores), 0) {
    machine.cluster.cores = cores;
    mchan.emplace(machine);
  }
  void issue(const Dma& transfer) { mchan->issue(next_++, transfer, clocks); }
  std::int64_t done(std::int64_t id = 0, std::int64_t core = 0) {
    return mchan->completion(id, core).time;
  }

  Machine machine = load_machine("configs/pulp_open_2026.yaml");
  std::vector<std::int64_t> clocks;
  std::optional<Mchan> mchan;

 private:
  std::int32_t next_ = 0;
};

std::optional<YAML::Node> records() {
  const char* shared = std::getenv("WORKBENCH_SHARED");
  const std::filesystem::path file = std::filesystem::path(shared ? shared : "../shared") /
                                     "networks" / "pulp" / "gvsoc_micro.json";
  if (!std::filesystem::exists(file)) return std::nullopt;
  return YAML::LoadFile(file.string())["records"];
}

bool is(const YAML::Node& record, const char* what) {
  return record["what"].as<std::string>() == what && record["variant"].as<std::string>() == "bank";
}
bool to_l1(const YAML::Node& direction) { return direction.as<std::string>() == "L2->L1"; }

void expect_near(std::int64_t modelled, std::int64_t measured, double relative, double absolute,
                 const YAML::Node& args) {
  EXPECT_NEAR(static_cast<double>(modelled), static_cast<double>(measured),
              std::max(absolute, relative * static_cast<double>(measured)))
      << YAML::Dump(args);
}
// Measured with an event. Within 1 %, or 2 cycles.
void expect_exact(std::int64_t modelled, std::int64_t measured, const YAML::Node& args) {
  expect_near(modelled, measured, 0.01, 2, args);
}
// Measured by polling in steps of 6 cycles. Within 3 %, or a step.
void expect_polled(std::int64_t modelled, std::int64_t measured, const YAML::Node& args) {
  expect_near(modelled, measured, 0.03, 6, args);
}

#define NEEDS_RECORDS(name)    \
  const auto name = records(); \
  if (!name) GTEST_SKIP() << "networks/pulp is not under WORKBENCH_SHARED or ../shared"

TEST(PulpDma, one_linear_transfer_takes_what_was_measured) {
  NEEDS_RECORDS(all);
  int checked = 0;
  for (const YAML::Node& record : *all) {
    if (!is(record, "dma 1D")) continue;
    const YAML::Node& args = record["args"];
    Cores cores(1);
    cores.issue(lines_of(args["bytes"].as<std::int64_t>(), 1, to_l1(args["dir"]), false));
    expect_exact(cores.done(), record["cycles_event_wait"].as<std::int64_t>(), args);
    ++checked;
  }
  EXPECT_EQ(checked, 36);
}

TEST(PulpDma, lines_of_every_length_take_what_was_measured) {
  NEEDS_RECORDS(all);
  int checked = 0;
  for (const YAML::Node& record : *all) {
    if (!is(record, "dma 2D")) continue;
    const YAML::Node& args = record["args"];
    const auto length = args["line"].as<std::int64_t>();
    Cores cores(1);
    cores.issue(
        lines_of(length, args["bytes"].as<std::int64_t>() / length, to_l1(args["dir"]), true));
    expect_exact(cores.done(), record["cycles_event_wait"].as<std::int64_t>(), args);
    ++checked;
  }
  EXPECT_EQ(checked, 40);
}

TEST(PulpDma, transfers_of_a_loop_stall_the_core_when_the_queues_are_full) {
  NEEDS_RECORDS(all);
  int checked = 0;
  for (const YAML::Node& record : *all) {
    if (!is(record, "dma n 1D transfers, one counter")) continue;
    const YAML::Node& args = record["args"];
    Cores cores(1);
    cores.issue(lines_of(args["bytes_each"].as<std::int64_t>(), args["n"].as<std::int64_t>(),
                         to_l1(args["dir"]), false));
    expect_polled(cores.done(), record["cycles"].as<std::int64_t>(), args);
    // What the loop takes beyond its iterations is 3 cycles.
    expect_polled(cores.clocks[0] + 3, record["issue_cycles"].as<std::int64_t>(), args);
    ++checked;
  }
  EXPECT_EQ(checked, 36);
}

TEST(PulpDma, one_direction_serves_in_turn_and_both_at_once) {
  NEEDS_RECORDS(all);
  int checked = 0;
  for (const YAML::Node& record : *all) {
    if (!is(record, "dma two 1D transfers issued back to back")) continue;
    const YAML::Node& args = record["args"];
    Cores cores(1);
    cores.machine.dma.issue_cycles_1d = 4;  // two in a row, without a loop
    cores.machine.dma.latency_cycles = 11;
    for (const YAML::Node& direction : args["dirs"]) {
      cores.issue(lines_of(args["bytes_each"].as<std::int64_t>(), 1, to_l1(direction), false));
    }
    // Beside a read, writes were measured without their extra cycle per burst of 33.
    const bool both = to_l1(args["dirs"][0]) != to_l1(args["dirs"][1]);
    expect_near(cores.done(), record["cycles"].as<std::int64_t>(), both ? 0.033 : 0.01, 6, args);
    ++checked;
  }
  EXPECT_EQ(checked, 24);
}

TEST(PulpDma, all_cores_together_share_what_one_would_have) {
  NEEDS_RECORDS(all);
  int checked = 0;
  for (const YAML::Node& record : *all) {
    if (!is(record, "dma all 8 cores issue one 1D transfer after a barrier")) continue;
    const YAML::Node& args = record["args"];
    Cores cores(8);
    Dma transfer = lines_of(args["bytes_each"].as<std::int64_t>(), 8, to_l1(args["dir"]), false);
    transfer.split = true;
    cores.issue(transfer);
    // Which core is first differs from run to run.
    std::vector<std::int64_t> modelled, measured;
    for (std::int64_t c = 0; c < 8; ++c) modelled.push_back(cores.done(0, c));
    for (const YAML::Node& done : record["per_core_done"]) {
      measured.push_back(done.as<std::int64_t>());
    }
    std::sort(measured.begin(), measured.end());
    std::sort(modelled.begin(), modelled.end());
    for (std::size_t i = 0; i < 8; ++i) expect_polled(modelled[i], measured[i], args);
    ++checked;
  }
  EXPECT_EQ(checked, 8);
}

// As the cluster puts them together (cluster.cpp): cores beside 8 bytes per cycle, and a DMA that
// goes at what the cores leave it of the banks, which is half.
TEST(PulpDma, loads_of_all_cores_slow_a_transfer_more_than_it_slows_them) {
  NEEDS_RECORDS(all);
  int checked = 0;
  for (const YAML::Node& record : *all) {
    if (!is(record, "dma 32 KiB concurrent with 8 cores loading L1")) continue;
    const YAML::Node& args = record["args"];
    if (!args["dma"].as<bool>()) continue;
    const bool walks = args["loads"].as<std::string>() == "4000 loads/core, sequential";
    Cores cores(8);
    std::vector<CoreCode> code;
    for (std::int64_t core = 0; core < 8; ++core) {
      CodeBuilder builder(cores.machine);
      builder.loop(4000, [&](int depth) {
        const std::int64_t first = walks ? 1024 * core : 4 * core;
        builder.load(stepped({first, {}}, depth, walks ? 4 : 0));
      });
      code.push_back(builder.take());
    }
    const auto cycles = contended_cycles(code, cores.machine, 8);
    const std::int64_t end = *std::max_element(cycles.begin(), cycles.end());
    // Beside its loads a loop was measured to take 46 cycles.
    expect_near(end + 46, record["cycles"].as<std::int64_t>(), 0.01, 0, args);
    cores.issue(lines_of(32768, 1, to_l1(args["dir"]), false));
    cores.mchan->slow(0, end, 0.5);
    // Cores that stay at their banks leave the other eight to the DMA for good: measured faster.
    expect_near(cores.done(), record["total_cycles_until_both_done"].as<std::int64_t>(),
                walks ? 0.03 : 0.13, 0, args);
    ++checked;
  }
  EXPECT_EQ(checked, 4);
}

TEST(PulpDma, what_moves_while_it_is_slowed_is_done_later) {
  Cores cores(1);
  cores.issue(lines_of(32768, 1, true, false));
  EXPECT_EQ(cores.done(), 8 + 7 + 4096);
  cores.mchan->slow(0, 4046, 0.5);
  EXPECT_EQ(cores.done(), 4046 + (8 + 7 + 4096 - 2023));
  EXPECT_NEAR(static_cast<double>(cores.done()), 6173, 0.02 * 6173);
}

TEST(PulpDma, bytes_between_are_those_that_move_then) {
  Cores cores(1);
  cores.issue(lines_of(800, 1, true, false));  // moves in [15, 115)
  EXPECT_EQ(cores.mchan->bytes_between(0, 15), 0);
  EXPECT_EQ(cores.mchan->bytes_between(0, 25), 80);
  EXPECT_EQ(cores.mchan->bytes_between(65, 1000), 400);
}

TEST(PulpDma, rows_are_dealt_out_in_runs_and_single_lines_where_there_are_no_rows) {
  const Dma transfer{.l2 = 100,
                     .l1 = 0,
                     .length = 4,
                     .lines = 3,
                     .rows = 10,
                     .l2_line_stride = 8,
                     .l2_row_stride = 64,
                     .l1_line_stride = 4,
                     .l1_row_stride = 12};
  // ceil(10 / 8) = 2 rows each: five cores have some.
  const auto third = share_of_core(transfer, 2, 8);
  ASSERT_TRUE(third);
  EXPECT_EQ(third->rows, 2);
  EXPECT_EQ(third->l2, 100 + 4 * 64);
  EXPECT_EQ(third->l1, 4 * 12);
  EXPECT_EQ(command_count(*third), 6);
  EXPECT_FALSE(share_of_core(transfer, 5, 8));
  Dma lines = transfer;
  lines.rows = 1;
  EXPECT_EQ(share_of_core(lines, 2, 8)->l2, 100 + 2 * 8);
  lines.two_d = true;  // one command
  EXPECT_TRUE(share_of_core(lines, 0, 8));
  EXPECT_FALSE(share_of_core(lines, 1, 8));
}

TEST(PulpDma, shares_of_all_cores_are_the_transfer) {
  for (const std::int64_t planes : {1, 3, 9}) {
    for (const std::int64_t rows : {1, 7, 16}) {
      for (const bool two_d : {false, true}) {
        Dma transfer{.length = 2, .lines = 5, .rows = rows, .planes = planes, .two_d = two_d};
        std::int64_t bytes = 0, commands = 0;
        for (std::int64_t core = 0; core < 8; ++core) {
          const auto part = share_of_core(transfer, core, 8);
          bytes += part ? part->bytes() : 0;
          commands += part ? command_count(*part) : 0;
        }
        EXPECT_EQ(bytes, transfer.bytes());
        EXPECT_EQ(commands, command_count(transfer));
      }
    }
  }
}

}  // namespace
}  // namespace workbench::pulp
