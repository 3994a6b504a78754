#include "explore/bits/width_programs.h"

#include <utility>

#include "core/error.h"
#include "explore/flow/caching_target.h"
#include "explore/sweep/evaluate.h"

namespace workbench {

WidthGraphs::WidthGraphs(const WidthNetwork& network, const Widths& widths) : widths_(widths) {
  for (std::size_t c = 0; c < widths.choices.size(); ++c) {
    const Options all(widths.variables.size(), c);
    of_one_width_.push_back(annotated_with(network, code_bits(widths, all), false));
  }
}

Graph WidthGraphs::annotated(const Options& options) const {
  Graph graph = of_one_width_.front();
  for (std::size_t v = 0; v < options.size(); ++v) {
    if (options[v] == 0) continue;
    const Graph& narrow = of_one_width_.at(options[v]);
    for (const ValueId id : widths_.variables[v].values) {
      graph.value(id).quantization = narrow.value(id).quantization;
    }
  }
  return graph;
}

WidthPrograms::WidthPrograms(const Network& network, const Machine& machine)
    : network_(network), target_(caching_target(machine)) {
  const Quantized& base = network.base;
  base_.target = base.target;
  base_.scheme = base.scheme;
  base_.machine = base.machine;
  base_.left_to_host = base.left_to_host;
  base_.warnings = base.warnings;
  base_.notes = base.notes;
}

Compiled WidthPrograms::compiled(const Options& options) {
  base_.integers = network_.widened.target.lower(network_.graphs.annotated(options));
  return compile_network(network_.imported, base_, target_, network_.request, false);
}

std::optional<PointResult> WidthPrograms::figures(const Options& options, bool layers) {
  std::optional<Compiled> program;
  try {
    program = compiled(options);
  } catch (const Error& error) {
    if (refusal_.empty()) refusal_ = error.what();
    return std::nullopt;
  }
  return analytic_figures(*program, network_.request.technology, layers);
}

}  // namespace workbench
