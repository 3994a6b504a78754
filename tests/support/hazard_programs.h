// Hand-made programs for the hazard monitor, and what it says of them.
#pragma once

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "isa/xdnn/memory.h"
#include "sim/xdnn/hazards.h"

namespace workbench::xdnn {

// 400 words of AM, 64 KiB of DDR.
inline Machine small_machine() {
  Machine machine;
  machine.am.size_bytes = 400 * 96;
  return machine;
}

inline Pool pool(std::int64_t from, std::int64_t to, std::int64_t channels = 96) {
  Pool p{.inaddr = from, .in_w = 4, .in_h = 4, .channels = channels, .outaddr = to};
  p.out_w = p.out_h = 4, p.tail.source = p.tail.destination = {1, 0, 0, 0};
  return p;
}
inline Eltwise add(std::int64_t a, std::int64_t b, std::int64_t to) {
  Eltwise e{.inaddr_a = a, .inaddr_b = b, .width = 4, .height = 4, .channels = 96, .outaddr = to};
  e.tail.source = e.tail.destination = {1, 0, 0, 0};
  return e;
}
inline Gather download(std::int64_t ddr, std::int64_t to) {
  Gather g{.am_address = to, .ddr_address = ddr, .width = 4, .height = 4, .channels = 96};
  g.end_row = 3, g.tail.destination = {1, 0, 0, 0};
  return g;
}
inline Scatter upload(std::int64_t from, std::int64_t ddr) {
  Scatter s{.am_address = from, .ddr_address = ddr, .width = 4, .height = 4, .channels = 96};
  s.end_row = 3, s.tail.source = {1, 0, 0, 0};
  return s;
}

inline void wait_for_all(Instruction& instruction) {
  for (int u = 0; u < kUnits; ++u) set_wait(tail(instruction), static_cast<Unit>(u), true);
}

// Instruction i belongs to layer "Li".
inline Program program_of(const std::vector<Instruction>& instructions) {
  Program program{.ddr_bytes = 65536};
  for (std::size_t i = 0; i < instructions.size(); ++i) {
    program.steps.push_back({instructions[i]});
    program.info.layers.push_back({.name = "L" + std::to_string(i)});
    program.info.instruction_layer.push_back(static_cast<std::int32_t>(i));
  }
  return program;
}

class XdnnHazards : public ::testing::Test {
 protected:
  // Words 0-63 and DDR bytes 0-8191 hold something. Every wait bit is set: a test that begins an
  // instruction all the same plays a simulator that ignores them.
  void watch(const std::vector<Instruction>& instructions) {
    std::vector<Instruction> all = instructions;
    for (Instruction& i : all) wait_for_all(i);
    watch_as_they_are(all);
  }
  // The same with the wait bits that `instructions` have.
  void watch_as_they_are(const std::vector<Instruction>& instructions) {
    std::vector<Instruction> all = instructions;
    for (std::int64_t word = 0; word < 64; word += 16) {
      all.push_back(download(0, word));
      wait_for_all(all.back());
    }
    program_ = program_of(all);
    monitor_.emplace(program_, machine_);
    monitor_->host_wrote(0, 8192);
    for (std::size_t i = instructions.size(); i < all.size(); ++i) {
      monitor_->begin(static_cast<std::int32_t>(i), 0);
      monitor_->end(static_cast<std::int32_t>(i));
    }
    EXPECT_EQ(lines(), std::vector<std::string>{});
  }
  // The instructions of the test: those of watch() but for the downloads it adds.
  void run_one_by_one() {
    for (std::int32_t i = 0; i + 4 < static_cast<std::int32_t>(program_.steps.size()); ++i) {
      EXPECT_TRUE(monitor_->begin(i, i));
      monitor_->end(i);
    }
  }
  std::vector<std::string> lines() const {
    std::vector<std::string> list;
    for (const Hazard& hazard : monitor_->hazards()) list.push_back(to_string(hazard));
    return list;
  }

  using Lines = std::vector<std::string>;
  const Machine machine_ = small_machine();
  Program program_;
  std::optional<HazardMonitor> monitor_;
};

}  // namespace workbench::xdnn
