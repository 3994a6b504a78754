#include "explore/sweep/point_metrics.h"

#include <algorithm>

namespace workbench {

namespace {

constexpr PointMetric kPoint[] = {
    {"cycles", "cycles",
     "of engine 0, in the machine's report clock; throughput mode: from image to image; analytic: "
     "xDNN with nobody waiting for a port or the DDR, of which engines on one bank have equal "
     "parts, PULP with conflicts at banks as random accesses have them",
     Better::Lower},
    {"cycles_at_least", "cycles",
     "analytic tier: a bound that no run falls below; of xDNN its cycles, had the engine a bank of "
     "DDR to itself",
     Better::Neither},
    {"latency_ms", "ms", "of one image on engine 0, from its start", Better::Lower},
    {"images_per_second", "images/s",
     "of the card: engines x images/s of the slowest one; analytic: all are as fast as engine 0",
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
    {"energy_mj", "mJ",
     "estimate, of one image, without the host: accesses x energy of each + power at rest x time "
     "(docs/energy.md)",
     Better::Lower},
    {"energy_low_mj", "mJ", "the least that energy_mj may be", Better::Lower},
    {"energy_high_mj", "mJ", "the most that energy_mj may be", Better::Lower},
    {"power_mw", "mW", "energy_mj x images_per_second", Better::Lower},
    {"area_mm2", "mm2",
     "estimate: of the cluster with L1, L2 and fabric, or of the silicon of an FPGA that all "
     "engines take (docs/energy.md)",
     Better::Lower},
    {"area_low_mm2", "mm2", "the least that area_mm2 may be", Better::Lower},
    {"area_high_mm2", "mm2", "the most that area_mm2 may be", Better::Lower},
    {"dsps", "", "xDNN: DSP48 of all engines", Better::Lower},
    {"urams", "", "xDNN: UltraRAM blocks of all engines", Better::Lower},
    {"brams", "", "xDNN: block RAMs of all engines, filter buffers alone", Better::Lower},
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
    {"energy_mj", "mJ", "estimate, of one image: the layer's share of the point's energy_mj",
     Better::Lower},
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
