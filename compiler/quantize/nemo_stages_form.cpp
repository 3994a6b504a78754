#include "compiler/quantize/nemo_stages_form.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "compiler/passes/passes.h"
#include "compiler/passes/rewrite.h"

namespace workbench {

namespace {

constexpr double kEmpty = 1e-9;  // prune_empty_bn

constexpr Pass kPasses[] = {{"drop_identities", drop_identities},
                            {"fold_constants", fold_constants},
                            {"matmul_to_gemm", matmul_to_gemm},
                            {"pool_to_average", pool_to_average},
                            {"canonicalize_padding", canonicalize_padding},
                            {"remove_dead", remove_dead}};

Tensor row(const std::vector<double>& values) {
  const std::vector<float> narrow(values.begin(), values.end());
  return Tensor::from<float>({static_cast<std::int64_t>(values.size())}, narrow);
}

std::vector<double> numbers(const Tensor& tensor) {
  const auto values = tensor.values<float>();
  return {values.begin(), values.end()};
}

std::size_t channels_of(const Graph& graph, const Node& node) {
  return static_cast<std::size_t>(graph.value(node.outputs[0]).shape[1]);
}

// The bias of a linear node, one number per output channel; zeros without one.
std::vector<double> bias_of(const Graph& graph, const Node& node) {
  const std::size_t channels = channels_of(graph, node);
  const Tensor* bias = float_constant(graph, node, 2);
  if (bias == nullptr) return std::vector<double>(channels, 0.0);
  std::vector<double> values = numbers(*bias);
  if (values.size() == 1) values.resize(channels, values[0]);
  CHECK(values.size() == channels, "bias of '{}'", node.name);
  return values;
}

void set_bias(Graph& graph, std::size_t n, const std::vector<double>& bias) {
  Node& node = graph.nodes[n];
  if (node.inputs.size() > 2) node.inputs.resize(2);
  const ValueId id = graph.add_constant(unique_value_name(graph, node.name + "_bias"), row(bias));
  graph.nodes[n].inputs.push_back(id);
}

// Linear nodes as PyTorch has them: no factors, a bias per channel.
void normalize(Graph& graph, std::size_t n) {
  if (!is_nemo_linear(graph, graph.nodes[n])) return;
  const bool biased = float_constant(graph, graph.nodes[n], 2) != nullptr;
  std::vector<double> bias = bias_of(graph, graph.nodes[n]);
  if (auto* gemm = std::get_if<Gemm>(&graph.nodes[n].op)) {
    for (double& b : bias) b *= static_cast<double>(gemm->beta);
    if (gemm->alpha != 1) {
      Tensor weights = *graph.value(graph.nodes[n].inputs[1]).constant;
      for (float& w : weights.mutable_values<float>()) w *= gemm->alpha;
      set_constant(graph, n, 1, std::move(weights), graph.nodes[n].name + "_weights");
    }
    gemm = std::get_if<Gemm>(&graph.nodes[n].op);
    gemm->alpha = gemm->beta = 1;
  }
  if (biased) set_bias(graph, n, bias);
}

// Largest weight of each output channel of a Conv or Gemm.
std::vector<double> channel_weights(const Graph& graph, const Node& node) {
  const auto weights = float_constant(graph, node, 1)->values<float>();
  const auto* gemm = std::get_if<Gemm>(&node.op);
  const bool by_column = gemm != nullptr && !gemm->transpose_b;
  std::vector<double> largest(channels_of(graph, node), 0.0);
  const std::size_t terms = weights.size() / largest.size();
  for (std::size_t i = 0; i < weights.size(); ++i) {
    double& of_channel = largest[by_column ? i % largest.size() : i / terms];
    of_channel = std::max(of_channel, std::abs(static_cast<double>(weights[i])));
  }
  return largest;
}

void make_batch_norm(Graph& graph, std::size_t n, const ChannelAffine& affine) {
  const std::string base = graph.nodes[n].name;
  const std::vector<double> zeros(affine.scale.size(), 0), ones(affine.scale.size(), 1);
  std::vector<ValueId> inputs = {affine.x};
  const auto add = [&](const char* suffix, const std::vector<double>& values) {
    inputs.push_back(graph.add_constant(unique_value_name(graph, base + suffix), row(values)));
  };
  add("_kappa", affine.scale);
  add("_lambda", affine.shift);
  add("_mean", zeros);
  add("_variance", ones);
  graph.nodes[n].op = BatchNorm{.epsilon = 0};
  graph.nodes[n].inputs = std::move(inputs);
}

bool is_shift(const ChannelAffine& affine) {
  return std::all_of(affine.scale.begin(), affine.scale.end(), [](double s) { return s == 1; });
}

// `affine`, which node n is, joins the linear node or batch normalisation `before`; true: node n
// is gone.
bool join(Graph& graph, std::size_t before, std::size_t n, ChannelAffine& affine) {
  if (const auto first = channel_affine(graph, graph.nodes[before])) {  // made by us
    for (std::size_t c = 0; c < affine.scale.size(); ++c) {
      affine.shift[c] += affine.scale[c] * first->shift[c];
      affine.scale[c] *= first->scale[c];
    }
    affine.x = first->x;
    make_batch_norm(graph, before, affine);
    fuse_behind(graph, before, n);
    return true;
  }
  if (!is_nemo_linear(graph, graph.nodes[before])) return false;
  const std::vector<double> bias = bias_of(graph, graph.nodes[before]);
  const bool biased = graph.nodes[before].inputs.size() > 2;
  if (is_shift(affine)) {
    for (std::size_t c = 0; c < bias.size(); ++c) affine.shift[c] += bias[c];
    set_bias(graph, before, affine.shift);
    fuse_behind(graph, before, n);
    return true;
  }
  for (std::size_t c = 0; c < bias.size(); ++c) affine.shift[c] += affine.scale[c] * bias[c];
  graph.nodes[before].inputs.resize(2);
  if (biased) return false;
  const std::vector<double> largest = channel_weights(graph, graph.nodes[before]);
  for (std::size_t c = 0; c < largest.size(); ++c) {
    if (largest[c] < kEmpty) affine.scale[c] = 0;
  }
  return false;
}

// Node n, if it is an affine map, as batch normalisation or part of what is before it; true: it is
// gone.
bool normalize_affine(Graph& graph, std::size_t n) {
  auto affine = channel_affine(graph, graph.nodes[n]);
  if (!affine || affine->activation.kind != Activation::Kind::None) return false;
  const auto writer = writer_of(graph, affine->x);
  const bool alone = writer && sole_reader(graph, affine->x) == n;
  if (alone && join(graph, *writer, n, *affine)) return true;
  make_batch_norm(graph, n, *affine);
  return false;
}

// Layers and sums want codes; so does anything but the rest of its layer of what a Gemm did not
// give, the only layer of PULP's that leaves 32 bits.
bool wants_codes(const Graph& graph, const Node& layer, const Node& reader) {
  const bool rest =
      std::holds_alternative<Activate>(reader.op) || std::holds_alternative<BatchNorm>(reader.op);
  if (!std::holds_alternative<Gemm>(layer.op)) return !rest;
  const auto* binary = std::get_if<Binary>(&reader.op);
  return is_nemo_linear(graph, reader) || std::holds_alternative<AveragePool>(reader.op) ||
         (binary != nullptr && binary->kind == Binary::Kind::Add);
}

// An activation of its own for the accumulator that node n reads in `slot`, unless it has one.
bool add_signed_activation(Graph& graph, std::size_t n, std::size_t slot) {
  const ValueId id = operand(graph.nodes[n], slot);
  if (id == kNoValue || is_constant(graph, id)) return false;
  const auto writer = writer_of(graph, id);
  if (!writer) return false;
  const Node& layer = graph.nodes[*writer];
  if (!is_nemo_linear(graph, layer) && !std::holds_alternative<BatchNorm>(layer.op)) return false;
  if (!wants_codes(graph, layer, graph.nodes[n])) return false;
  const std::string name = unique_value_name(graph, graph.value(id).name + "_codes");
  const ValueId codes = graph.add_value({.name = name, .shape = graph.value(id).shape});
  Node activation{.name = unique_node_name(graph, layer.name + "_codes"),
                  .op = Activate{},
                  .inputs = {id},
                  .outputs = {codes}};
  for (std::size_t reader = n; reader < graph.nodes.size(); ++reader) {
    if (!wants_codes(graph, layer, graph.nodes[reader])) continue;
    std::replace(graph.nodes[reader].inputs.begin(), graph.nodes[reader].inputs.end(), id, codes);
  }
  insert_node(graph, n, std::move(activation));
  return true;
}

void add_signed_activations(Graph& graph) {
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    for (std::size_t slot = 0; slot < graph.nodes[n].inputs.size(); ++slot) {
      if (add_signed_activation(graph, n, slot)) ++n;
    }
  }
}

}  // namespace

bool is_nemo_activation(const Activation& activation) {
  const Activation::Kind kind = activation.kind;
  if (kind == Activation::Kind::Relu || kind == Activation::Kind::None) return true;
  return activation.kind == Activation::Kind::Clip && activation.alpha == 0 &&
         activation.beta > 0 && activation.bounds.empty();
}

bool is_nemo_move(const Op& op) {
  return (traits(op).moves_data || traits(op).selects) && fill_value(op).value_or(0) == 0;
}

bool is_nemo_linear(const Graph& graph, const Node& node) {
  const auto* gemm = std::get_if<Gemm>(&node.op);
  if (gemm == nullptr && !std::holds_alternative<Conv>(node.op)) return false;
  const bool biased = node.inputs.size() > 2 && node.inputs[2] != kNoValue;
  if (biased) {
    const Tensor* bias = float_constant(graph, node, 2);
    const std::int64_t channels = graph.value(node.outputs[0]).shape[1];
    if (bias == nullptr || (bias->size() != 1 && bias->size() != channels)) return false;
  }
  return (gemm == nullptr || !gemm->transpose_a) && float_constant(graph, node, 1) != nullptr;
}

Graph nemo_stages_form(Graph imported, bool signed_activations) {
  run_passes(imported, kPasses);
  for (std::size_t n = 0; n < imported.nodes.size(); ++n) {
    normalize(imported, n);
    if (normalize_affine(imported, n)) --n;
  }
  remove_dead(imported);
  if (signed_activations) add_signed_activations(imported);
  return imported;
}

namespace {

void set_step(Value& value, const NemoStep& step) {
  Quantization& codes = *value.quantization;
  codes.thresholds = {step.eps * static_cast<double>(codes.high())};
  if (step.zero != 0) codes.zero_points = {step.zero};
}

// What the host pads, before it becomes codes.
void pad_with_zero(Graph& integers, ValueId id) {
  const auto writer = writer_of(integers, id);
  auto* pad = writer ? std::get_if<Pad>(&integers.nodes[*writer].op) : nullptr;
  if (pad != nullptr) pad->value = 0;
}

}  // namespace

std::optional<NemoStep> NemoSteps::of(const std::string& name) const {
  auto found = steps_.find(name);
  const std::size_t suffix = name.rfind("_int8");
  if (found == steps_.end() && suffix != std::string::npos) {
    found = steps_.find(name.substr(0, suffix));
  }
  return found == steps_.end() ? std::nullopt : std::optional(found->second);
}

Graph NemoSteps::applied(Graph integers) const {
  for (Value& value : integers.values) {
    const auto step = value.constant ? of(value.name) : std::nullopt;
    if (value.quantization && step) set_step(value, *step);
  }
  for (const Node& node : integers.nodes) {
    Value& out = integers.value(node.outputs[0]);
    if (!out.quantization) continue;
    const auto step = of(out.name);
    const Value& in = integers.value(node.inputs[0]);
    CHECK(step || in.quantization, "no eps for '{}'", out.name);
    set_step(out, step ? *step : NemoStep{in.quantization->step(), in.quantization->zero_point()});
    if (std::holds_alternative<Quantize>(node.op)) pad_with_zero(integers, node.inputs[0]);
  }
  return integers;
}

Graph NemoSteps::annotated(Graph form, const Graph& integers) const {
  const auto names = values_by_name(integers);
  for (Value& value : form.values) {
    auto found = names.find(value.name + "_int8");
    if (found == names.end()) found = names.find(value.name);
    if (found == names.end()) continue;
    const auto& codes = integers.value(found->second).quantization;
    if (!codes || codes->bits > 8) continue;
    value.quantization = codes;
    if (!value.constant) value.quantization->rounding = Rounding::Floor;
  }
  for (const ValueId id : form.inputs) {
    Value& input = form.value(id);
    const auto step = of(input.name);
    if (input.quantization) {
      input.quantization->rounding = Quantization().rounding;
    } else if (step && step->zero != 0) {  // read with a border only: no codes without it
      input.quantization = Quantization{.bits = 8, .is_signed = false, .thresholds = {}};
      set_step(input, *step);
    }
  }
  return form;
}

}  // namespace workbench
