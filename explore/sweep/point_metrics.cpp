#include "explore/sweep/point_metrics.h"

#include <algorithm>

namespace workbench {

namespace {

constexpr PointMetric kPoint[] = {
    {"cycles", "cycles",
     "of engine 0, in the machine's report clock; throughput mode: from image to image; analytic: "
     "with nobody waiting for a port or the DDR (xDNN), with conflicts at banks as random accesses "
     "have them (PULP)",
     Better::Lower},
    {"cycles_at_least", "cycles",
     "analytic tier: a bound that no run falls below; of xDNN these are its cycles",
     Better::Neither},
    {"latency_ms", "ms", "of one image on engine 0, from its start", Better::Lower},
    {"images_per_second", "images/s",
     "of the card: engines x images/s of the slowest one; analytic: none is slower than the bytes "
     "of all engines of a DDR bank / its bandwidth allow",
     Better::Higher},
    {"mac_per_cycle", "MAC/cycle",
     "MACs of the layers on the accelerator, of all images of a run, / cycles", Better::Higher},
    {"array_efficiency", "fraction", "mac_per_cycle / peak MAC/cycle of the array", Better::Higher},
    {"macs", "MAC", "of the network as it was imported", Better::Neither},
    {"host_ms", "ms", "estimate, sum over host steps; never in cycles or images/s", Better::Lower},
    {"ddr_bytes", "bytes", "xDNN: moved between DDR and one engine for one run", Better::Lower},
    {"am_peak_bytes", "bytes", "xDNN: most activation memory that holds live tensors at one time",
     Better::Lower},
    {"l1_bytes", "bytes", "PULP: end of the highest L1 address used", Better::Lower},
    {"l2_bytes", "bytes", "PULP: end of the highest L2 address used", Better::Lower},
    {"dma_bytes", "bytes", "PULP: moved between L2 and L1", Better::Lower},
    {"l3_bytes", "bytes", "PULP: moved between L3 and L2", Better::Lower},
    {"program_bytes", "bytes", "filters, weights and parameters that the program brings along",
     Better::Lower},
    {"instructions", "", "of the program", Better::Lower},
};

constexpr PointMetric kLayer[] = {
    {"cycles", "cycles",
     "of the point's cycles that are this layer's; analytic: by which it ends after all before it",
     Better::Lower},
    {"macs", "MAC", "of the network as it was imported, never padded", Better::Neither},
    {"ddr_bytes", "bytes", "xDNN: moved between DDR and the engine", Better::Lower},
    {"dma_bytes", "bytes", "PULP: moved between L2 and L1", Better::Lower},
    {"l3_bytes", "bytes", "PULP: moved between L3 and L2", Better::Lower},
    {"mac_per_cycle", "MAC/cycle", "macs of all images of a run / cycles; 0 beside the array",
     Better::Higher},
    {"percent_of_peak", "%", "100 x mac_per_cycle / peak MAC/cycle of the array", Better::Higher},
};

}  // namespace

std::span<const PointMetric> point_metrics() { return kPoint; }
std::span<const PointMetric> layer_metrics() { return kLayer; }

const PointMetric* find_point_metric(std::string_view name) {
  const auto* found = std::find_if(std::begin(kPoint), std::end(kPoint),
                                   [&](const PointMetric& metric) { return metric.name == name; });
  return found == std::end(kPoint) ? nullptr : found;
}

}  // namespace workbench
