// Thresholds of the published quantizer (xdnn.md 3.7) from what calibration keeps of each value.
#include "compiler/quantize/calibrate.h"

#include <algorithm>

#include "compiler/quantize/statistics.h"
#include "core/parallel.h"

namespace workbench {

Thresholds calibrate(const Graph& graph, const SampleSource& samples, int bits,
                     const std::function<void(ValueId, const Tensor&)>& observe_last,
                     const std::function<bool(const Value&)>& wanted) {
  CHECK(samples.count > 0, "calibration without a sample");
  const Statistics statistics = collect_statistics(graph, samples, wanted, {}, observe_last);
  const auto is_input = [&](const std::string& name) {
    return std::any_of(graph.inputs.begin(), graph.inputs.end(),
                       [&](ValueId id) { return graph.value(id).name == name; });
  };
  const std::vector<std::pair<std::string, ValueStatistics>> values(statistics.begin(),
                                                                    statistics.end());
  std::vector<double> found(values.size());
  parallel_for(static_cast<std::int64_t>(values.size()), 0, [&](std::int64_t i) {
    const auto& [name, value] = values[static_cast<std::size_t>(i)];
    const MagnitudeHistogram& histogram = value.histogram;
    double& threshold = found[static_cast<std::size_t>(i)];
    if (histogram.counts.empty()) return;  // dead: 0
    threshold = is_input(name) ? histogram.max : j_divergence_threshold(histogram, bits);
  });
  Thresholds result;
  for (std::size_t i = 0; i < values.size(); ++i) result[values[i].first] = found[i];
  return result;
}

}  // namespace workbench
