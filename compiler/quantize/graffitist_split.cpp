#include "compiler/quantize/graffitist_split.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <sstream>
#include <utility>

#include "core/error.h"
#include "core/file.h"
#include "core/shapes.h"

namespace workbench::graffitist {

namespace {

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

  // What stands in the place of the convolution.
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

}  // namespace

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

}  // namespace workbench::graffitist
