// What calibration keeps of each value of a float network: ranges and histograms, never the values.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "compiler/quantize/histogram.h"
#include "compiler/quantize/sample_source.h"
#include "core/graph.h"

namespace workbench {

struct ValueStatistics {
  double low = 0, high = 0;                      // smallest and largest value seen
  std::vector<float> channel_low, channel_high;  // per index of axis 1; empty for rank < 2
  std::vector<double> channel_mean;              // likewise
  MagnitudeHistogram histogram;                  // of |x|; no counts for a dead value
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

}  // namespace workbench
