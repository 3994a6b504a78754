#include "explore/flow/float_evaluation.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>

#include "compiler/import/tflite_integers.h"
#include "compiler/quantize/saturation.h"
#include "core/error.h"
#include "core/eval/evaluate.h"
#include "data/arrays.h"
#include "data/channels.h"
#include "data/image.h"
#include "data/image_set.h"
#include "explore/report/text.h"

namespace workbench {

namespace fs = std::filesystem;

namespace {

// Arrays of integers stand for floats and wider integers, and doubles for floats: exporters and
// array files disagree about them.
bool converts(ElementType from, ElementType to) {
  if (from == to) return true;
  if (to == ElementType::Float32) return from != ElementType::Bool;
  return (to == ElementType::Int32 || to == ElementType::Int64) &&
         (from == ElementType::Int32 || from == ElementType::Int64);
}

Tensor converted(const Tensor& array, ElementType type) {
  if (array.type() == type) return array;
  const std::vector<double> values = numbers(array);
  const auto convert = [&]<typename T>(T) {
    std::vector<T> results;
    for (const double value : values) results.push_back(static_cast<T>(value));
    return Tensor::from<T>(array.shape(), results);
  };
  if (type == ElementType::Int32) return convert(std::int32_t{});
  if (type == ElementType::Int64) return convert(std::int64_t{});
  return convert(float{});
}

Shape without_ones(Shape shape) {
  std::erase(shape, 1);
  return shape;
}

// Tools of other formats give codes where an imported network has real numbers, and images with
// channels last where it has them first (docs/formats.md).

bool renames(const Node& node) { return traits(node.op).silent && traits(node.op).moves_data; }

// The codes that an input becomes at once, under whatever shape; none where there are none.
std::optional<Quantization> codes_behind(const Graph& graph, ValueId input) {
  for (const Node& node : graph.nodes) {
    if (node.inputs[0] != input) continue;
    if (std::holds_alternative<Quantize>(node.op)) {
      return graph.value(node.outputs[0]).quantization;
    }
    if (renames(node)) input = node.outputs[0];
  }
  return std::nullopt;
}

// The codes that an output was last.
std::optional<Quantization> codes_before(const Graph& graph, ValueId output) {
  for (auto node = graph.nodes.rbegin(); node != graph.nodes.rend(); ++node) {
    if (node->outputs[0] != output) continue;
    if (std::holds_alternative<Dequantize>(node->op)) {
      return graph.value(node->inputs[0]).quantization;
    }
    if (renames(*node)) output = node->inputs[0];
  }
  return std::nullopt;
}

bool holds_codes(const Tensor& array, const Value& value,
                 const std::optional<Quantization>& codes) {
  return codes && codes->thresholds.size() == 1 && value.type == ElementType::Float32 &&
         array.type() == storage_type(*codes);
}

// `array` as real numbers in the order of `value`.
Tensor translated(const Tensor& array, const Value& value,
                  const std::optional<Quantization>& codes) {
  Tensor result = array;
  if (holds_codes(array, value, codes)) {
    std::vector<float> reals;
    for (const double code : numbers(array)) {
      reals.push_back(
          static_cast<float>((code - static_cast<double>(codes->zero_point())) * codes->step()));
    }
    result = Tensor::from<float>(array.shape(), reals);
  }
  return channels_as_in(value.shape, result);
}

Tensor fitted(const Tensor& array, const Value& input, const std::string& file) {
  if (!converts(array.type(), input.type) ||
      without_ones(array.shape()) != without_ones(input.shape)) {
    fail("{}: input '{}': expected {} {}, found {} {}", file, input.name, to_string(input.type),
         to_string(input.shape), to_string(array.type()), to_string(array.shape()));
  }
  return converted(array, input.type).reshaped(input.shape);
}

bool may_be(const Tensor& array, const Value& value) {
  const Shape fitting = channels_as_in(value.shape, array).shape();
  return without_ones(fitting) == without_ones(value.shape);
}

// The array of an archive for value `i`: of its name; the only one for the only value; as numbered
// (numpy's arr_0, or PREFIX_0); else the only one of its shape. Nothing where there is none.
std::optional<Tensor> array_for(const Graph& graph, const std::vector<ValueId>& ids, std::size_t i,
                                const std::map<std::string, Tensor>& members,
                                std::string_view prefix) {
  const Value& value = graph.value(ids[i]);
  if (const auto named = members.find(value.name); named != members.end()) return named->second;
  if (ids.size() == 1 && members.size() == 1) return members.begin()->second;
  for (const std::string& name : {fmt::format("{}_{}", prefix, i), fmt::format("arr_{}", i)}) {
    const auto numbered = members.find(name);
    if (numbered != members.end() && may_be(numbered->second, value)) return numbered->second;
  }
  std::optional<Tensor> only;
  for (const auto& [name, array] : members) {
    const bool is_other =
        std::ranges::any_of(ids, [&](ValueId id) { return graph.value(id).name == name; });
    if (is_other || !may_be(array, value)) continue;
    if (only) return std::nullopt;
    only = array;
  }
  return only;
}

using ReadArray = std::function<Tensor(const fs::path&, const Value&)>;

Tensor array_in(const fs::path& file, const Value& /*value*/) {
  return file.extension() == ".pb" ? read_tensor_proto(file) : read_npy(file);
}

// Images become input as the network's steps say.
ReadArray input_reader(const EvaluationRequest& request) {
  const auto steps = merge_preprocessing(
      preprocessing_file(request.model.name, request.preprocessing), request.steps);
  return [steps](const fs::path& file, const Value& input) {
    if (!is_image_name(file)) return array_in(file, input);
    return read_samples(file, input.shape, steps, 1).front();
  };
}

// The array of each value of `ids`, from files in their order or from one archive; nothing where
// there is none. `prefix`: "input" or "output".
std::vector<std::optional<Tensor>> arrays_of(const Graph& graph, const std::vector<ValueId>& ids,
                                             const std::vector<fs::path>& files,
                                             std::string_view prefix,
                                             const ReadArray& read = array_in) {
  std::vector<std::optional<Tensor>> arrays(ids.size());
  if (files.size() == 1 && files[0].extension() == ".npz") {
    const std::map<std::string, Tensor> members = read_npz(files[0]);
    for (std::size_t i = 0; i < ids.size(); ++i) {
      arrays[i] = array_for(graph, ids, i, members, prefix);
    }
    return arrays;
  }
  if (files.size() > ids.size()) {
    fail("{}: expected at most {} arrays, one for each in the network, found {}",
         files.back().string(), ids.size(), files.size());
  }
  for (std::size_t i = 0; i < files.size(); ++i) {
    arrays[i] = read(files[i], graph.value(ids[i]));
  }
  return arrays;
}

bool rescales_integers(const Graph& graph) {
  return std::ranges::any_of(graph.nodes, [](const Node& node) { return node.affine.has_value(); });
}

// The network with the sizes of the given arrays where its file leaves sizes open.
ModelImport sized_by(const ModelSource& source, const std::vector<fs::path>& files,
                     const ReadArray& read) {
  ModelImport network = load_with_notes(source);
  if (files.empty() || is_zoo(source)) return network;
  const Graph& graph = network.graph;
  const auto arrays = arrays_of(graph, graph.inputs, files, "input", read);
  ModelSource sized = source;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const Value& input = graph.value(graph.inputs[i]);
    if (!arrays[i] || may_be(*arrays[i], input)) continue;
    sized.import.likely_shapes[input.name] = arrays[i]->shape();
  }
  return sized.import.likely_shapes.empty() ? network : load_with_notes(sized);
}

std::vector<Tensor> inputs_of(const Graph& graph, const std::vector<fs::path>& files,
                              const ReadArray& read) {
  if (files.empty()) {
    return rescales_integers(graph) ? synthetic_codes(graph) : synthetic_inputs(graph);
  }
  const auto arrays = arrays_of(graph, graph.inputs, files, "input", read);
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    const Value& input = graph.value(graph.inputs[i]);
    if (!arrays[i]) fail("{}: expected an array for input '{}'", files[0].string(), input.name);
    const Tensor array = translated(*arrays[i], input, codes_behind(graph, graph.inputs[i]));
    inputs.push_back(fitted(array, input, files[std::min(i, files.size() - 1)].string()));
  }
  return inputs;
}

// Codes may be off by one: other tools round elsewhere.
Evaluation::Comparison against(const Tensor& expected, const std::string& name, const Tensor& got,
                               double step) {
  if (without_ones(expected.shape()) != without_ones(got.shape())) {
    fail("output '{}': expected {}, as the file has it, found {}", name,
         to_string(expected.shape()), to_string(got.shape()));
  }
  const std::vector<double> values = numbers(expected);
  double largest = 0;
  for (const double value : values) {
    if (std::isfinite(value)) largest = std::max(largest, std::abs(value));
  }
  const Difference found = difference(
      name, values, numbers(got),
      {.absolute = std::max(Evaluation::kTolerance * largest, step * Evaluation::kOneCode)});
  return {found, largest > 0 ? found.largest_error / largest : found.largest_error, step};
}

}  // namespace

namespace {

bool is_real(const Tensor& tensor) {
  return tensor.type() == ElementType::Float32 || tensor.type() == ElementType::Float64;
}

// Codes are equal or they are not; a difference of 1 is one code.
Evaluation::Comparison exactly(const Tensor& expected, const std::string& name, const Tensor& got) {
  if (is_real(expected) || is_real(got)) return against(expected, name, got, 0);
  Evaluation::Comparison found = against(expected, name, got, 0);
  found.difference = difference(name, numbers(expected), numbers(got), {});
  found.step = 1;
  return found;
}

// Codes, or real numbers that become codes.
std::vector<Tensor> integer_inputs(const Graph& interface, const std::vector<fs::path>& files,
                                   const ReadArray& read) {
  if (files.empty()) return synthetic_inputs(interface);
  const auto arrays = arrays_of(interface, interface.inputs, files, "input", read);
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < arrays.size(); ++i) {
    Value input = interface.value(interface.inputs[i]);
    if (!arrays[i]) fail("{}: expected an array for input '{}'", files[0].string(), input.name);
    const Tensor array = channels_as_in(input.shape, *arrays[i]);
    if (is_real(array)) input.type = ElementType::Float32;
    inputs.push_back(fitted(array, input, files[std::min(i, files.size() - 1)].string()));
  }
  return inputs;
}

Evaluation evaluate_integers(const EvaluationRequest& request) {
  if (is_zoo(request.model) || request.passes) {
    fail("--integers: expected a TensorFlow Lite file, without --optimized");
  }
  const Graph interface = tflite_interface(request.model.name);
  const std::vector<Tensor> inputs =
      integer_inputs(interface, request.inputs, input_reader(request));
  Evaluation evaluation;
  const std::vector<Tensor> results =
      evaluate_tflite(request.model.name, inputs, request.integers == "twice");
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    evaluation.inputs.emplace_back(interface.value(interface.inputs[i]).name, inputs[i]);
  }
  for (std::size_t i = 0; i < results.size(); ++i) {
    evaluation.outputs.emplace_back(interface.value(interface.outputs[i]).name, results[i]);
  }
  const auto expected = arrays_of(interface, interface.outputs, request.expected, "output");
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto& [name, got] = evaluation.outputs[i];
    if (!expected[i]) continue;
    evaluation.comparisons.push_back(exactly(channels_as_in(got.shape(), *expected[i]), name, got));
  }
  return evaluation;
}

}  // namespace

Evaluation evaluate_network(const EvaluationRequest& request) {
  if (!request.integers.empty()) return evaluate_integers(request);
  Evaluation evaluation;
  const ReadArray read = input_reader(request);
  ModelImport network = sized_by(request.model, request.inputs, read);
  evaluation.warnings = std::move(network.notes);
  Graph graph = std::move(network.graph);
  const Graph imported = graph;
  const std::vector<Tensor> inputs = inputs_of(graph, request.inputs, read);
  if (request.passes) {
    run_passes(graph, float_pipeline(request.switches));
    graph = with_saturation(std::move(graph), ranges_of_pairs(imported));
  }
  const std::vector<Tensor> results = evaluate(graph, inputs);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    evaluation.inputs.emplace_back(graph.value(graph.inputs[i]).name, inputs[i]);
  }
  for (std::size_t i = 0; i < results.size(); ++i) {
    evaluation.outputs.emplace_back(graph.value(graph.outputs[i]).name, results[i]);
  }
  if (request.expected.empty()) return evaluation;
  const auto expected = arrays_of(graph, graph.outputs, request.expected, "output");
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto& [name, got] = evaluation.outputs[i];
    if (!expected[i]) continue;
    const Value& output = graph.value(graph.outputs[i]);
    const auto codes = codes_before(imported, imported.outputs[i]);
    const double step = codes && codes->thresholds.size() == 1 ? codes->step() : 0;
    evaluation.comparisons.push_back(
        against(translated(*expected[i], output, codes), name, got, step));
  }
  if (evaluation.comparisons.empty()) {
    fail("{}: expected arrays named after outputs of the network, found none",
         request.expected[0].string());
  }
  return evaluation;
}

std::string to_text(const Evaluation& evaluation) {
  std::string text;
  for (const auto& [name, tensor] : evaluation.outputs) {
    const std::vector<double> values = numbers(tensor);
    double sum = 0;
    for (const double value : values) sum += value;
    const auto [low, high] = std::ranges::minmax_element(values);
    text += fmt::format("output {} {} {}: {:g} to {:g}, mean {:g}\n", name,
                        to_string(tensor.type()), to_string(tensor.shape()), *low, *high,
                        sum / static_cast<double>(values.size()));
  }
  for (const auto& [one, relative_error, step] : evaluation.comparisons) {
    const std::string codes =
        step > 0 ? fmt::format(" ({} codes)", std::lround(one.largest_error / step)) : "";
    text += fmt::format(
        "{} {}: {} of {} values differ, largest error {:g}{}, relative {:.1e}, {:.1f} dB\n",
        one.mismatches == 0 ? "ok  " : "FAIL", one.value, thousands(one.mismatches),
        thousands(one.values), one.largest_error, codes, relative_error, one.decibel);
  }
  return text;
}

}  // namespace workbench
