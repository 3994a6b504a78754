// The float network is run over the samples and each value's ranges and magnitudes are gathered.
// One sample needs one run; several need two, the first for the histograms' ranges, because keeping
// all activations of all samples would not fit in memory.
#include "compiler/quantize/calibrate.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "compiler/quantize/histogram.h"
#include "compiler/quantize/j_divergence.h"
#include "compiler/quantize/statistics_cache.h"
#include "core/eval/evaluate.h"
#include "core/parallel.h"
#include "data/samples.h"

namespace workbench {

namespace {

constexpr std::int64_t kParallelElements = 1 << 16;  // below this threads cost more than they save

struct Range {
  float low = std::numeric_limits<float>::infinity();
  float high = -std::numeric_limits<float>::infinity();
  double sum = 0;
};

// Sixteen columns side by side: minima, maxima and sums become vector code, in a fixed order.
Range range_of(std::span<const float> values) {
  constexpr std::size_t kLanes = 16;
  std::array<float, kLanes> low, high;
  std::array<double, kLanes> sum{};
  low.fill(Range{}.low);
  high.fill(Range{}.high);
  const std::size_t whole = values.size() / kLanes * kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      const float v = values[i + lane];
      low[lane] = v < low[lane] ? v : low[lane];
      high[lane] = v > high[lane] ? v : high[lane];
      sum[lane] += static_cast<double>(v);
    }
  }
  Range result;
  for (std::size_t i = whole; i < values.size(); ++i) {
    result.low = std::min(result.low, values[i]);
    result.high = std::max(result.high, values[i]);
    result.sum += static_cast<double>(values[i]);
  }
  for (std::size_t lane = 0; lane < kLanes; ++lane) {
    result.low = std::min(result.low, low[lane]);
    result.high = std::max(result.high, high[lane]);
    result.sum += sum[lane];
  }
  return result;
}

// Statistics of each value of one graph, by ValueId.
class Gatherer {
 public:
  Gatherer(const Graph& graph, std::int64_t samples,
           const std::function<bool(const Value&)>& wanted)
      : graph_(graph), samples_(samples), statistics_(graph.values.size()) {
    for (const Value& value : graph.values) {
      wanted_.push_back(!value.constant && value.type == ElementType::Float32 &&
                        (!wanted || wanted(value)));
    }
  }

  bool is_wanted(ValueId id) const { return wanted_[static_cast<std::size_t>(id)]; }

  void widen(ValueId id, const Tensor& tensor, std::int64_t sample) {
    const auto magnitude = static_cast<double>(max_magnitude(tensor.values<float>()));
    if (!std::isfinite(magnitude)) {
      fail("calibration: {}value '{}': expected finite numbers, found NaN or infinity",
           samples_ == 1 ? std::string() : fmt::format("sample {} of {}: ", sample + 1, samples_),
           graph_.value(id).name);
    }
    ValueStatistics& value = of(id);
    value.histogram.max = std::max(value.histogram.max, magnitude);
    widen_channels(value, tensor, sample == 0);
  }

  void count(ValueId id, const Tensor& tensor, std::int64_t sample) {
    MagnitudeHistogram& histogram = of(id).histogram;
    if (histogram.max < kDeadMagnitude) return;
    if (histogram.counts.empty()) {
      const std::int64_t bins = histogram_bins(tensor.size() * samples_);
      histogram.counts.assign(static_cast<std::size_t>(bins), 0);
    }
    MagnitudeHistogram own{histogram.max, std::vector<std::int64_t>(histogram.counts.size(), 0)};
    add_magnitudes(own, tensor.values<float>());
    for (std::size_t bin = 0; bin < own.counts.size(); ++bin) {
      histogram.counts[bin] += own.counts[bin];
    }
    add_to_group(of(id), own, sample);
  }

  Statistics result() {
    Statistics result;
    for (std::size_t i = 0; i < statistics_.size(); ++i) {
      if (!wanted_[i]) continue;
      ValueStatistics& value = statistics_[i];
      const auto channels = static_cast<std::int64_t>(value.channel_mean.size());
      const std::int64_t elements = element_count(graph_.values[i].shape);
      for (double& mean : value.channel_mean) {
        mean /= static_cast<double>(elements / std::max<std::int64_t>(channels, 1) * samples_);
      }
      result.emplace(graph_.values[i].name, std::move(value));
    }
    return result;
  }

 private:
  ValueStatistics& of(ValueId id) { return statistics_.at(static_cast<std::size_t>(id)); }

  void add_to_group(ValueStatistics& value, const MagnitudeHistogram& own,
                    std::int64_t sample) const {
    const auto groups = std::min<std::int64_t>(samples_, kSampleGroups);
    value.group_counts.resize(static_cast<std::size_t>(groups));
    auto& counts = value.group_counts[static_cast<std::size_t>(sample * groups / samples_)];
    const std::size_t bins = std::min(own.counts.size(), kGroupBins);
    counts.resize(bins, 0);
    for (std::size_t bin = 0; bin < own.counts.size(); ++bin) {
      counts[bin * bins / own.counts.size()] += own.counts[bin];
    }
  }

  // `channel_mean` holds sums until the end, of samples in their order.
  static void widen_channels(ValueStatistics& value, const Tensor& tensor, bool first) {
    const auto values = tensor.values<float>();
    if (values.empty()) return;
    const bool has_channels = tensor.rank() >= 2;
    const auto channels = static_cast<std::size_t>(has_channels ? tensor.dim(1) : 1);
    const auto rows = static_cast<std::size_t>(has_channels ? tensor.dim(0) : 1) * channels;
    const std::size_t inner = values.size() / rows;
    std::vector<Range> ranges(rows);
    parallel_for(static_cast<std::int64_t>(rows), tensor.size() < kParallelElements ? 1 : 0,
                 [&](std::int64_t row) {
                   const auto at = static_cast<std::size_t>(row);
                   ranges[at] = range_of(values.subspan(at * inner, inner));
                 });
    if (has_channels && value.channel_mean.empty()) {
      value.channel_low.assign(channels, Range{}.low);
      value.channel_high.assign(channels, Range{}.high);
      value.channel_mean.assign(channels, 0.0);
    }
    for (std::size_t row = 0; row < rows; ++row) {
      const Range& range = ranges[row];
      const bool fresh = first && row == 0;
      const auto low = static_cast<double>(range.low), high = static_cast<double>(range.high);
      value.low = fresh ? low : std::min(value.low, low);
      value.high = fresh ? high : std::max(value.high, high);
      if (!has_channels) continue;
      const std::size_t channel = row % channels;
      value.channel_low[channel] = std::min(value.channel_low[channel], range.low);
      value.channel_high[channel] = std::max(value.channel_high[channel], range.high);
      value.channel_mean[channel] += range.sum;
    }
  }

  const Graph& graph_;
  std::int64_t samples_;
  std::vector<ValueStatistics> statistics_;
  std::vector<bool> wanted_;
};

}  // namespace

namespace {

std::vector<std::string> wanted_names(const Graph& graph, const Gatherer& gatherer) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    if (gatherer.is_wanted(static_cast<ValueId>(i))) names.push_back(graph.values[i].name);
  }
  return names;
}

Statistics gathered(const Graph& graph, const SampleSource& samples, Gatherer& gatherer,
                    const StageProgress& progress, const TensorObserver& observe_last) {
  const std::size_t count = samples.count;
  const auto tell = [&](std::size_t runs) {
    const std::size_t all = count == 1 ? 1 : 2 * count;
    if (progress) progress("calibrating", static_cast<double>(runs) / static_cast<double>(all));
  };
  tell(0);
  for (std::size_t i = 0; count > 1 && i < count; ++i) {
    EvaluateOptions options;
    options.observe = [&](ValueId id, const Tensor& tensor) {
      if (gatherer.is_wanted(id)) gatherer.widen(id, tensor, static_cast<std::int64_t>(i));
    };
    evaluate(graph, samples.at(i), options);
    tell(i + 1);
  }
  for (std::size_t i = 0; i < count; ++i) {
    EvaluateOptions options;
    options.observe = [&](ValueId id, const Tensor& tensor) {
      if (i + 1 == count && observe_last) observe_last(id, tensor);
      if (!gatherer.is_wanted(id)) return;
      if (count == 1) gatherer.widen(id, tensor, 0);
      gatherer.count(id, tensor, static_cast<std::int64_t>(i));
    };
    evaluate(graph, samples.at(i), options);
    tell(count == 1 ? 1 : count + i + 1);
  }
  return gatherer.result();
}

// What damaged entries or other programs could have put there must not reach a quantizer.
bool fits(const Statistics& statistics, const std::vector<std::string>& names) {
  return statistics.size() == names.size() &&
         std::ranges::all_of(names, [&](const std::string& n) { return statistics.contains(n); });
}

}  // namespace

Statistics collect_statistics(const Graph& graph, const SampleSource& samples,
                              const std::function<bool(const Value&)>& wanted,
                              const StageProgress& progress, const TensorObserver& observe_last) {
  CHECK(samples.count > 0, "statistics without a sample");
  Gatherer gatherer(graph, static_cast<std::int64_t>(samples.count), wanted);
  if (!samples.cache) return gathered(graph, samples, gatherer, progress, observe_last);
  const std::vector<std::string> names = wanted_names(graph, gatherer);
  const std::string key = cache_key(graph, names, samples);
  if (auto known = cached_statistics(*samples.cache, key); known && fits(*known, names)) {
    if (observe_last) evaluate(graph, samples.at(samples.count - 1), {.observe = observe_last});
    if (progress) progress("calibrating", 1);
    return std::move(*known);
  }
  Statistics statistics = gathered(graph, samples, gatherer, progress, observe_last);
  cache_statistics(*samples.cache, key, statistics);
  return statistics;
}

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
