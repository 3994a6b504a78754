#include "compiler/quantize/nemo_stages_writer.h"

#include <algorithm>
#include <utility>

#include "compiler/passes/passes.h"

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

}  // namespace workbench
