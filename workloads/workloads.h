// The zoo: standard networks built as Graphs with seeded weights, deterministic on every machine.
// He initialisation, live or folded BatchNorm, scaled so that activations neither die nor saturate
// for inputs like pixels 0..255 less their mean (root mean square about 64).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/graph.h"

namespace workbench {

struct WorkloadOptions {
  double width = 1.0;           // mobilenet: multiplier of the channel counts
  std::int64_t resolution = 0;  // 0: the network's own
  std::uint64_t seed = 1;
};

struct WorkloadInfo {
  std::string name, description;
  Shape input;  // [1, C, H, W]
};

const std::vector<WorkloadInfo>& workloads();  // the manifest, in the order of `--list`

// Whether build_workload() knows `name`: case, dots and underscores do not count.
bool is_workload(std::string_view name);

// Throws Error naming the nearest known name when `name` is unknown, or when an option does not
// apply to that network.
Graph build_workload(std::string_view name, const WorkloadOptions& options = {});

}  // namespace workbench
