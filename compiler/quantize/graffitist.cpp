#include "compiler/quantize/graffitist.h"

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "compiler/passes/passes.h"
#include "compiler/quantize/graffitist_form.h"
#include "core/error.h"
#include "core/eval/evaluate.h"
#include "core/file.h"
#include "core/shapes.h"

namespace workbench::graffitist {

namespace {

// conv_split_list (docs/facts/quantization.md 1.7): the loss where hardware rounds partial sums of
// a convolution.

// Lines "LAYER, INPUT_CHANNELS, SPLIT_CHANNELS". Throws Error naming the line that is none.
std::vector<DepthSplit> read_split_list(const std::string& path);

// In the calibrated form: each of these convolutions as one per SPLIT_CHANNELS of its input (the
// rest in the last), the first part and every partial sum rounded to the format of its layer_quant;
// the last sum goes to layer_quant itself. Splits that are no smaller than the input change
// nothing. Throws Error for what is no convolution, one of groups, or has another number of
// channels.
void split_in_depth(Form& form, const std::vector<DepthSplit>& splits);

std::string trimmed(const std::string& text) {
  const auto begin = text.find_first_not_of(" \t\r");
  if (begin == std::string::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t\r") - begin + 1);
}

// 0: none.
std::int64_t positive_number(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size() && value > 0 ? value : 0;
}

// One convolution being cut.
class Splitter {
 public:
  Splitter(Form& form, std::size_t n, std::int64_t depth)
      : graph_(form.graph), conv_(form.graph.nodes[n]), depth_(depth) {
    for (const Value& value : graph_.values) value_names_.insert(value.name);
    for (const Node& node : graph_.nodes) node_names_.insert(node.name);
    const Node& quantize = graph_.nodes.at(n + 1);
    CHECK(std::holds_alternative<Quantize>(quantize.op), "'{}' has no layer_quant", conv_.name);
    codes_ = graph_.value(quantize.outputs[0]);
  }

  // The nodes that replace the convolution.
  std::vector<Node> run() {
    const std::int64_t channels = graph_.value(conv_.inputs[0]).shape[1];
    ValueId sum = kNoValue;
    int part = 0;
    for (std::int64_t begin = 0; begin < channels; begin += depth_, ++part) {
      const std::int64_t end = std::min(channels, begin + depth_);
      const std::string name = fmt::format("{}_part{}", conv_.name, part);
      ValueId next = convolution(name, begin, end);
      if (part > 0) {
        const bool is_last = end == channels;
        const ValueId total = is_last ? conv_.outputs[0] : add_value(name + "_sum");
        next = add_node(Binary{.kind = Binary::Kind::Add, .activation = {}}, name + "_add",
                        {next, sum}, total);
      }
      sum = end == channels ? next : rounded(next, name);
    }
    return std::move(nodes_);
  }

 private:
  ValueId add_value(const std::string& name, std::optional<Shape> shape = {}) {
    Value value{.name = unique(value_names_, name)};
    value.shape = shape.value_or(graph_.value(conv_.outputs[0]).shape);
    return graph_.add_value(std::move(value));
  }
  static std::string unique(std::set<std::string>& names, std::string name) {
    while (!names.insert(name).second) name += '_';
    return name;
  }
  ValueId add_node(Op op, const std::string& name, std::vector<ValueId> inputs, ValueId output) {
    nodes_.push_back({.name = unique(node_names_, name),
                      .op = std::move(op),
                      .inputs = std::move(inputs),
                      .outputs = {output}});
    return output;
  }

  // Channels [begin, end) of [N, C, spatial] or [Co, Ci, kernel].
  ValueId channels_of(ValueId id, const std::string& name, std::int64_t begin, std::int64_t end) {
    Shape shape = graph_.value(id).shape;
    shape[1] = end - begin;
    return add_node(Slice{.starts = {begin}, .ends = {end}, .axes = {1}, .steps = {1}}, name, {id},
                    add_value(name, shape));
  }

  ValueId convolution(const std::string& name, std::int64_t begin, std::int64_t end) {
    const ValueId x = channels_of(conv_.inputs[0], name + "_data", begin, end);
    const ValueId w = channels_of(conv_.inputs[1], name + "_weights", begin, end);
    return add_node(conv_.op, name, {x, w}, add_value(name));
  }

  ValueId rounded(ValueId real, const std::string& name) {
    Value codes = codes_;
    codes.name = unique(value_names_, name + "_codes");
    const ValueId code = graph_.add_value(std::move(codes));
    add_node(Quantize{}, name + "_quantize", {real}, code);
    return add_node(Dequantize{}, name + "_dequantize", {code}, add_value(name + "_quantized"));
  }

  Graph& graph_;
  const Node conv_;
  std::int64_t depth_;
  Value codes_;  // of layer_quant
  std::set<std::string> value_names_, node_names_;
  std::vector<Node> nodes_;
};

std::vector<DepthSplit> read_split_list(const std::string& path) {
  std::vector<DepthSplit> splits;
  std::istringstream lines(read_file(path));
  for (std::string line; std::getline(lines, line);) {
    if (trimmed(line).empty()) continue;
    // From the back: a comma may be part of a name.
    const auto second = line.rfind(',');
    const auto first = second == std::string::npos || second == 0 ? std::string::npos
                                                                  : line.rfind(',', second - 1);
    DepthSplit split;
    if (first != std::string::npos) {
      split = {trimmed(line.substr(0, first)),
               positive_number(trimmed(line.substr(first + 1, second - first - 1))),
               positive_number(trimmed(line.substr(second + 1)))};
    }
    if (split.layer.empty() || split.channels == 0 || split.depth == 0) {
      fail("{}: expected lines 'LAYER, INPUT_CHANNELS, SPLIT_CHANNELS', found '{}'", path,
           trimmed(line));
    }
    splits.push_back(std::move(split));
  }
  return splits;
}

void split_in_depth(Form& form, const std::vector<DepthSplit>& splits) {
  for (const DepthSplit& split : splits) {
    std::vector<Node>& nodes = form.graph.nodes;
    const auto found = std::ranges::find(nodes, split.layer, &Node::name);
    const auto* conv = found != nodes.end() ? std::get_if<Conv>(&found->op) : nullptr;
    if (conv == nullptr) {
      fail("conv_split_list: expected convolutions of the network, found '{}'", split.layer);
    }
    if (conv->groups != 1) {
      fail("conv_split_list: '{}': expected a convolution without groups, found {}", split.layer,
           conv->groups);
    }
    const std::int64_t channels = form.graph.value(found->inputs[0]).shape[1];
    if (channels != split.channels) {
      fail("conv_split_list: '{}': expected {} input channels, as the network has, found {}",
           split.layer, channels, split.channels);
    }
    if (split.depth >= channels) continue;
    const auto n = static_cast<std::size_t>(found - nodes.begin());
    std::vector<Node> parts = Splitter(form, n, split.depth).run();
    const auto at = nodes.erase(nodes.begin() + static_cast<std::ptrdiff_t>(n));
    nodes.insert(at, std::make_move_iterator(parts.begin()), std::make_move_iterator(parts.end()));
  }
}

}  // namespace

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

// The effect of a transform: "-2 BatchNorm, +1 Conv".
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
