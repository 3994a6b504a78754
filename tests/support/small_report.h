// A machine of round numbers and a two-layer program, for tests of reports.
#pragma once

#include "explore/report/report.h"

namespace workbench {

// 100 MHz, 10 MAC per cycle: a cycle is 10 ns, 100 MACs take 10 cycles.
inline MachineInfo round_machine() {
  return {.name = "round",
          .summary = "10 MAC/cycle",
          .report_clock_mhz = 100,
          .peak_macs_per_cycle = 10};
}

// Instructions 0: load of conv1, 1: conv1, 2: pool1, 3: conv1's sync that belongs to no layer.
inline ProgramInfo two_layers() {
  return {.network = "net",
          .machine = "round",
          .layers = {{.name = "conv1",
                      .op = "Conv 3x3",
                      .shape = {1, 8, 4, 4},
                      .macs = 100,
                      .ops = 200,
                      .result_words = 16},
                     {.name = "pool1",
                      .op = "MaxPool 2x2",
                      .shape = {1, 8, 2, 2},
                      .ops = 128,
                      .result_words = 4}},
          .instruction_layer = {0, 0, 1, -1},
          .instruction_text = {"Load conv1", "Conv conv1", "Pool pool1", "Sync"},
          .network_macs = 100,
          .network_ops = 328};
}

inline Interval interval(std::int32_t resource, std::int32_t instruction, std::int64_t begin,
                         std::int64_t end, Cause cause, std::int64_t bytes = 0) {
  return {.resource = resource,
          .instruction = instruction,
          .ready = {begin},
          .begin = {begin},
          .end = {end},
          .bytes = {bytes},
          .cause = cause};
}

}  // namespace workbench
