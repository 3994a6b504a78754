#include "compiler/quantize/graffitist_form.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/error.h"

namespace workbench::graffitist {

namespace {

// What a quantized form is written with: values and nodes under unique names, quantizers, groups.

class FormWriter {
 protected:
  // A quantizer to be placed: `bits` as in the arguments, negative for signed.
  struct Quant {
    std::string name, source;
    int bits = -8;
    Rounding rounding = Rounding::HalfEven;
    bool from_weights = false;
  };
  struct Placed {
    ValueId value = kNoValue;  // rounded
    std::size_t place = 0;
  };

  explicit FormWriter(const Graph& network);

  static std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }
  bool is_output(ValueId id) const;
  // The name of a value of the network before its last quantizer.
  std::string real_name(ValueId id) const;

  static std::string unique(std::set<std::string>& names, std::string name);
  ValueId add_value(std::string name, const Shape& shape);
  ValueId copy(ValueId id, std::string name);
  ValueId add_constant(std::string name, Tensor tensor);
  ValueId add_node(Op op, const std::string& name, std::vector<ValueId> inputs, ValueId output);

  // What readers of a value of the network read in the form.
  ValueId read(ValueId id);
  // Rounds `real`; the rounded value is called `name`.
  Placed quantized(ValueId real, const Quant& quant, std::string name);
  // The last quantizer of a value of the network: its readers read what it leaves.
  Placed finish(ValueId id, ValueId real, const Quant& quant);
  // Both share a threshold. Throws Error when they differ in width or sign.
  void tie(std::size_t a, std::size_t b, const std::string& reason);
  // Sets of quantizers, or of layers for their layer_quant. Throws Error for unknown names.
  void merge_as_asked(const std::vector<std::vector<std::string>>& sets);
  Form take();  // with its groups numbered

  const Graph& network_;
  std::vector<std::vector<std::size_t>> readers_;
  std::vector<ValueId> read_;            // by network id: what its readers read in the form
  std::map<ValueId, std::size_t> last_;  // network id -> the place that rounded it last
  std::set<ValueId> direct_;             // network ids that inherited their scale
  std::set<std::string> value_names_, node_names_;
  Form form_;

 private:
  std::map<std::size_t, std::string> reasons_;  // by group root
};

ElementType code_type(int width, bool is_signed) {
  if (width <= 8) return is_signed ? ElementType::Int8 : ElementType::Uint8;
  return is_signed ? ElementType::Int16 : ElementType::Uint16;
}

FormWriter::FormWriter(const Graph& network)
    : network_(network), readers_(consumers(network)), read_(network.values.size(), kNoValue) {
  form_.graph.name = network.name;
}

bool FormWriter::is_output(ValueId id) const {
  const auto& outputs = network_.outputs;
  return std::find(outputs.begin(), outputs.end(), id) != outputs.end();
}

std::string FormWriter::unique(std::set<std::string>& names, std::string name) {
  while (!names.insert(name).second) name += '_';
  return name;
}

ValueId FormWriter::add_value(std::string name, const Shape& shape) {
  return form_.graph.add_value({.name = unique(value_names_, std::move(name)), .shape = shape});
}

ValueId FormWriter::copy(ValueId id, std::string name) {
  Value value = network_.value(id);
  value.name = unique(value_names_, std::move(name));
  value.quantization.reset();
  return form_.graph.add_value(std::move(value));
}

ValueId FormWriter::read(ValueId id) {
  if (id == kNoValue) return id;
  if (network_.value(id).constant) {
    if (read_[at(id)] == kNoValue) read_[at(id)] = copy(id, network_.value(id).name);
    return read_[at(id)];
  }
  CHECK(read_[at(id)] != kNoValue, "'{}' is read before it is written", network_.value(id).name);
  return read_[at(id)];
}

ValueId FormWriter::add_constant(std::string name, Tensor tensor) {
  return form_.graph.add_constant(unique(value_names_, std::move(name)), std::move(tensor));
}

ValueId FormWriter::add_node(Op op, const std::string& name, std::vector<ValueId> inputs,
                             ValueId output) {
  form_.graph.nodes.push_back({.name = unique(node_names_, name),
                               .op = std::move(op),
                               .inputs = std::move(inputs),
                               .outputs = {output}});
  return output;
}

FormWriter::Placed FormWriter::quantized(ValueId real, const Quant& quant, std::string name) {
  const Value& value = form_.graph.value(real);
  const std::string base = value.name;
  const Shape shape = value.shape;
  const bool is_signed = quant.bits < 0;
  const int width = std::abs(quant.bits);
  Value codes{.name = unique(value_names_, base + "_int" + std::to_string(width)),
              .shape = shape,
              .type = code_type(width, is_signed)};
  codes.quantization = Quantization{
      .bits = width, .is_signed = is_signed, .thresholds = {1.0}, .rounding = quant.rounding};
  const ValueId code = form_.graph.add_value(std::move(codes));
  const std::size_t place = form_.places.size();
  form_.places.push_back({.quantizer = {.name = quant.source + "/" + quant.name,
                                        .source_node = quant.source,
                                        .bits = width,
                                        .is_signed = is_signed,
                                        .rounding = quant.rounding},
                          .node = form_.graph.nodes.size(),
                          .group = place,
                          .from_weights = quant.from_weights});
  add_node(Quantize{}, base + "_quantize", {real}, code);
  const ValueId back = add_value(std::move(name), shape);
  add_node(Dequantize{}, base + "_dequantize", {code}, back);
  return {back, place};
}

FormWriter::Placed FormWriter::finish(ValueId id, ValueId real, const Quant& quant) {
  const std::string& name = network_.value(id).name;
  const Placed placed = quantized(real, quant, is_output(id) ? name : name + "_quantized");
  read_[at(id)] = placed.value;
  last_[id] = placed.place;
  form_.formats.emplace_back(id, placed.place);
  return placed;
}

std::string FormWriter::real_name(ValueId id) const {
  const std::string& name = network_.value(id).name;
  return is_output(id) ? name + "_unrounded" : name;
}

void FormWriter::tie(std::size_t a, std::size_t b, const std::string& reason) {
  const Quantizer& one = form_.places[a].quantizer;
  const Quantizer& other = form_.places[b].quantizer;
  if (one.bits != other.bits || one.is_signed != other.is_signed) {
    fail(
        "graffitist: {}: '{}' and '{}' must share a threshold: expected one width and sign, "
        "found {}{} and {}{}",
        reason, one.name, other.name, one.is_signed ? "int" : "uint", one.bits,
        other.is_signed ? "int" : "uint", other.bits);
  }
  const std::size_t from = form_.places[b].group, to = form_.places[a].group;
  for (Place& place : form_.places) {
    if (place.group == from) place.group = to;
  }
  reasons_[to] = reason;
}

void FormWriter::merge_as_asked(const std::vector<std::vector<std::string>>& sets) {
  for (const auto& names : sets) {
    std::optional<std::size_t> first;
    for (const std::string& name : names) {
      const auto found = std::find_if(form_.places.begin(), form_.places.end(), [&](auto& place) {
        return place.quantizer.name == name || place.quantizer.name == name + "/layer_quant";
      });
      if (found == form_.places.end()) {
        fail("layer_merge_list: expected layers of the network, found '{}'", name);
      }
      const auto place = static_cast<std::size_t>(found - form_.places.begin());
      if (first) tie(*first, place, "layer_merge_list");
      first = first ? first : place;
    }
  }
}

Form FormWriter::take() {
  std::map<std::size_t, std::size_t> numbers;
  for (std::size_t i = 0; i < form_.places.size(); ++i) {
    Place& place = form_.places[i];
    const std::size_t root = place.group;
    const auto [found, added] = numbers.emplace(root, form_.groups.size());
    if (added) {
      form_.groups.emplace_back();
      form_.reasons.push_back(reasons_.contains(root) ? reasons_.at(root) : "");
    }
    place.group = found->second;
    form_.groups[place.group].push_back(i);
  }
  return std::move(form_);
}

}  // namespace

namespace {

using Kind = Activation::Kind;

bool is_rectifier(const Activation& activation) {
  return activation.kind == Kind::Relu ||
         (activation.kind == Kind::Clip && activation.alpha == 0 && activation.bounds.empty());
}

class Builder : private FormWriter {
 public:
  Builder(const Graph& network, const QuantizeArguments& arguments)
      : FormWriter(network), arguments_(arguments) {
    find_edge_layers();
  }

  Form run() {
    for (const ValueId id : network_.inputs) {
      const ValueId real = copy(id, network_.value(id).name);
      form_.graph.inputs.push_back(real);
      const Quant quant{"inp_quant", network_.value(id).name, arguments_.activation_bits};
      finish(id, real, quant);
    }
    for (const Node& node : network_.nodes) write(node);
    for (const ValueId id : network_.outputs) form_.graph.outputs.push_back(read(id));
    merge_as_asked(arguments_.layer_merge_list);
    return take();
  }

 private:
  void find_edge_layers() {
    for (const Node& node : network_.nodes) {
      if (!std::holds_alternative<Conv>(node.op) && !std::holds_alternative<Gemm>(node.op))
        continue;
      if (first_.empty()) first_ = node.name;
      edge_last_ = node.name;
    }
    if (!arguments_.first_layer.empty()) first_ = arguments_.first_layer;
    if (!arguments_.last_layer.empty()) edge_last_ = arguments_.last_layer;
  }

  int weight_bits(const Node& node) const {
    const bool edge = node.name == first_ || node.name == edge_last_;
    return edge && arguments_.weight_bits > -8 ? -8 : arguments_.weight_bits;
  }

  bool feeds(ValueId id, bool (*wanted)(const Node&)) const {
    const auto& readers = readers_[at(id)];
    return std::any_of(readers.begin(), readers.end(),
                       [&](std::size_t n) { return wanted(network_.nodes[n]); });
  }

  // Separable: a depthwise convolution without bias that feeds a convolution directly.
  bool is_first_of_separable(const Node& node) const {
    const auto* conv = std::get_if<Conv>(&node.op);
    const bool bare = conv != nullptr && conv->groups > 1 && conv->activation.kind == Kind::None &&
                      (node.inputs.size() < 3 || node.inputs[2] == kNoValue);
    return bare && feeds(node.outputs[0], [](const Node& reader) {
             return std::holds_alternative<Conv>(reader.op);
           });
  }

  void write(const Node& node) {
    std::visit([&](const auto& op) { write(op, node); }, node.op);
  }

  void write(const Conv& op, const Node& node) {
    Conv bare = op;
    bare.activation = {};
    write_weighted(bare, node);
  }
  void write(const Gemm& op, const Node& node) {
    Gemm bare = op;
    bare.activation = {};
    if (op.alpha != 1 || op.beta != 1) {
      fail("graffitist: layer '{}': expected alpha 1 and beta 1, found {} and {}", node.name,
           op.alpha, op.beta);
    }
    write_weighted(bare, node);
  }

  // q16(sum q8(w) * q8(x)), then + q16(b), then the activation.
  template <typename Op>
  void write_weighted(const Op& op, const Node& node) {
    const ValueId out = node.outputs[0];
    const std::string& name = network_.value(out).name;
    const Shape& shape = network_.value(out).shape;
    const ValueId weights = copy(node.inputs[1], network_.value(node.inputs[1]).name);
    const Quant weight_quant{.name = "weight_quant",
                             .source = node.name,
                             .bits = weight_bits(node),
                             .from_weights = true};
    const Placed w =
        quantized(weights, weight_quant, form_.graph.value(weights).name + "_quantized");
    form_.formats.emplace_back(node.inputs[1], w.place);
    if (is_first_of_separable(node)) {
      const ValueId sum = add_value(real_name(out), shape);
      add_node(op, node.name, {read(node.inputs[0]), w.value}, sum);
      finish(out, sum, {"layer_quant", node.name, arguments_.activation_bits});
      return;
    }
    const ValueId sum = add_value(name + "_sum", shape);
    add_node(op, node.name, {read(node.inputs[0]), w.value}, sum);
    const Placed layer =
        quantized(sum, {"layer_quant", node.name, arguments_.layer_bits}, name + "_sum16");
    const bool biased = node.inputs.size() > 2 && node.inputs[2] != kNoValue;
    const ValueId total = biased ? add_bias(node, layer) : layer.value;
    write_activation(activation_of(node.op), node, total);
  }

  ValueId add_bias(const Node& node, const Placed& layer) {
    const ValueId out = node.outputs[0];
    const std::string& name = network_.value(out).name;
    const ValueId bias = bias_constant(node);
    const Placed b = quantized(bias, {"bias_quant", node.name, arguments_.layer_bits},
                               form_.graph.value(bias).name + "_quantized");
    tie(layer.place, b.place, "bias of '" + node.name + "'");
    const ValueId total = add_value(name + "_biased", network_.value(out).shape);
    return add_node(Binary{.kind = Binary::Kind::Add, .activation = {}}, node.name + "_bias",
                    {layer.value, b.value}, total);
  }

  // [C, 1, 1], so that it adds to [N, C, H, W]; as it is behind a Gemm.
  ValueId bias_constant(const Node& node) {
    const Value& original = network_.value(node.inputs[2]);
    const std::size_t rank = network_.value(node.outputs[0]).shape.size();
    Shape shape = original.shape;
    if (std::holds_alternative<Conv>(node.op)) shape.resize(rank - 1, 1);
    const auto values = original.constant->values<float>();
    return add_constant(
        original.name,
        Tensor::from<float>(shape, std::vector<float>(values.begin(), values.end())));
  }

  void write_activation(const Activation& activation, const Node& node, ValueId total) {
    const ValueId out = node.outputs[0];
    const Shape& shape = network_.value(out).shape;
    if (activation.kind == Kind::None) {
      finish(out, total, {"biasadd_quant", node.name, arguments_.activation_bits});
      return;
    }
    if (activation.kind == Kind::LeakyRelu) return write_leaky(activation, node, total);
    if (!is_rectifier(activation)) refuse(node, op_name(Activate{activation}));
    const ValueId real = add_value(real_name(out), shape);
    add_node(Activate{activation}, node.name + "_activation", {total}, real);
    finish(out, real, {"act_quant", node.name, arguments_.relu_bits});
  }

  // q8(max(q16(x), q16(q16(alpha) * q16(x)))). alpha < 1: the maximum is the activation's.
  void write_leaky(const Activation& activation, const Node& node, ValueId total) {
    const ValueId out = node.outputs[0];
    const std::string& name = network_.value(out).name;
    const Shape& shape = network_.value(out).shape;
    const int bits = arguments_.layer_bits;
    const Placed x = quantized(total, {"biasadd_quant", node.name, bits}, name + "_biased16");
    const ValueId alpha =
        add_constant(name + "_alpha", Tensor::from<float>(Shape{}, {activation.alpha}));
    const Placed a = quantized(alpha, {"lrelu_weight_quant", node.name, bits}, name + "_alpha16");
    const ValueId product = add_value(name + "_alpha_x", shape);
    add_node(Binary{.kind = Binary::Kind::Mul, .activation = {}}, node.name + "_alpha_x",
             {x.value, a.value}, product);
    const Placed slope =
        quantized(product, {"lrelu_alpha_x_quant", node.name, bits}, name + "_alpha_x16");
    tie(x.place, slope.place, "leaky relu of '" + node.name + "'");
    const ValueId real = add_value(real_name(out), shape);
    // max(x, s) = s + relu(x - s): all three are exact on codes of one scale.
    const ValueId above = add_value(name + "_above", shape);
    add_node(Binary{.kind = Binary::Kind::Sub, .activation = Activation{.kind = Kind::Relu}},
             node.name + "_above", {x.value, slope.value}, above);
    add_node(Binary{.kind = Binary::Kind::Add, .activation = {}}, node.name + "_maximum",
             {slope.value, above}, real);
    finish(out, real, {"act_quant", node.name, arguments_.activation_bits});
  }

  void write(const Binary& op, const Node& node) {
    const bool real =
        !network_.value(node.inputs[0]).constant && !network_.value(node.inputs[1]).constant;
    if (op.kind != Binary::Kind::Add || !real) refuse(node, op_name(op));
    if (op.activation.kind == Kind::LeakyRelu) {
      fail("graffitist: layer '{}': a bypass followed by leaky ReLU is not supported", node.name);
    }
    const std::string reason = "add '" + node.name + "'";
    std::vector<ValueId> operands;
    std::optional<std::size_t> first;
    for (const ValueId id : node.inputs) {
      const std::size_t place = branch(id, node, arguments_.activation_bits, operands);
      if (first) tie(*first, place, reason);
      first = place;
    }
    const ValueId out = node.outputs[0];
    const ValueId sum = add_value(real_name(out), network_.value(out).shape);
    add_node(op, node.name, operands, sum);
    const bool rectified = is_rectifier(op.activation);
    if (!rectified && op.activation.kind != Kind::None)
      refuse(node, op_name(Activate{op.activation}));
    finish(out, sum,
           {rectified ? "act_quant" : "eltwadd_quant", node.name,
            rectified ? arguments_.relu_bits : arguments_.activation_bits});
  }

  // One operand of an Add or a Concat: as it is where its last quantizer is its own, of the wanted
  // kind and has no other reader, else behind a rescale. Returns its place.
  std::size_t branch(ValueId id, const Node& node, int bits, std::vector<ValueId>& operands) {
    const auto found = last_.find(id);
    const bool own = found != last_.end() && direct_.contains(id) == false &&
                     readers_[at(id)].size() == 1 &&
                     form_.places[found->second].quantizer.is_signed == (bits < 0) &&
                     form_.places[found->second].quantizer.bits == std::abs(bits);
    if (own) {
      operands.push_back(read(id));
      return found->second;
    }
    const bool is_sum = std::holds_alternative<Binary>(node.op);
    const Placed rescaled = quantized(read(id),
                                      {is_sum ? "eltw_rescale_quant" : "concat_rescale_quant",
                                       node.name + "/" + network_.value(id).name, bits},
                                      network_.value(id).name + "_rescaled");
    operands.push_back(rescaled.value);
    return rescaled.place;
  }

  void write(const Concat& op, const Node& node) {
    // Signed codes where any branch can be negative: "sign copied from the sibling quantizers".
    const bool any_signed = std::any_of(node.inputs.begin(), node.inputs.end(),
                                        [&](ValueId id) { return is_signed_value(id); });
    const int bits = any_signed ? arguments_.activation_bits : arguments_.relu_bits;
    std::vector<ValueId> operands;
    std::optional<std::size_t> first;
    for (const ValueId id : node.inputs) {
      const std::size_t place = branch(id, node, bits, operands);
      if (first) tie(*first, place, "concat '" + node.name + "'");
      first = first ? first : place;
    }
    inherit(op, node, operands, *first);
  }

  void write(const AveragePool& op, const Node& node) {
    // r * sum(x): the reciprocal of the whole window, padding counted (1.6).
    const ValueId out = node.outputs[0];
    const Shape& in = network_.value(node.inputs[0]).shape;
    const std::string& name = network_.value(out).name;
    const std::int64_t channels = in[1];
    const double cells = static_cast<double>(element_count(op.window.kernel));
    Shape shape{channels, 1};
    shape.insert(shape.end(), op.window.kernel.begin(), op.window.kernel.end());
    std::vector<float> values(static_cast<std::size_t>(element_count(shape)),
                              static_cast<float>(1 / cells));
    const ValueId reciprocal =
        add_constant(name + "_reciprocal", Tensor::from<float>(shape, values));
    const Placed r = quantized(reciprocal,
                               {.name = "weight_quant",
                                .source = node.name,
                                .bits = arguments_.avgpool_reciprocal_bits,
                                .from_weights = true},
                               name + "_reciprocal_quantized");
    const ValueId sum = add_value(real_name(out), network_.value(out).shape);
    Conv conv{.window = op.window, .groups = channels, .activation = {}};
    add_node(conv, node.name, {read(node.inputs[0]), r.value}, sum);
    finish(out, sum,
           {.name = "avgpool_quant",
            .source = node.name,
            .bits = arguments_.avgpool_bits,
            .rounding = Rounding::Floor});
  }

  void write(const Activate& op, const Node& node) {
    write_activation(op.activation, node, read(node.inputs[0]));
  }

  // Ops that only move numbers, and what stands behind the last layer.
  void write(const MaxPool& op, const Node& node) { move(op, node); }
  void write(const Reshape& op, const Node& node) { move(op, node); }
  void write(const Identity& op, const Node& node) { move(op, node); }
  void write(const Transpose& op, const Node& node) { move(op, node); }
  void write(const Softmax& op, const Node& node) { keep(op, node, {read(node.inputs[0])}); }
  template <typename Op>
  void write(const Op& op, const Node& node) {
    refuse(node, op_name(op));
  }

  template <typename Op>
  void move(const Op& op, const Node& node) {
    const auto found = last_.find(node.inputs[0]);
    const std::vector<ValueId> operands{read(node.inputs[0])};
    if (found == last_.end()) return keep(op, node, operands);
    inherit(op, node, operands, found->second);
  }

  // The result has its operands' scale: no quantizer.
  void inherit(const Op& op, const Node& node, const std::vector<ValueId>& operands,
               std::size_t place) {
    const ValueId out = node.outputs[0];
    keep(op, node, operands);
    last_[out] = place;
    direct_.insert(out);
    form_.formats.emplace_back(out, place);
  }

  void keep(const Op& op, const Node& node, const std::vector<ValueId>& operands) {
    const ValueId out = node.outputs[0];
    read_[at(out)] = add_value(network_.value(out).name, network_.value(out).shape);
    add_node(op, node.name, operands, read_[at(out)]);
  }

  bool is_signed_value(ValueId id) const {
    const auto found = last_.find(id);
    return found == last_.end() || form_.places[found->second].quantizer.is_signed;
  }

  [[noreturn]] static void refuse(const Node& node, const std::string& op) {
    fail("graffitist: layer '{}': expected an operator of its static mode, found {}", node.name,
         op);
  }

  const QuantizeArguments& arguments_;
  std::string first_, edge_last_;  // weighted layers that keep 8 bits
};

}  // namespace

Form quantized_form(const Graph& network, const QuantizeArguments& arguments) {
  Form form = Builder(network, arguments).run();
  const std::vector<Violation> violations = verify(form.graph);
  CHECK(violations.empty(), "graffitist form: {}", violations[0].message);
  return form;
}

}  // namespace workbench::graffitist
