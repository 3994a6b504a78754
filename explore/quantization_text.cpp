#include "explore/quantization_text.h"

#include <algorithm>
#include <cmath>

#include "explore/table.h"

namespace workbench {

namespace {

// 2^-7, or 0.0123 where it is no power of two.
std::string step_text(double step) {
  int exponent = 0;
  return std::frexp(step, &exponent) == 0.5 ? fmt::format("2^{}", exponent - 1)
                                            : fmt::format("{:.6g}", step);
}

std::string format_text(const Quantization& quantization) {
  std::string text = fmt::format("{}int{}", quantization.is_signed ? "" : "u", quantization.bits);
  const auto& thresholds = quantization.thresholds;
  const auto [low, high] = std::minmax_element(thresholds.begin(), thresholds.end());
  const std::size_t first = static_cast<std::size_t>(low - thresholds.begin());
  const std::size_t last = static_cast<std::size_t>(high - thresholds.begin());
  text += " x " + step_text(quantization.step(first));
  if (*low != *high) text += ".." + step_text(quantization.step(last));
  return text;
}

std::string format_of(const Graph& graph, ValueId id) {
  if (id == kNoValue || !graph.value(id).quantization) return "real";
  return format_text(*graph.value(id).quantization);
}

// The value that speaks for the group a value is in.
std::string shared_with(const Graph& graph, ValueId id) {
  for (const ScaleGroup& group : graph.scale_groups) {
    if (group.members.size() < 2) continue;
    if (std::find(group.members.begin(), group.members.end(), id) != group.members.end()) {
      return group.reason;
    }
  }
  return "";
}

bool has_weights(const Graph& graph, const Node& node) {
  const bool weighted = std::holds_alternative<Conv>(node.op) ||
                        std::holds_alternative<ConvTranspose>(node.op) ||
                        std::holds_alternative<Gemm>(node.op);
  return weighted && graph.value(node.inputs.at(1)).constant.has_value();
}

Table layer_table(const Graph& graph) {
  Table table{.columns = {{"layer", false, 40},
                          {"op", false},
                          {"weights", false, 32},
                          {"result", false},
                          {"scale shared by", false, 40}}};
  for (const ValueId id : graph.inputs) {
    table.rows.push_back(
        {graph.value(id).name, "input", "", format_of(graph, id), shared_with(graph, id)});
  }
  for (const Node& node : graph.nodes) {
    const ValueId out = node.outputs[0];
    table.rows.push_back({node.name, op_name(node.op),
                          has_weights(graph, node) ? format_of(graph, node.inputs[1]) : "",
                          format_of(graph, out), shared_with(graph, out)});
  }
  return table;
}

std::string lowering_text(const std::vector<LoweringDifference>& differences) {
  std::int64_t values = 0;
  std::size_t inexact = 0;
  std::string layers;
  for (const LoweringDifference& layer : differences) {
    values += layer.values;
    if (layer.differing == 0) continue;
    ++inexact;
    layers += fmt::format(
        "             {}: {} of {} codes, by at most {}\n", layer.layer, thousands(layer.differing),
        thousands(layer.values),
        layer.largest_steps == 1 ? "1 step" : thousands(layer.largest_steps) + " steps");
  }
  if (differences.empty()) return "lowering     the scheme's own arithmetic\n";
  if (inexact == 0) {
    return fmt::format("lowering     exact: {} codes of {} layers, each on the scheme's operands\n",
                       thousands(values), differences.size());
  }
  return fmt::format(
             "lowering     {} of {} layers differ from the scheme's own arithmetic, each on "
             "the scheme's operands:\n",
             inexact, differences.size()) +
         layers;
}

}  // namespace

std::string quantization_text(const QuantizedNetwork& network, const ImageSet& calibration,
                              const std::vector<LoweringDifference>& differences) {
  std::string text;
  for (const std::string& line : lines(layer_table(network.annotated))) text += line + "\n";
  const std::string images = calibration.samples.count == 1
                                 ? "1 image"
                                 : fmt::format("{} images", calibration.samples.count);
  text += fmt::format("\nnetwork      {}\ntarget       {}{}\nscheme       {}\ncalibrated   {}\n",
                      network.imported.name, network.target,
                      network.machine ? " (" + name(*network.machine) + ")" : "", network.scheme,
                      network.calibrated ? fmt::format("on {} of {}", images, calibration.name)
                                         : "by whoever made the file: all codes came with it");
  for (const std::string& note : network.notes) text += "             " + note + "\n";
  return text + lowering_text(differences);
}

std::vector<std::string> dead_values(const QuantizedNetwork& network) {
  constexpr std::size_t kNamed = 5;
  std::vector<std::string> names;
  if (!network.calibrated) return {};
  const auto look_at = [&](ValueId id) {  // not at values that passes left without a node
    if (id == kNoValue) return;
    const std::string& name = network.floats.value(id).name;
    const auto seen = network.statistics.find(name);
    if (seen == network.statistics.end()) return;
    if (seen->second.low == 0 && seen->second.high == 0) names.push_back("'" + name + "'");
  };
  for (const ValueId id : network.floats.inputs) look_at(id);
  for (const Node& node : network.floats.nodes) {
    for (const ValueId id : node.outputs) look_at(id);
  }
  if (names.empty()) return {};
  const std::size_t more = names.size() - std::min(names.size(), kNamed);
  names.resize(names.size() - more);
  return {fmt::format("calibration: expected numbers other than 0, found none in {}{}",
                      fmt::join(names, ", "), more > 0 ? fmt::format(" and {} more", more) : "")};
}

}  // namespace workbench
