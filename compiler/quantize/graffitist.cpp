// Static mode, end to end: transforms in the order they were asked for, then the form, its
// thresholds, and what leaves here.
#include "compiler/quantize/graffitist.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "compiler/passes/passes.h"
#include "compiler/quantize/graffitist_form.h"
#include "compiler/quantize/graffitist_split.h"
#include "core/error.h"
#include "core/eval/evaluate.h"
#include "core/file.h"

namespace workbench::graffitist {

namespace {

int bits_argument(const std::string& name, const std::string& text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  const int width = std::abs(value);
  if (error != std::errc() || end != text.data() + text.size() || width < 2 || width > 16) {
    fail("transform 'quantize': {}: expected 2 to 16 bits, negative for signed, found '{}'", name,
         text);
  }
  return value;
}

bool truth(const std::string& name, const std::string& text) {
  if (text == "True" || text == "1") return true;
  if (text == "False" || text == "0") return false;
  fail("transform argument {}: expected True or False, found '{}'", name, text);
}

// Lines "a, b": sets of layers that share a threshold.
std::vector<std::vector<std::string>> read_merge_list(const std::string& path) {
  std::vector<std::vector<std::string>> sets;
  std::string name;
  std::vector<std::string> set;
  const auto end_name = [&] {
    if (!name.empty()) set.push_back(std::exchange(name, {}));
  };
  for (const char c : read_file(path) + "\n") {
    if (c == '\n') {
      end_name();
      if (set.size() == 1) fail("{}: expected two layers or more a line, found '{}'", path, set[0]);
      if (!set.empty()) sets.push_back(std::exchange(set, {}));
    } else if (c == ',') {
      end_name();
    } else if (c != ' ' && c != '\t' && c != '\r') {
      name += c;
    }
  }
  return sets;
}

QuantizeArguments arguments_of(const Transform& transform) {
  QuantizeArguments result;
  for (const auto& [name, text] : transform.arguments) {
    if (name == "weight_bits") {
      result.weight_bits = bits_argument(name, text);
    } else if (name == "activation_bits") {
      result.activation_bits = bits_argument(name, text);
    } else if (name == "layer_bits") {
      result.layer_bits = bits_argument(name, text);
    } else if (name == "relu_bits") {
      result.relu_bits = bits_argument(name, text);
    } else if (name == "avgpool_bits") {
      result.avgpool_bits = bits_argument(name, text);
    } else if (name == "avgpool_reciprocal_bits") {
      result.avgpool_reciprocal_bits = bits_argument(name, text);
    } else if (name == "first_layer") {
      result.first_layer = text;
    } else if (name == "last_layer") {
      result.last_layer = text;
    } else if (name == "layer_merge_list") {
      result.layer_merge_list = read_merge_list(text);
    } else if (name == "conv_split_list") {
      result.conv_split_list = read_split_list(text);
    } else if (name == "bit_accurate" || name == "dump_quant_params") {
      (void)truth(name, text);  // arithmetic is exact always; --save-quantizer writes parameters
    } else if (name == "is_training" && truth(name, text)) {
      fail("transform 'quantize': is_training=True: expected False, only static mode is built");
    } else if (name == "calibrate_quant_layers" && !truth(name, text)) {
      fail("transform 'quantize': calibrate_quant_layers=False: there are no thresholds to load");
    }
  }
  return result;
}

void run(Graph& graph, std::initializer_list<Pass> passes) {
  run_passes(graph, std::span<const Pass>(passes.begin(), passes.size()));
}

bool has_batch_norm(const Graph& graph) {
  return std::any_of(graph.nodes.begin(), graph.nodes.end(),
                     [](const Node& node) { return std::holds_alternative<BatchNorm>(node.op); });
}

using OpCounts = std::map<std::string, std::ptrdiff_t>;
OpCounts count_ops(const Graph& graph) {
  OpCounts counts;
  for (const Node& node : graph.nodes) ++counts[op_name(node.op)];
  return counts;
}

// What a transform has taken away or added: "-2 BatchNorm, +1 Conv".
std::string changes(OpCounts before, const Graph& after) {
  for (auto& [name, count] : before) count = -count;
  for (const auto& [name, count] : count_ops(after)) before[name] += count;
  std::string text;
  for (const auto& [name, count] : before) {
    if (count != 0) text += fmt::format("{}{:+} {}", text.empty() ? "" : ", ", count, name);
  }
  return text.empty() ? "no node more or less" : text;
}

std::string input_shapes(const Graph& graph) {
  std::string text;
  for (const ValueId id : graph.inputs) {
    const Value& value = graph.value(id);
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", value.name, to_string(value.shape));
  }
  return text;
}

std::string text_of(const Transform& transform) {
  std::string arguments;
  for (const auto& [name, value] : transform.arguments) {
    arguments += fmt::format("{}{}={}", arguments.empty() ? "" : ", ", name, value);
  }
  return arguments.empty() ? transform.name : fmt::format("{}({})", transform.name, arguments);
}

// What the last transform made.
std::string quantizers_text(const Form& form, const QuantizeArguments& arguments) {
  const auto shared = std::ranges::count_if(
      form.groups, [](const std::vector<std::size_t>& group) { return group.size() > 1; });
  std::string text = fmt::format("{} quantizers, {} thresholds, {} of them shared",
                                 form.places.size(), form.groups.size(), shared);
  if (!arguments.layer_merge_list.empty()) {
    text += fmt::format(", {} sets merged as asked", arguments.layer_merge_list.size());
  }
  if (!arguments.conv_split_list.empty()) {
    text += fmt::format(", {} convolutions split", arguments.conv_split_list.size());
  }
  return text;
}

// One transform in our passes' terms. Shapes are static here from the start.
void apply_transform(const Transform& transform, Graph& graph) {
  if (transform.name.starts_with("fold_batch_norms")) {
    for (const auto& [name, text] : transform.arguments) {
      if (truth(name, text)) {
        fail("transform 'fold_batch_norms': {}=True: expected False, only static mode is built",
             name);
      }
    }
    run(graph, {{"drop_identities", drop_identities},
                {"fold_constants", fold_constants},
                {"matmul_to_gemm", matmul_to_gemm},
                {"fold_scale_after", fold_scale_after},
                {"fold_scale_before", fold_scale_before}});
    if (has_batch_norm(graph)) {
      fail("graffitist: expected every batch norm behind a convolution, found one that is not");
    }
  } else if (transform.name == "remove_training_nodes") {
    run(graph, {{"drop_identities", drop_identities}});
  } else if (transform.name == "strip_unused_nodes") {
    run(graph, {{"remove_dead", remove_dead}});
  } else if (transform.name == "preprocess_layers") {
    run(graph, {{"drop_identities", drop_identities},
                {"pool_to_average", pool_to_average},
                {"canonicalize_padding", canonicalize_padding},
                {"flatten_concat", flatten_concat},
                {"fuse_activation", fuse_activation}});
  }
}

// Constants were quantized once and for all: their codes take the place of the Quantize.
Graph with_constant_codes(const Form& form) {
  Graph graph = form.graph;
  std::vector<Node> nodes;
  for (Node& node : graph.nodes) {
    const bool from_constant =
        std::holds_alternative<Quantize>(node.op) && graph.value(node.inputs[0]).constant;
    if (!from_constant) {
      nodes.push_back(std::move(node));
      continue;
    }
    const Tensor operand = *graph.value(node.inputs[0]).constant;
    graph.value(node.outputs[0]).constant =
        evaluate_node(graph, node, std::span(&operand, 1)).at(0);
  }
  graph.nodes = std::move(nodes);
  return graph;
}

Graph annotate(Graph network, const Form& form) {
  std::map<std::size_t, ScaleGroup> groups;
  for (const auto& [id, place] : form.formats) {
    const Quantizer& quantizer = form.places[place].quantizer;
    Quantization quantization{.bits = quantizer.bits,
                              .is_signed = quantizer.is_signed,
                              .thresholds = {},
                              .rounding = quantizer.rounding};
    quantization.thresholds = {quantizer.scale * static_cast<double>(quantization.high())};
    network.value(id).quantization = std::move(quantization);
    const std::size_t group = form.places[place].group;
    if (network.value(id).constant) continue;
    groups[group].reason = form.reasons[group].empty() ? "moves codes" : form.reasons[group];
    groups[group].members.push_back(id);
  }
  for (auto& [number, group] : groups) {
    if (group.members.size() < 2) continue;
    std::sort(group.members.begin(), group.members.end());
    network.scale_groups.push_back(std::move(group));
  }
  return network;
}

}  // namespace

Network quantize_static(const Graph& imported, const SampleSource& samples,
                        const std::vector<Transform>& transforms, const StageProgress& progress) {
  Graph graph = imported;
  QuantizeArguments arguments;
  std::vector<std::string> notes;
  for (const Transform& transform : transforms) {
    if (transform.name == "quantize") {
      arguments = arguments_of(transform);
      continue;
    }
    OpCounts before = count_ops(graph);
    apply_transform(transform, graph);
    notes.push_back(fmt::format("{}: {}", text_of(transform),
                                transform.name == "fix_input_shape"
                                    ? input_shapes(graph)
                                    : changes(std::move(before), graph)));
  }
  Form form = quantized_form(graph, arguments);
  calibrate(form, samples, progress);
  notes.push_back(
      fmt::format("{}: {}", text_of(transforms.back()), quantizers_text(form, arguments)));
  // As published: with thresholds that know nothing of it. Places no longer say where their nodes
  // are.
  split_in_depth(form, arguments.conv_split_list);
  Network network{.reference = with_constant_codes(form),
                  .annotated = annotate(std::move(graph), form),
                  .quantizers = {},
                  .notes = std::move(notes)};
  for (Place& place : form.places) network.quantizers.push_back(std::move(place.quantizer));
  const std::vector<Violation> violations = verify(network.reference);
  CHECK(violations.empty(), "graffitist reference: {}", violations[0].message);
  return network;
}

std::string quantization_parameters_json(const Network& network) {
  nlohmann::json json = nlohmann::json::object();
  for (const Quantizer& quantizer : network.quantizers) {
    json[quantizer.name] = {
        {"source_node", quantizer.source_node},
        {"bitwidth", quantizer.bits},
        {"is_signed", quantizer.is_signed},
        {"scale_factor", quantizer.scale},
        {"rounding_mode", quantizer.rounding == Rounding::Floor ? "floor" : "round"},
        {"threshold", quantizer.threshold}};
  }
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace workbench::graffitist
