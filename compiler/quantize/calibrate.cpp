// Calibration: the float network is run over the samples and every value's magnitudes are gathered
// in histograms. One sample needs one run; several need two, the first for the histograms' ranges,
// because keeping all activations of all samples would not fit in memory.
#include "compiler/quantize/calibrate.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "compiler/quantize/histogram.h"
#include "core/eval/evaluate.h"
#include "core/parallel.h"

namespace workbench {

namespace {

// What calibration knows of each value of one graph, by ValueId.
class Statistics {
 public:
  Statistics(const Graph& graph, std::int64_t samples,
             const std::function<bool(const Value&)>& wanted)
      : graph_(graph), samples_(samples), histograms_(graph.values.size()) {
    for (const Value& value : graph.values) {
      wanted_.push_back(!value.constant && value.type == ElementType::Float32 &&
                        (!wanted || wanted(value)));
    }
  }

  bool is_wanted(ValueId id) const { return wanted_[static_cast<std::size_t>(id)]; }

  void widen(ValueId id, const Tensor& tensor) {
    const auto magnitude = static_cast<double>(max_magnitude(tensor.values<float>()));
    if (!std::isfinite(magnitude)) {
      fail("calibration: value '{}': expected finite numbers, found NaN or infinity",
           graph_.value(id).name);
    }
    MagnitudeHistogram& histogram = of(id);
    histogram.max = std::max(histogram.max, magnitude);
  }

  void count(ValueId id, const Tensor& tensor) {
    MagnitudeHistogram& histogram = of(id);
    if (is_input(id) || histogram.max < kDeadMagnitude) return;
    if (histogram.counts.empty()) {
      const std::int64_t bins = histogram_bins(tensor.size() * samples_);
      histogram.counts.assign(static_cast<std::size_t>(bins), 0);
    }
    add_magnitudes(histogram, tensor.values<float>());
  }

  Thresholds thresholds(int bits) const {
    std::vector<ValueId> ids;
    for (std::size_t i = 0; i < graph_.values.size(); ++i) {
      if (wanted_[i]) ids.push_back(static_cast<ValueId>(i));
    }
    std::vector<double> found(ids.size());
    parallel_for(static_cast<std::int64_t>(ids.size()), 0, [&](std::int64_t i) {
      const auto at = static_cast<std::size_t>(i);
      found[at] = threshold(ids[at], bits);
    });
    Thresholds result;
    for (std::size_t i = 0; i < ids.size(); ++i) result[graph_.value(ids[i]).name] = found[i];
    return result;
  }

 private:
  bool is_input(ValueId id) const {
    return std::find(graph_.inputs.begin(), graph_.inputs.end(), id) != graph_.inputs.end();
  }
  MagnitudeHistogram& of(ValueId id) { return histograms_.at(static_cast<std::size_t>(id)); }
  double threshold(ValueId id, int bits) const {
    const MagnitudeHistogram& histogram = histograms_[static_cast<std::size_t>(id)];
    if (histogram.max < kDeadMagnitude) return 0;
    return is_input(id) ? histogram.max : j_divergence_threshold(histogram, bits);
  }

  const Graph& graph_;
  std::int64_t samples_;
  std::vector<MagnitudeHistogram> histograms_;
  std::vector<bool> wanted_;
};

}  // namespace

Thresholds calibrate(const Graph& graph, const std::vector<std::vector<Tensor>>& samples, int bits,
                     const std::function<void(ValueId, const Tensor&)>& observe_last,
                     const std::function<bool(const Value&)>& wanted) {
  CHECK(!samples.empty(), "calibration without a sample");
  Statistics statistics(graph, static_cast<std::int64_t>(samples.size()), wanted);
  const bool one_run = samples.size() == 1;
  EvaluateOptions options;
  if (!one_run) {
    options.observe = [&](ValueId id, const Tensor& tensor) {
      if (statistics.is_wanted(id)) statistics.widen(id, tensor);
    };
    for (const auto& sample : samples) evaluate(graph, sample, options);
  }
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const bool last = i + 1 == samples.size();
    options.observe = [&](ValueId id, const Tensor& tensor) {
      if (last && observe_last) observe_last(id, tensor);
      if (!statistics.is_wanted(id)) return;
      if (one_run) statistics.widen(id, tensor);
      statistics.count(id, tensor);
    };
    evaluate(graph, samples[i], options);
  }
  return statistics.thresholds(bits);
}

}  // namespace workbench
