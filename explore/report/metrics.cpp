#include "explore/report/metrics.h"

namespace workbench {

namespace {

constexpr Metric kTotals[] = {
    {"cycles", "cycles",
     "end of the run of engine 0, in the machine's report clock; throughput mode: from image to "
     "image",
     [](const Report& r) -> MetricValue { return r.cycles.value; }},
    {"milliseconds", "ms", "cycles / report clock",
     [](const Report& r) -> MetricValue { return r.milliseconds; }},
    {"images_per_second", "images/s", "1000 / milliseconds x images of a run",
     [](const Report& r) -> MetricValue { return r.images_per_second; }},
    {"latency_milliseconds", "ms", "of one image on engine 0, from its start",
     [](const Report& r) -> MetricValue { return r.latency_milliseconds; }},
    {"engines", "", "on the card",
     [](const Report& r) -> MetricValue { return static_cast<std::int64_t>(r.engines.size()); }},
    {"card_images_per_second", "images/s", "engines x images/s of the slowest one",
     [](const Report& r) -> MetricValue { return r.card_images_per_second; }},
    {"mac_per_cycle", "MAC/cycle",
     "MACs of the layers on the accelerator, of all images of a run, / cycles",
     [](const Report& r) -> MetricValue { return r.mac_per_cycle; }},
    {"array_efficiency", "fraction", "mac_per_cycle / peak MAC/cycle of the array",
     [](const Report& r) -> MetricValue { return r.array_efficiency; }},
    {"ddr_bytes", "bytes", "bytes moved between DDR and the accelerator",
     [](const Report& r) -> MetricValue { return r.ddr_bytes; }},
    {"moveops", "bytes", "AM-format bytes of gathers and scatters of intermediate tensors",
     [](const Report& r) -> MetricValue { return r.program.moveops; }},
    {"io_bytes", "bytes",
     "AM-format bytes of gathers and scatters of the network's input and output",
     [](const Report& r) -> MetricValue { return r.program.io_bytes; }},
    {"host_milliseconds", "ms", "estimate, sum over host steps; never in cycles or images/s",
     [](const Report& r) -> MetricValue { return r.host_milliseconds; }},
};

constexpr Metric kMemory[] = {
    {"peak_bytes", "bytes", "most activation memory that holds live tensors at one time",
     [](const Report& r) -> MetricValue { return r.program.peak_bytes; }},
    {"minimum_bytes", "bytes",
     "largest sum of live tensors at one step of the network as it is written, before placement",
     [](const Report& r) -> MetricValue { return r.program.minimum_bytes; }},
    {"extent_bytes", "bytes", "end of the highest address used",
     [](const Report& r) -> MetricValue { return r.program.extent_bytes; }},
    {"capacity_bytes", "bytes", "activation memory of the machine",
     [](const Report& r) -> MetricValue { return r.program.capacity_bytes; }},
};

}  // namespace

std::span<const Metric> total_metrics() { return kTotals; }
std::span<const Metric> memory_metrics() { return kMemory; }

}  // namespace workbench
