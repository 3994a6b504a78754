#include "compiler/quantize/real_network.h"

#include <algorithm>
#include <map>

#include "core/error.h"
#include "core/eval/kernels.h"

namespace workbench {

namespace {

double entry(const std::vector<std::int64_t>& values, std::size_t c) {
  return static_cast<double>(values[values.size() == 1 ? 0 : c]);
}

// What a rescaling does to a real number, without its clip: scale * x + shift, per channel.
struct Line {
  std::vector<double> scale, shift;
  bool is_identity() const {
    return std::all_of(scale.begin(), scale.end(), [](double v) { return v == 1; }) && !shifts();
  }
  bool scales() const {
    return std::any_of(scale.begin(), scale.end(), [](double v) { return v != 1; });
  }
  bool shifts() const {
    return std::any_of(shift.begin(), shift.end(), [](double v) { return v != 0; });
  }
};

// The mean of what a fraction loses: half a step where it is cut downwards; as much up as down
// where it is rounded, or cut toward zero on both sides of it.
double mean_loss(const AffineRequantize& affine) {
  const bool is_floor = affine.rounding == Rounding::Floor ||
                        (affine.rounding == Rounding::TowardZero && affine.low >= 0);
  if (!is_floor) return 0;
  const auto divisor = static_cast<double>(affine.divisor);
  return (divisor - 1) / (2 * divisor);
}

Line line_of(const AffineRequantize& affine) {
  const auto divisor = static_cast<double>(affine.divisor);
  Line line;
  for (std::size_t c = 0; c < std::max(affine.multiplier.size(), affine.offset.size()); ++c) {
    line.scale.push_back(entry(affine.multiplier, c) / divisor);
    line.shift.push_back(entry(affine.offset, c) / divisor - mean_loss(affine));
  }
  return line;
}

// A clip at zero cuts what the next layer would read; signed saturation does not, as thresholds
// follow from the values that come.
Activation clip_of(const AffineRequantize& affine) {
  if (affine.low != 0) return {};
  return {.kind = Activation::Kind::Clip, .alpha = 0, .beta = static_cast<float>(affine.high)};
}

class RealNetwork {
 public:
  explicit RealNetwork(const Graph& integers) : integers_(integers) { real_.name = integers.name; }

  Graph run() {
    for (const Value& value : integers_.values) {
      if (!value.constant) taken_.emplace(value.name, 0);
    }
    for (const ValueId id : integers_.inputs) real_.inputs.push_back(value_of(id));
    for (const Node& node : integers_.nodes) add(node);
    for (const ValueId id : integers_.outputs) add_output(id);
    return std::move(real_);
  }

 private:
  void add(const Node& node) {
    if (std::holds_alternative<Quantize>(node.op) || std::holds_alternative<Dequantize>(node.op)) {
      ids_[node.outputs[0]] = value_of(node.inputs[0]);
    } else if (traits(node.op).has_weights && node.affine) {
      add_layer(node);
    } else if (node.affine || !node.operand_affine.empty()) {
      add_rescaled(node);
    } else {
      add_as_it_is(node);
    }
  }

  void add_as_it_is(const Node& node) {
    Node copy = node;
    for (ValueId& id : copy.inputs) id = id == kNoValue ? kNoValue : value_of(id);
    for (ValueId& id : copy.outputs) id = value_of(id);
    real_.nodes.push_back(std::move(copy));
  }

  // Conv and Gemm: the rescaling goes into weights [out, ...] and bias [out].
  void add_layer(const Node& node) {
    const Line line = line_of(*node.affine);
    const Value& codes = integers_.value(node.inputs[1]);
    CHECK(codes.constant, "weights of '{}'", node.name);
    const auto channels = static_cast<std::size_t>(codes.constant->dim(0));
    Tensor weights = eval::as_type(*codes.constant, ElementType::Float32);
    const auto numbers = weights.mutable_values<float>();
    std::vector<float> bias(channels);
    const bool has_bias = node.inputs.size() > 2 && node.inputs[2] != kNoValue;
    const Tensor added =
        has_bias ? eval::as_type(*integers_.value(node.inputs[2]).constant, ElementType::Float64)
                 : Tensor{};
    for (std::size_t c = 0; c < channels; ++c) {
      const double scale = line.scale[line.scale.size() == 1 ? 0 : c];
      const double shift = line.shift[line.shift.size() == 1 ? 0 : c];
      for (float& number :
           numbers.subspan(c * numbers.size() / channels, numbers.size() / channels)) {
        number = static_cast<float>(number * scale);
      }
      bias[c] = static_cast<float>((has_bias ? added.values<double>()[c] * scale : 0) + shift);
    }
    Node layer{
        .name = node.name, .op = node.op, .inputs = {}, .outputs = {}, .merged = node.merged};
    layer.inputs = {
        value_of(node.inputs[0]), constant(codes.name, std::move(weights)),
        constant(node.name + "_bias", Tensor::from<float>({codes.constant->dim(0)}, bias))};
    layer.outputs = {value_of(node.outputs[0])};
    emit(std::move(layer), clip_of(*node.affine));
  }

  // Add, AveragePool and rescalings of their own: a Mul and an Add where they are needed.
  void add_rescaled(const Node& node) {
    Line line = node.affine ? line_of(*node.affine) : Line{{1}, {0}};
    if (const auto* pool = std::get_if<AveragePool>(&node.op)) {
      // Pools of integer networks sum; their share is a part of the rescaling.
      const auto count = static_cast<double>(element_count(pool->window.kernel));
      for (double& scale : line.scale) scale *= count;
    }
    const Activation clip = node.affine ? clip_of(*node.affine) : Activation{};
    const ValueId result = value_of(node.outputs[0]);
    Node body{.name = node.name, .op = node.op, .inputs = {}, .outputs = {}, .merged = node.merged};
    if (auto* pool = std::get_if<AveragePool>(&body.op)) pool->count_include_pad = true;
    const bool sums = std::holds_alternative<Binary>(node.op);
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      Line operand = node.operand_affine.empty() ? Line{{1}, {0}} : line_of(node.operand_affine[i]);
      if (sums && line.scale.size() == 1) {  // the rescaling of a sum is one of its operands
        for (double& scale : operand.scale) scale *= line.scale[0];
        for (double& shift : operand.shift) shift *= line.scale[0];
      }
      body.inputs.push_back(along(operand, value_of(node.inputs[i]), {}, kNoValue,
                                  node.name + (i == 0 ? "_a" : "_b")));
    }
    if (sums && line.scale.size() == 1) line.scale = {1};
    if (line.is_identity()) {
      body.outputs = {result};
      emit(std::move(body), clip);
      return;
    }
    ValueId plain = body.inputs[0];
    if (!std::holds_alternative<Identity>(node.op)) {
      plain = new_value(node.name + "_plain", integers_.value(node.outputs[0]).shape);
      body.outputs = {plain};
      real_.nodes.push_back(std::move(body));
    }
    along(line, plain, clip, result, node.name);
  }

  // Nodes that compute `line` of `x`, with `clip` behind; into `result` if there is one.
  ValueId along(const Line& line, ValueId x, const Activation& clip, ValueId result,
                const std::string& name) {
    const bool last_is_shift = line.shifts();
    if (line.scales()) {
      x = step(Binary::Kind::Mul, x, line.scale, last_is_shift ? Activation{} : clip,
               last_is_shift ? kNoValue : result, name + "_scale");
    }
    if (last_is_shift) x = step(Binary::Kind::Add, x, line.shift, clip, result, name + "_shift");
    return x;
  }

  ValueId step(Binary::Kind kind, ValueId x, const std::vector<double>& numbers,
               const Activation& clip, ValueId result, const std::string& name) {
    const Shape shape = real_.value(x).shape;
    Shape along_channels(shape.size(), 1);
    if (numbers.size() > 1) along_channels[1] = static_cast<std::int64_t>(numbers.size());
    const ValueId operand = constant(
        name + "_by",
        Tensor::from<float>(along_channels, std::vector<float>(numbers.begin(), numbers.end())));
    if (result == kNoValue) result = new_value(name, shape);
    real_.nodes.push_back({.name = unique(name),
                           .op = Binary{.kind = kind, .activation = clip},
                           .inputs = {x, operand},
                           .outputs = {result}});
    return result;
  }

  // With the activation in the node where its op can have one, else behind it.
  void emit(Node node, const Activation& activation) {
    if (activation.kind == Activation::Kind::None) {
      real_.nodes.push_back(std::move(node));
    } else if (Activation* fused = fused_activation(node.op)) {
      *fused = activation;
      real_.nodes.push_back(std::move(node));
    } else {
      const ValueId result = node.outputs[0];
      node.outputs[0] = new_value(node.name + "_plain", real_.value(result).shape);
      Node clip{.name = unique(node.name + "_clip"),
                .op = Activate{activation},
                .inputs = {node.outputs[0]},
                .outputs = {result}};
      real_.nodes.push_back(std::move(node));
      real_.nodes.push_back(std::move(clip));
    }
  }

  // An output keeps its name: its codes had another one in front of the Dequantize.
  void add_output(ValueId id) {
    const ValueId result = value_of(id);
    const auto is = [&](ValueId other) { return other == result; };
    const auto among = [&](const std::vector<ValueId>& ids) {
      return std::any_of(ids.begin(), ids.end(), is);
    };
    const bool is_input_itself = real_.value(result).name == integers_.value(id).name;
    if ((is_input_itself || !among(real_.inputs)) && !among(real_.outputs)) {
      real_.value(result).name = integers_.value(id).name;
      real_.outputs.push_back(result);
      return;
    }
    const ValueId named = new_value(integers_.value(id).name, real_.value(result).shape);
    real_.nodes.push_back({.name = unique(real_.value(named).name + "_result"),
                           .op = Identity{},
                           .inputs = {result},
                           .outputs = {named}});
    real_.outputs.push_back(named);
  }

  // The value's counterpart: codes become real numbers.
  ValueId value_of(ValueId id) {
    const auto [it, is_new] = ids_.try_emplace(id, kNoValue);
    if (!is_new) return it->second;
    Value value = integers_.value(id);
    if (value.quantization || value.type == ElementType::Int32) {
      if (value.constant) value.constant = eval::as_type(*value.constant, ElementType::Float32);
      value.type = ElementType::Float32;
      value.quantization.reset();
    }
    return it->second = real_.add_value(std::move(value));
  }

  ValueId constant(const std::string& name, Tensor tensor) {
    return real_.add_constant(unique(name), std::move(tensor));
  }
  ValueId new_value(const std::string& name, const Shape& shape) {
    return real_.add_value({.name = unique(name), .shape = shape});
  }
  std::string unique(const std::string& name) {
    int& uses = taken_[name];
    std::string found = uses == 0 ? name : fmt::format("{}_{}", name, uses);
    ++uses;
    return found;
  }

  const Graph& integers_;
  Graph real_;
  std::map<ValueId, ValueId> ids_;
  std::map<std::string, int> taken_;
};

}  // namespace

Graph real_network(const Graph& integers) { return RealNetwork(integers).run(); }

}  // namespace workbench
