#include "compiler/quantize/activation_thresholds.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>
#include <vector>

#include "compiler/quantize/histogram.h"
#include "compiler/quantize/threshold_choice.h"
#include "core/math.h"
#include "core/parallel.h"

namespace workbench {

namespace {

std::vector<bool> results(const Graph& graph) {
  std::vector<bool> result(graph.values.size(), false);
  for (const ValueId id : graph.outputs) result[static_cast<std::size_t>(id)] = true;
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    const Node& node = graph.nodes[n];
    if (!traits(node.op).hands_on || !result[static_cast<std::size_t>(node.outputs[0])]) continue;
    for (const ValueId id : node.inputs) {
      if (id != kNoValue) result[static_cast<std::size_t>(id)] = true;
    }
  }
  return result;
}

double threshold(const MagnitudeHistogram& histogram, const Recipe& recipe, ThresholdMethod method,
                 const Quantization& format) {
  switch (method) {
    case ThresholdMethod::Max:
      return histogram.max;
    case ThresholdMethod::Percentile:
      return percentile_threshold(histogram, recipe.percentile / 100);
    case ThresholdMethod::Mse:
      // As in the search by J divergence (xdnn.md 3.7), few values have a rule of their own.
      if (recipe.activation_scale == ScaleKind::Real &&
          histogram.counts.size() <= static_cast<std::size_t>(format.high())) {
        return tail_threshold(histogram, format.bits, format.is_signed);
      }
      return mse_threshold(histogram, format.bits, format.is_signed, recipe.activation_scale);
    case ThresholdMethod::KlJ:
      return j_divergence_threshold(
          histogram,
          DivergenceRule{.levels = std::size_t{1} << (format.bits - (format.is_signed ? 1 : 0)),
                         .skip_empty_bins = !recipe.maximum_at_empty_bin});
  }
  CHECK(false, "method {}", static_cast<int>(method));
}

}  // namespace

Thresholds activation_thresholds(const Graph& graph, const Statistics& statistics,
                                 const Recipe& recipe, const QuantizeTarget& target) {
  Thresholds thresholds;
  for (const auto& [name, of_value] : statistics) {
    const double largest = of_value.histogram.max;
    thresholds[name] = largest < kDeadMagnitude ? 0 : largest;
  }
  const Graph formats = target.annotate(graph, thresholds);
  const std::vector<bool> is_result = results(graph);
  std::vector<std::pair<double*, const Value*>> chosen;
  for (std::size_t i = 0; i < graph.values.size(); ++i) {
    const Value& value = formats.values[i];
    const auto found = thresholds.find(value.name);
    const auto id = static_cast<ValueId>(i);
    const bool is_input =
        std::find(graph.inputs.begin(), graph.inputs.end(), id) != graph.inputs.end();
    if (found == thresholds.end() || found->second <= 0 || !value.quantization || value.constant ||
        is_input || (is_result[i] && recipe.outputs_at_max)) {
      continue;
    }
    chosen.emplace_back(&found->second, &value);
  }
  parallel_for(static_cast<std::int64_t>(chosen.size()), 0, [&](std::int64_t i) {
    const auto& [result, value] = chosen[static_cast<std::size_t>(i)];
    *result = threshold(statistics.at(value->name).histogram, recipe, recipe.activation_method,
                        *value->quantization);
  });
  return thresholds;
}

void make_steps_powers_of_two(Graph& annotated) {
  for (Value& value : annotated.values) {
    if (value.constant || !value.quantization) continue;
    Quantization& quantization = *value.quantization;
    const int exponent = quantization.bits - (quantization.is_signed ? 1 : 0);
    for (double& t : quantization.thresholds) {
      const double octave = std::ceil(math::log2(t));
      t = std::ldexp(static_cast<double>(quantization.high()), static_cast<int>(octave) - exponent);
    }
  }
}

}  // namespace workbench
