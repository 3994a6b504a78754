#include "explore/flow/quantization_report.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "compiler/import/export.h"
#include "compiler/import/qoperator_form.h"
#include "compiler/quantize/fake_quantize.h"
#include "compiler/quantize/nemo_onnx.h"
#include "compiler/quantize/quantize.h"
#include "compiler/quantize/table.h"
#include "core/error.h"
#include "core/eval/evaluate.h"
#include "core/parallel.h"
#include "data/image_set.h"
#include "data/samples.h"
#include "explore/flow/quantization.h"
#include "explore/report/text.h"
#include "sim/golden/golden.h"

namespace workbench {

namespace {

using RealValues = std::map<std::string, Tensor>;  // float32 by value name

std::string_view without_suffix(std::string_view name) {
  for (const std::string_view suffix : {"_int8", "_quantized", "_float"}) {
    if (name.ends_with(suffix)) return name.substr(0, name.size() - suffix.size());
  }
  return name;
}

// Every value of the reference after its rounding, under the name of what was rounded.
RealValues rounded_values(const Graph& reference, std::span<const Tensor> sample) {
  RealValues values;
  std::map<ValueId, std::string> rounded_from;  // output of a Dequantize -> what was quantized
  const auto writers = producers(reference);
  for (const Node& node : reference.nodes) {
    if (!std::holds_alternative<Dequantize>(node.op)) continue;
    const std::ptrdiff_t writer = writers[static_cast<std::size_t>(node.inputs[0])];
    if (writer < 0) continue;
    const Node& quantize = reference.nodes[static_cast<std::size_t>(writer)];
    rounded_from[node.outputs[0]] = reference.value(quantize.inputs[0]).name;
  }
  evaluate(reference, sample, {.observe = [&](ValueId id, const Tensor& tensor) {
             if (tensor.type() != ElementType::Float32) return;
             const auto found = rounded_from.find(id);
             if (found != rounded_from.end()) {
               values.insert_or_assign(found->second, tensor);
             } else {
               values.emplace(reference.value(id).name, tensor);
             }
           }});
  return values;
}

const Tensor* find_real(const RealValues& values, const std::string& name) {
  auto found = values.find(name);
  if (found == values.end()) found = values.find(std::string(without_suffix(name)));
  return found == values.end() ? nullptr : &found->second;
}

// Codes of any type as int64.
std::int64_t code_at(const Tensor& codes, std::size_t i) {
  switch (codes.type()) {
    case ElementType::Int8:
      return codes.values<std::int8_t>()[i];
    case ElementType::Uint8:
      return codes.values<std::uint8_t>()[i];
    case ElementType::Int16:
      return codes.values<std::int16_t>()[i];
    case ElementType::Int32:
      return codes.values<std::int32_t>()[i];
    default:
      CHECK(false, "{} are no codes", to_string(codes.type()));
  }
}

// One node of `integers` as a network of its own, which is given real numbers.
struct Alone {
  Graph graph;
  std::vector<std::string> operands;  // names in the network, as graph.inputs
};

Alone alone(const Graph& integers, const Node& node) {
  Alone result;
  Graph& graph = result.graph;
  graph.name = node.name;
  Node copy = node;
  for (ValueId& id : copy.inputs) {
    if (id == kNoValue) continue;
    Value value = integers.value(id);
    if (value.constant) {
      id = graph.add_value(std::move(value));
      continue;
    }
    result.operands.push_back(value.name);
    value.quantization->rounding = Rounding::HalfEven;  // of numbers that are codes already
    const ValueId real = graph.add_value({.name = value.name + "/real", .shape = value.shape});
    graph.inputs.push_back(real);
    id = graph.add_value(std::move(value));
    graph.nodes.push_back({.name = graph.value(real).name + "/quantize",
                           .op = Quantize{},
                           .inputs = {real},
                           .outputs = {id}});
  }
  for (ValueId& id : copy.outputs) id = graph.add_value(integers.value(id));
  graph.outputs = copy.outputs;
  graph.nodes.push_back(std::move(copy));
  return result;
}

bool has_codes(const Graph& graph, ValueId id) {
  return id != kNoValue && graph.value(id).quantization && !graph.value(id).constant &&
         graph.value(id).type != ElementType::Float32;
}

// Nodes that compute codes from codes.
bool is_integer_layer(const Graph& graph, const Node& node) {
  return (node.requantize || node.affine) && !node.inputs.empty() &&
         has_codes(graph, node.inputs[0]) && has_codes(graph, node.outputs[0]);
}

void add_differences(const Tensor& codes, const Quantization& quantization, const Tensor& wanted,
                     LoweringDifference& difference) {
  const auto reals = wanted.values<float>();
  // Logits alone have a scale per channel (axis 1), and no spatial dimensions.
  const std::size_t channels = quantization.thresholds.size();
  for (std::size_t i = 0; i < reals.size(); ++i) {
    const std::size_t channel = channels == 1 ? 0 : i % channels;
    const double step = quantization.step(channel);
    const auto code = static_cast<double>(code_at(codes, i) - quantization.zero_point(channel));
    const double steps = std::round(std::fabs(code - static_cast<double>(reals[i]) / step));
    if (steps > 0) ++difference.differing;
    difference.largest_steps =
        std::max(difference.largest_steps, static_cast<std::int64_t>(std::min(steps, 1e15)));
  }
  difference.values += static_cast<std::int64_t>(reals.size());
}

// Of one layer and sample; nothing where the scheme has no such value.
void measure_layer(const Graph& integers, const Node& node, const RealValues& values,
                   LoweringDifference& difference) {
  const Value& out = integers.value(node.outputs[0]);
  const Tensor* wanted = find_real(values, out.name);
  if (wanted == nullptr || wanted->size() != element_count(out.shape)) return;
  const Alone layer = alone(integers, node);
  std::vector<Tensor> operands;
  for (std::size_t i = 0; i < layer.operands.size(); ++i) {
    const Tensor* real = find_real(values, layer.operands[i]);
    const Shape& shape = layer.graph.value(layer.graph.inputs[i]).shape;
    if (real == nullptr || real->shape() != shape) return;
    operands.push_back(*real);
  }
  const std::vector<Tensor> results = golden::run(layer.graph, operands);
  add_differences(results[static_cast<std::size_t>(layer.graph.outputs[0])], *out.quantization,
                  *wanted, difference);
}

}  // namespace

std::vector<LoweringDifference> lowering_differences(const Quantized& network,
                                                     const SampleSource& samples,
                                                     std::size_t count) {
  std::vector<const Node*> layers;
  for (const Node& node : network.integers.nodes) {
    if (is_integer_layer(network.integers, node)) layers.push_back(&node);
  }
  std::vector<LoweringDifference> differences(layers.size());
  for (std::size_t i = 0; i < layers.size(); ++i) differences[i].layer = layers[i]->name;
  for (std::size_t sample = 0; sample < std::min(count, samples.count); ++sample) {
    const RealValues values = rounded_values(network.reference, samples.at(sample));
    parallel_for(static_cast<std::int64_t>(layers.size()), 0, [&](std::int64_t i) {
      const auto at = static_cast<std::size_t>(i);
      measure_layer(network.integers, *layers[at], values, differences[at]);
    });
  }
  std::erase_if(differences, [](const LoweringDifference& layer) { return layer.values == 0; });
  return differences;
}

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

// Layers that are off by one step alone, in one line: rounding differs, nothing is wrong with them.
std::string rounding_text(const std::vector<LoweringDifference>& differences) {
  std::int64_t values = 0, differing = 0;
  std::size_t layers = 0;
  const LoweringDifference* most = nullptr;
  for (const LoweringDifference& layer : differences) {
    if (layer.differing == 0 || layer.largest_steps > 1) continue;
    ++layers;
    values += layer.values;
    differing += layer.differing;
    if (most == nullptr || layer.differing > most->differing) most = &layer;
  }
  if (layers == 0) return "";
  return fmt::format(
      "             {} layer{}: {} of {} codes, by at most 1 step, most in {} ({})\n", layers,
      layers == 1 ? "" : "s", thousands(differing), thousands(values), most->layer,
      thousands(most->differing));
}

std::string lowering_text(const std::vector<LoweringDifference>& differences) {
  std::int64_t values = 0;
  std::size_t inexact = 0;
  std::string layers;
  for (const LoweringDifference& layer : differences) {
    values += layer.values;
    if (layer.differing == 0) continue;
    ++inexact;
    if (layer.largest_steps == 1) continue;
    layers += fmt::format("             {}: {} of {} codes, by at most {} steps\n", layer.layer,
                          thousands(layer.differing), thousands(layer.values),
                          thousands(layer.largest_steps));
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
         layers + rounding_text(differences);
}

}  // namespace

std::string quantization_text(const Quantized& network, const ImageSet& calibration,
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
                                         : "by the file's producer: all codes came with it");
  for (const std::string& note : network.notes) text += "             " + note + "\n";
  return text + lowering_text(differences);
}

std::vector<std::string> dead_values(const Quantized& network) {
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

namespace {

void require_xfdnn(std::string_view target) {
  if (target == "xdnn") return;
  fail("--save-quantizer: expected --target xdnn, or --scheme graffitist, found {}", target);
}

std::string_view name_of(ModelFormat format) {
  return format == ModelFormat::Qdq         ? "qdq"
         : format == ModelFormat::QOperator ? "qoperator"
                                            : "nemo";
}

}  // namespace

ModelFormat model_format(std::string_view name) {
  if (name == "qdq") return ModelFormat::Qdq;
  if (name == "qoperator") return ModelFormat::QOperator;
  if (name == "nemo") return ModelFormat::Nemo;
  fail("--format: expected qdq, qoperator or nemo, found '{}'", name);
}

void require_format(ModelFormat format, std::string_view target) {
  if (format == ModelFormat::Nemo && target != "pulp") {
    fail("--format nemo: expected --target pulp, found {}", target);
  }
}

void require_code_width(ModelFormat format, const CompileRequest& request) {
  const std::optional<Machine> machine = machine_of(request);
  const auto* xdnn = machine ? std::get_if<xdnn::Machine>(&*machine) : nullptr;
  if (xdnn == nullptr || xdnn->array.bits == 8) return;
  fail("--format {}: expected a machine with codes of 8 bits, found {} with {}", name_of(format),
       name(*machine), xdnn->array.bits);
}

Graph quantized_model(const Quantized& network, ModelFormat format) {
  if (format == ModelFormat::Nemo) return nemo_onnx_form(network.integers);
  const bool qlinear = format == ModelFormat::QOperator;
  for (const Value& value : network.annotated.values) {
    const auto& codes = value.quantization;
    if (!codes || codes->bits == 8) continue;
    // A bias that came so has DequantizeLinear; QLinear operators have bytes alone.
    if (value.constant && (codes->bits == 32 || codes->bits < 8)) continue;
    if (!qlinear && codes->bits < 8) continue;
    fail(
        "--format {}: value '{}': expected codes of {}, found {}; 'run' and 'accuracy' take "
        "widths themselves, without such a file",
        name_of(format), value.name,
        qlinear ? "8 bits: --format qdq has narrower" : "at most 8 bits", codes->bits);
  }
  if (!qlinear) return fake_quantized(network.annotated);
  return qoperator_form(fake_quantized(with_byte_weights(network.annotated)));
}

namespace {

// How many values have codes of each width below 8 bits.
std::map<int, std::int64_t> narrow_values(const Graph& annotated) {
  std::map<int, std::int64_t> values;
  for (const Value& value : annotated.values) {
    if (value.quantization && value.quantization->bits < 8) ++values[value.quantization->bits];
  }
  return values;
}

std::string written_as(int bits, ModelFormat format) {
  if (format == ModelFormat::QOperator) return "bytes, which QLinear operators have alone";
  return bits == 4 ? "INT4 or UINT4, which are of opset 21" : "bytes, behind a Clip to that width";
}

}  // namespace

std::vector<std::string> write_quantized_model(const Quantized& network, const Graph& model,
                                               ModelFormat format,
                                               const std::filesystem::path& path) {
  const bool qlinear = format == ModelFormat::QOperator;
  export_onnx(model, path, qlinear ? CodesForm::QOperator : CodesForm::Qdq);
  std::vector<std::string> remarks;
  if (format == ModelFormat::Nemo) return remarks;
  for (const auto& [bits, count] : narrow_values(network.annotated)) {
    remarks.push_back(fmt::format("codes of {} bits ({} tensor{}) as {}", bits, count,
                                  count == 1 ? "" : "s", written_as(bits, format)));
  }
  if (!qlinear) return remarks;
  const std::vector<std::string> others = without_qlinear_form(model);
  if (!others.empty()) remarks.emplace_back("in QDQ form, as no QLinear operator can be:");
  remarks.insert(remarks.end(), others.begin(), others.end());
  return remarks;
}

std::vector<std::string> rounding_notes(const Graph& model) {
  std::vector<std::string> notes;
  for (const Node& node : model.nodes) {
    if (!std::holds_alternative<Quantize>(node.op)) continue;
    const Rounding rounding = model.value(node.outputs[0]).quantization->rounding;
    if (rounding != Rounding::Floor && rounding != Rounding::TowardZero) continue;
    notes.push_back(
        fmt::format("value '{}': the target cuts fractions off, QuantizeLinear rounds: codes that "
                    "other tools compute from the file differ by up to 1 step",
                    model.value(node.inputs[0]).name));
  }
  return notes;
}

NamedTensors computed_values(const Graph& model, std::span<const Tensor> inputs) {
  std::vector<Tensor> values = golden::run(model, inputs);
  NamedTensors named;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Value& value = model.values[i];
    if (!value.constant && values[i].size() > 0) named.emplace(value.name, std::move(values[i]));
  }
  return named;
}

void require_quantizer_file(const CompileRequest& request) {
  const Scheme scheme = scheme_named(request.scheme, request.transforms);
  if (scheme.flow != Scheme::Flow::Graffitist) require_xfdnn(request.target);
}

std::string quantizer_file(const Quantized& network) {
  if (!network.quantizer_parameters.empty()) return network.quantizer_parameters;
  require_xfdnn(network.target);
  return to_json(quantizer_table(network.integers));
}

}  // namespace workbench
