// From a program and what a tier says about its time to the figures of a point. All that does not
// depend on time is taken from the program alone, so that it is the same in every tier.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "explore/energy/technology.h"
#include "explore/flow/machine.h"
#include "explore/report/report.h"
#include "explore/sweep/point.h"

namespace workbench {

struct LayerTime {
  Cycles cycles;
  bool on_array = false;  // it has work there: cycles say something of the array
};

struct PointTimes {
  Cycles cycles;                   // of engine 0; in throughput mode from image to image
  Cycles latency;                  // of one image on engine 0
  std::optional<Cycles> at_least;  // bound on `cycles` of the transaction tier; analytic only
  double images_per_second = 0;    // of the card
  std::vector<LayerTime> layers;   // per layer of the program; cycles add up to `cycles`
};

// What the transaction tier said.
PointTimes times_of(const Report& report);

// The analytic tier: of xDNN a lower bound on all that, unless engines share a bank of DDR; else,
// and of PULP, what is to be expected. The bound is beside it. Some microseconds; the program needs
// no constants.
PointTimes analytic_times(const Program& program, const Machine& machine);
PointTimes analytic_times(const xdnn::Program& program, const xdnn::Machine& machine);
PointTimes analytic_times(const pulp::Program& program, const pulp::Machine& machine);

// Bytes that the instructions of each layer move, by names of layer_metrics(). The program needs no
// constants.
struct LayerTraffic {
  std::int64_t ddr_bytes = 0;                // xDNN
  std::int64_t dma_bytes = 0, l3_bytes = 0;  // PULP
};
std::vector<LayerTraffic> traffic(const Program& program, const Machine& machine);

// Sets metrics and, if asked for, layers. The numbers of the network are those of the program's
// info. `technology`: as technology_for() has it, which throws Error.
void add_figures(const Program& program, const Machine& machine, const PointTimes& times,
                 bool layers, PointResult& result, const std::string& technology = "");

// Adds energy and area to a result that has its other figures.
void add_energy(const Program& program, const Machine& machine, const PointTimes& times,
                const Technology& technology, PointResult& result);

}  // namespace workbench
