#include "compiler/quantize/nemo_onnx.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <utility>

#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace workbench {

namespace {

std::string unique(std::set<std::string>& names, std::string name) {
  while (!names.insert(name).second) name += '_';
  return name;
}

void check_sound(const Graph& graph) {
  const std::vector<Violation> violations = verify(graph);
  CHECK(violations.empty(), "a stage of NEMO's: {}", violations.front().message);
}

}  // namespace

StageStep scalar_step(Binary::Kind kind, const char* suffix, double number) {
  return {suffix, Binary{.kind = kind}, Tensor::scalar(static_cast<float>(number))};
}

StageStep channel_step(Binary::Kind kind, const char* suffix, const std::vector<double>& numbers,
                       std::size_t rank) {
  Shape shape(rank, 1);
  shape.at(1) = static_cast<std::int64_t>(numbers.size());
  const std::vector<float> narrow(numbers.begin(), numbers.end());
  return {suffix, Binary{.kind = kind}, Tensor::from<float>(shape, narrow)};
}

StageStep floor_step() {
  return {"_floor", Activate{{.kind = Activation::Kind::Floor}}, std::nullopt};
}

StageStep clip_step(double low, double high) {
  return {"_clip",
          Activate{{.kind = Activation::Kind::Clip,
                    .alpha = static_cast<float>(low),
                    .beta = static_cast<float>(high)}},
          std::nullopt};
}

NemoRescaling nemo_rescaling(double eps_in, const NemoCodes& codes, const NemoRequantization& how) {
  const auto m = static_cast<double>(how.multiplier), d = static_cast<double>(how.divisor);
  const StageStep floor = floor_step(), scale = scalar_step(Binary::Kind::Mul, "_eps", codes.eps);
  const StageStep times = scalar_step(Binary::Kind::Mul, "_multiplier", m);
  const StageStep over = scalar_step(Binary::Kind::Div, "_divisor", d);
  const StageStep clip = clip_step(codes.low * codes.eps, codes.high * codes.eps);
  return {.fq = {scalar_step(Binary::Kind::Div, "_over", codes.eps), floor, scale, clip},
          .qd = {scalar_step(Binary::Kind::Div, "_over", eps_in), times, over, floor, scale, clip},
          .id = {times, over, floor, clip_step(codes.low, codes.high)}};
}

StageWriter::StageWriter(const Graph& form)
    : form_(form), stands_for_(form.values.size(), kNoValue) {
  graph_.name = form.name;
  // Names of the form are for what stands for its values and nodes.
  for (const Value& value : form.values) value_names_.insert(value.name);
  for (const Node& node : form.nodes) node_names_.insert(node.name);
}

std::string StageWriter::unique_value(std::string name) {
  return unique(value_names_, std::move(name));
}

void StageWriter::push(const std::string& name, Op op, std::vector<ValueId> inputs,
                       std::vector<ValueId> outputs, bool is_host) {
  graph_.nodes.push_back({.name = name,
                          .op = std::move(op),
                          .inputs = std::move(inputs),
                          .outputs = std::move(outputs)});
  is_host_.push_back(is_host);
}

ValueId StageWriter::apply(const std::vector<StageStep>& steps, ValueId from,
                           const std::string& layer, const std::string& result, bool first) {
  for (std::size_t i = 0; i < steps.size(); ++i) {
    const StageStep& step = steps[i];
    const bool named = first && i == 0;
    const std::string name = named ? layer : unique(node_names_, layer + step.suffix);
    const bool last = i + 1 == steps.size();
    std::vector<ValueId> inputs = {from};
    if (step.operand) inputs.push_back(constant(layer + step.suffix + "_by", *step.operand));
    const Shape shape = graph_.value(from).shape;
    from = graph_.add_value(
        {.name = last ? result : unique_value(result + step.suffix), .shape = shape});
    push(name, step.op, std::move(inputs), {from}, false);
  }
  return from;
}

void StageWriter::add_input(ValueId id, const std::vector<StageStep>& steps) {
  const Value& value = form_.value(id);
  const ValueId input = graph_.add_value({.name = value.name, .shape = value.shape});
  graph_.inputs.push_back(input);
  stands_for_[at(id)] = input;
  if (steps.empty()) return;
  stands_for_[at(id)] =
      apply(steps, input, value.name, unique_value(value.name + "_quantized"), false);
}

ValueId StageWriter::read(ValueId id) {
  if (id == kNoValue) return id;
  ValueId& known = stands_for_[at(id)];
  if (known != kNoValue) return known;
  CHECK(form_.value(id).constant, "'{}' is read before it is written", form_.value(id).name);
  known = graph_.add_value(form_.value(id));
  return known;
}

ValueId StageWriter::constant(const std::string& name, Tensor tensor) {
  return graph_.add_constant(unique_value(name), std::move(tensor));
}

ValueId StageWriter::add_weights(ValueId id, Tensor tensor) {
  const std::string& name = form_.value(id).name;
  if (!weights_.insert(id).second) return constant(name, std::move(tensor));
  return graph_.add_constant(name, std::move(tensor));
}

ValueId StageWriter::between(const std::string& name, ValueId from,
                             const std::vector<StageStep>& steps) {
  return apply(steps, from, name, unique_value(name), false);
}

ValueId StageWriter::padded(const std::string& name, ValueId from, const Pad& pad) {
  Shape shape = graph_.value(from).shape;
  for (std::size_t i = 0; i < shape.size(); ++i) shape[i] += pad.begin[i] + pad.end[i];
  const ValueId result = graph_.add_value({.name = unique_value(name), .shape = shape});
  push(unique(node_names_, name), pad, {from}, {result}, false);
  return result;
}

void StageWriter::chain(const Node& original, std::optional<Op> op, std::vector<ValueId> inputs,
                        const std::vector<StageStep>& steps) {
  const Value& out = form_.value(original.outputs[0]);
  ValueId result = inputs.at(0);
  if (op) {
    result =
        graph_.add_value({.name = steps.empty() ? out.name : unique_value(out.name + "_linear"),
                          .shape = out.shape});
    push(original.name, *std::move(op), std::move(inputs), {result}, false);
    graph_.nodes.back().merged = original.merged;
  }
  stands_for_[at(original.outputs[0])] =
      apply(steps, result, original.name, out.name, !op.has_value());
}

void StageWriter::copy(const Node& original, bool is_host) {
  std::vector<ValueId> inputs, outputs;
  for (const ValueId id : original.inputs) inputs.push_back(read(id));
  for (const ValueId id : original.outputs) {
    outputs.push_back(id);
    if (id == kNoValue) continue;
    outputs.back() = stands_for_[at(id)] = graph_.add_value(form_.value(id));
  }
  push(original.name, original.op, std::move(inputs), std::move(outputs), is_host);
}

Graph StageWriter::finished() const {
  Graph graph = graph_;
  for (const ValueId id : form_.outputs) graph.outputs.push_back(stands_for_[at(id)]);
  check_sound(graph);
  return graph;
}

Graph StageWriter::without_host() const {
  Graph graph = graph_;
  std::vector<bool> of_host(graph.values.size(), false);
  std::vector<Node> nodes;
  const auto leave = [&](ValueId id) {
    const bool known =
        std::find(graph.outputs.begin(), graph.outputs.end(), id) != graph.outputs.end();
    if (!known && !of_host[at(id)]) graph.outputs.push_back(id);
  };
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    Node& node = graph.nodes[n];
    if (!is_host_[n]) {
      nodes.push_back(std::move(node));
      continue;
    }
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) of_host[at(id)] = true;
    }
    for (const ValueId id : node.inputs) {
      if (id != kNoValue && !graph.value(id).constant) leave(id);
    }
  }
  for (const ValueId id : form_.outputs) leave(stands_for_[at(id)]);
  graph.nodes = std::move(nodes);
  remove_dead(graph);
  check_sound(graph);
  return graph;
}

namespace {

using Kind = Binary::Kind;

constexpr std::int64_t kLow32 = std::numeric_limits<std::int32_t>::min();
constexpr std::int64_t kHigh32 = std::numeric_limits<std::int32_t>::max();

template <typename... Args>
[[noreturn]] void refuse(const Node& node, fmt::format_string<Args...> format, Args&&... args) {
  fail("node '{}' ({}): {}", node.name, op_name(node.op),
       fmt::format(format, std::forward<Args>(args)...));
}

bool is_exact(std::int64_t v) {
  constexpr std::int64_t kBeyond = std::int64_t{1} << 62;  // far from where a cast is undefined
  return v > -kBeyond && v < kBeyond && static_cast<std::int64_t>(static_cast<float>(v)) == v;
}

std::vector<double> exact(const Node& node, const std::vector<std::int64_t>& numbers,
                          const char* what) {
  std::vector<double> result;
  for (const std::int64_t v : numbers) {
    if (!is_exact(v)) refuse(node, "{} {}: float32 does not hold it", what, v);
    result.push_back(static_cast<double>(v));
  }
  return result;
}

std::int64_t floor_divide(std::int64_t n, std::int64_t d) {
  return n / d - (n % d != 0 && (n < 0) != (d < 0) ? 1 : 0);
}

// The same rescaling, rounded down.
AffineRequantize floored(const Node& node, AffineRequantize how) {
  if (how.rounding == Rounding::HalfUp) {
    for (std::int64_t& offset : how.offset) offset += how.divisor / 2;
  } else if (how.rounding != Rounding::Floor && how.low < 0 && how.divisor != 1) {
    refuse(node, "rounds toward zero below it: expected fractions that are floored");
  }
  how.rounding = Rounding::Floor;
  return how;
}

bool is_all(const std::vector<std::int64_t>& numbers, std::int64_t v) {
  return std::all_of(numbers.begin(), numbers.end(), [&](std::int64_t n) { return n == v; });
}

// NEMO's m: what all its numbers share is taken out of `how`.
std::int64_t shared_multiplier(AffineRequantize& how) {
  std::int64_t shared = 0;
  for (const auto* list : {&how.multiplier, &how.offset}) {
    for (const std::int64_t v : *list) shared = std::gcd(shared, v);
  }
  if (shared <= 1 || !is_exact(shared)) return 1;
  for (auto* list : {&how.multiplier, &how.offset}) {
    for (std::int64_t& v : *list) v /= shared;
  }
  return shared;
}

// `layer`: all links, as DORY's pattern of a layer has them.
std::vector<StageStep> steps_of(const Node& node, AffineRequantize how, std::size_t rank,
                                bool layer = false) {
  std::vector<StageStep> steps;
  const bool rescales = how.divisor != 1 || !is_all(how.multiplier, 1) || !is_all(how.offset, 0);
  const bool all_links = layer && rescales;
  const double multiplier = all_links ? static_cast<double>(shared_multiplier(how)) : 1;
  const auto link = [&](Kind kind, const char* suffix, const std::vector<std::int64_t>& numbers) {
    const std::vector<double> values = exact(node, numbers, suffix + 1);
    steps.push_back(values.size() == 1 && !all_links ? scalar_step(kind, suffix, values[0])
                                                     : channel_step(kind, suffix, values, rank));
  };
  if (all_links || !is_all(how.multiplier, 1)) link(Kind::Mul, "_kappa", how.multiplier);
  if (all_links || !is_all(how.offset, 0)) link(Kind::Add, "_lambda", how.offset);
  if (all_links) steps.push_back(scalar_step(Kind::Mul, "_multiplier", multiplier));
  if (all_links || how.divisor != 1) {
    const std::vector<double> divisor = exact(node, {how.divisor}, "divisor");
    steps.push_back(scalar_step(Kind::Div, "_divisor", divisor[0]));
    steps.push_back(floor_step());
  }
  if (how.low != kLow32 || how.high != kHigh32) {
    steps.push_back(clip_step(static_cast<double>(how.low), static_cast<double>(how.high)));
  }
  return steps;
}

std::vector<std::int64_t> spread(std::vector<std::int64_t> numbers, std::size_t count) {
  if (numbers.size() == 1) numbers.resize(count, numbers[0]);
  return numbers;
}

// The part of the offsets that is a multiple of kappa becomes bias.
void offsets_to_bias(AffineRequantize& how, std::vector<std::int64_t>& bias) {
  for (std::size_t c = 0; c < bias.size(); ++c) {
    const std::int64_t kappa = how.multiplier[c];
    if (kappa == 0) {  // a constant: any offset that gives it will do
      const std::int64_t result =
          std::clamp(floor_divide(how.offset[c], how.divisor), how.low, how.high);
      how.offset[c] = result * how.divisor;
      continue;
    }
    // As near as float32 allows: the remainder is a few kappa.
    const std::int64_t all = bias[c] + floor_divide(how.offset[c], kappa);
    const auto nearest = static_cast<std::int64_t>(static_cast<float>(all));
    how.offset[c] -= (nearest - bias[c]) * kappa;
    bias[c] = nearest;
  }
}

class Form {
 public:
  explicit Form(const Graph& integers) : integers_(integers), writer_(integers) {}

  Graph run() {
    for (const ValueId id : integers_.inputs) writer_.add_input(id, {});
    for (const Node& node : integers_.nodes) add(node);
    Graph graph = writer_.without_host();
    name_outputs(graph);
    return graph;
  }

 private:
  const Value& value(ValueId id) const { return integers_.value(id); }
  bool is_code(ValueId id) const {
    return id != kNoValue && !value(id).constant && value(id).quantization.has_value();
  }

  bool is_input(ValueId id) const {
    return std::ranges::find(integers_.inputs, id) != integers_.inputs.end();
  }

  // What makes codes of an input that `node` pads, and is all that reads it then.
  const Node* codes_of_border(const Node& node) const {
    const auto* pad = std::get_if<Pad>(&node.op);
    if (pad == nullptr || pad->mode != Pad::Mode::Constant || !is_input(node.inputs[0])) return {};
    const auto reader = sole_reader(integers_, node.outputs[0]);
    if (!reader || !std::holds_alternative<Quantize>(integers_.nodes[*reader].op)) return {};
    return &integers_.nodes[*reader];
  }

  void add(const Node& node) {
    if (node.requantize) refuse(node, "rescales as xDNN does: NEMO has no such arithmetic");
    if (const Node* codes = codes_of_border(node)) {
      Pad pad = std::get<Pad>(node.op);
      const Quantization& quantization = *value(codes->outputs[0]).quantization;
      pad.value =
          static_cast<float>(std::llrint(static_cast<double>(pad.value) / quantization.step()) +
                             quantization.zero_point());
      Node border = node;
      border.outputs = codes->outputs;
      borders_.insert(node.outputs[0]);
      return writer_.chain(border, pad, {writer_.read(node.inputs[0])}, {});
    }
    if (std::holds_alternative<Quantize>(node.op) && borders_.contains(node.inputs[0])) return;
    if (std::holds_alternative<Quantize>(node.op)) {
      if (!is_input(node.inputs[0])) {
        refuse(node, "reads '{}' of the host: in this form nothing is behind it",
               value(node.inputs[0]).name);
      }
      return writer_.same(node.outputs[0], node.inputs[0]);
    }
    if (node.inputs.empty() || !is_code(node.inputs[0]) || !is_code(node.outputs[0])) {
      return writer_.copy(node, true);
    }
    if (!node.affine) return add_move(node);
    if (std::holds_alternative<Conv>(node.op) || std::holds_alternative<Gemm>(node.op)) {
      return add_layer(node);
    }
    if (std::holds_alternative<AveragePool>(node.op)) return add_pool(node);
    if (std::holds_alternative<Binary>(node.op)) return add_sum(node);
    if (std::holds_alternative<Identity>(node.op)) {
      return writer_.chain(node, std::nullopt, {writer_.read(node.inputs[0])},
                           steps_or_refuse(node));
    }
    refuse(node, "rescales its result: NEMO has no such layer");
  }

  std::size_t rank(const Node& node) const { return value(node.outputs[0]).shape.size(); }

  // An empty chain would leave no node.
  std::vector<StageStep> steps_or_refuse(const Node& node) const {
    auto steps = steps_of(node, floored(node, *node.affine), rank(node));
    if (steps.empty()) steps.push_back(scalar_step(Kind::Mul, "_kappa", 1));
    return steps;
  }

  void add_move(const Node& node) {
    std::vector<ValueId> inputs;
    for (const ValueId id : node.inputs) inputs.push_back(writer_.read(id));
    writer_.chain(node, node.op, std::move(inputs), {});
  }

  void add_layer(const Node& node) {
    AffineRequantize how = floored(node, *node.affine);
    const auto channels = static_cast<std::size_t>(value(node.outputs[0]).shape[1]);
    std::vector<std::int64_t> bias(channels, 0);
    const bool biased = node.inputs.size() > 2 && node.inputs[2] != kNoValue;
    if (biased) {
      const auto codes = value(node.inputs[2]).constant->values<std::int32_t>();
      bias.assign(codes.begin(), codes.end());
    }
    AffineRequantize alone = how;
    shared_multiplier(alone);
    if (!std::all_of(alone.offset.begin(), alone.offset.end(), is_exact)) {
      how.multiplier = spread(how.multiplier, channels);
      how.offset = spread(how.offset, channels);
      offsets_to_bias(how, bias);
    }
    const Tensor& codes = *value(node.inputs[1]).constant;
    const auto bytes = codes.values<std::int8_t>();
    const std::vector<float> weights(bytes.begin(), bytes.end());
    std::vector<ValueId> inputs = {
        writer_.read(node.inputs[0]),
        writer_.add_weights(node.inputs[1],
                            Tensor::from<float>(codes.shape(), weights, codes.layout()))};
    if (!is_all(bias, 0)) inputs.push_back(add_bias(node, bias));
    writer_.chain(node, node.op, std::move(inputs), steps_of(node, how, rank(node), true));
  }

  ValueId add_bias(const Node& node, const std::vector<std::int64_t>& bias) {
    for (const std::int64_t b : bias) {
      if (b < kLow32 || b > kHigh32) refuse(node, "bias {} is more than 32 bits", b);
    }
    const std::vector<double> values = exact(node, bias, "bias");
    const std::vector<float> narrow(values.begin(), values.end());
    return writer_.constant(node.name + "_bias",
                            Tensor::from<float>({static_cast<std::int64_t>(bias.size())}, narrow));
  }

  // Integer pools add; ONNX's divide by their cells, too.
  void add_pool(const Node& node) {
    AffineRequantize how = floored(node, *node.affine);
    const std::int64_t cells = element_count(std::get<AveragePool>(node.op).window.kernel);
    for (std::int64_t& m : how.multiplier) m *= cells;
    writer_.chain(node, node.op, {writer_.read(node.inputs[0])}, steps_of(node, how, rank(node)));
  }

  void add_sum(const Node& node) {
    std::vector<ValueId> operands;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      ValueId operand = writer_.read(node.inputs[i]);
      if (!node.operand_affine.empty()) {
        const auto steps = steps_of(node, floored(node, node.operand_affine[i]), rank(node));
        operand = writer_.between(fmt::format("{}_operand{}", node.name, i), operand, steps);
      }
      operands.push_back(operand);
    }
    writer_.chain(node, node.op, std::move(operands),
                  steps_of(node, floored(node, *node.affine), rank(node)));
  }

  // NAME, which the network dequantized from NAME_int8, is NAME here.
  void name_outputs(Graph& graph) const {
    std::map<std::string, ValueId> names = values_by_name(graph);
    for (const Node& node : integers_.nodes) {
      if (!std::holds_alternative<Dequantize>(node.op)) continue;
      const auto found = names.find(value(node.inputs[0]).name);
      const std::string& name = value(node.outputs[0]).name;
      if (found == names.end() || names.contains(name)) continue;
      const ValueId id = found->second;
      if (std::find(graph.outputs.begin(), graph.outputs.end(), id) == graph.outputs.end())
        continue;
      graph.value(id).name = name;
      names.emplace(name, id);
      names.erase(found);
    }
  }

  const Graph& integers_;
  StageWriter writer_;
  std::set<ValueId> borders_;  // inputs, padded
};

}  // namespace

Graph nemo_onnx_form(const Graph& integers) { return Form(integers).run(); }

}  // namespace workbench
