// What lowering changed, layer by layer: each integer node alone, on the scheme's own values.
#include <algorithm>
#include <cmath>
#include <map>

#include "core/eval/evaluate.h"
#include "core/parallel.h"
#include "explore/quantization.h"
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

std::vector<LoweringDifference> lowering_differences(const QuantizedNetwork& network,
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

}  // namespace workbench
