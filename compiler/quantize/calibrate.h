// Activation thresholds from calibration data (docs/facts/xdnn.md 3.7), and what calibration keeps
// of each value of a float network: ranges and histograms, never the values.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "compiler/quantize/histogram.h"
#include "core/graph.h"
#include "data/image.h"
#include "data/samples.h"

namespace workbench {

inline constexpr std::size_t kSampleGroups = 32, kGroupBins = 256;

struct ValueStatistics {
  double low = 0, high = 0;                      // smallest and largest value seen
  std::vector<float> channel_low, channel_high;  // per index of axis 1; empty for rank < 2
  std::vector<double> channel_mean;              // likewise
  MagnitudeHistogram histogram;                  // of |x|; no counts for a dead value
  // Of each of at most kSampleGroups groups of samples, one after the other: counts of |x| in at
  // most kGroupBins bins over [0, histogram.max]. None for a dead value.
  std::vector<std::vector<std::int64_t>> group_counts;
};

using Statistics = std::map<std::string, ValueStatistics>;  // by value name

using TensorObserver = std::function<void(ValueId, const Tensor&)>;

// Of every float value of `graph` that is no constant and that `wanted` (if set) picks. Two runs
// over the samples: ranges, then histograms with ceil(sqrt(values)) bins; one run where there is
// but one sample. Deterministic for any thread count. `observe_last` (if set) sees every value of
// the last sample, once. Where `samples` have a cache, what is in it is not gathered again. Throws
// Error naming the first value that is NaN or infinite, and the sample where there are several.
Statistics collect_statistics(const Graph& graph, const SampleSource& samples,
                              const std::function<bool(const Value&)>& wanted = {},
                              const StageProgress& progress = {},
                              const TensorObserver& observe_last = {});

// Value name -> threshold; 0 for a value that is always 0 (quantize() then picks one).
using Thresholds = std::map<std::string, double>;

// Runs the float network on each sample; thresholds for every float value of `graph`: max|x| for
// graph inputs, J divergence for the rest. `observe_last` (if set) sees every value of the last
// sample, so that the caller need not evaluate it again. `wanted` (if set) limits the thresholds
// to the values it picks. Deterministic for any thread count.
Thresholds calibrate(const Graph& graph, const SampleSource& samples, int bits,
                     const std::function<void(ValueId, const Tensor&)>& observe_last = {},
                     const std::function<bool(const Value&)>& wanted = {});
inline Thresholds calibrate(const Graph& graph, const std::vector<std::vector<Tensor>>& samples,
                            int bits,
                            const std::function<void(ValueId, const Tensor&)>& observe_last = {},
                            const std::function<bool(const Value&)>& wanted = {}) {
  return calibrate(graph, in_memory(samples), bits, observe_last, wanted);
}

}  // namespace workbench
