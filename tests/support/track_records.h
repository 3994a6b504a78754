// Records as a suite might have them, for tests of what is made of records.
#pragma once

#include "explore/track/baseline.h"

namespace workbench::track {

// `cycles`: all of them DDR stall but a quarter.
inline LayerRecord small_layer(const std::string& name, std::int64_t cycles) {
  LayerRecord layer{.name = name,
                    .op = "Conv 3x3",
                    .shape = "1x16x8x8",
                    .cycles = cycles,
                    .instructions = 2,
                    .tiles = "8x4",
                    .code = "c0de" + name};
  layer.waterfall[static_cast<std::size_t>(Step::Ideal)] = Cycles{cycles / 4};
  layer.waterfall[static_cast<std::size_t>(Step::MemoryWait)] = Cycles{cycles - cycles / 4};
  return layer;
}

// Cycles of the case: the sum over its layers; latency and throughput follow at 100 MHz.
inline void set_figures(CaseRecord& record) {
  double cycles = 0;
  for (const LayerRecord& layer : record.layers) cycles += static_cast<double>(layer.cycles);
  record.figures = {
      {"cycles", cycles}, {"latency_ms", cycles / 1e5}, {"images_per_second", 1e8 / cycles}};
}

inline CaseRecord small_case(const std::string& name = "one") {
  CaseRecord record;
  record.asked = {.name = name,
                  .point = {.network = "zoo:tiny_cnn",
                            .machine = "v3_96",
                            .settings = {{"dsp", "64"}},
                            .tier = Tier::Transaction}};
  record.verdict = "bit-exact";
  record.machine = {{"name", "v3_96"}, {"ddr.efficiency", "0.71"}, {"clocks.report", "350"}};
  record.fingerprints = {"n", "w", "p", "q", "b", "c", "t"};
  record.layers = {small_layer("conv1", 1000), small_layer("conv2", 2000), small_layer("fc", 500)};
  set_figures(record);
  return record;
}

inline Baseline small_baseline() {
  return {.name = "small",
          .revision = "0123456789abcdef0123456789abcdef01234567",
          .date = "2026-11-22T19:30:00Z",
          .cases = {small_case("one"), small_case("two")}};
}

inline void slow_down(CaseRecord& record, std::size_t layer, std::int64_t cycles) {
  record.layers[layer].cycles += cycles;
  record.layers[layer].waterfall[static_cast<std::size_t>(Step::MemoryWait)] += Cycles{cycles};
  set_figures(record);
}

}  // namespace workbench::track
