#include "compiler/quantize/nemo_stages.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "compiler/passes/rewrite.h"
#include "compiler/quantize/integer_network.h"
#include "compiler/quantize/nemo_stages_form.h"
#include "compiler/quantize/nemo_stages_numbers.h"
#include "compiler/quantize/nemo_stages_writer.h"
#include "core/eval/evaluate.h"

namespace workbench {

namespace {

using Kind = Binary::Kind;

constexpr double kRangeFactor = 8;  // of an activation's alpha: what the BN before it may give

// What NEMO's graph knows of a value.
struct Known {
  bool is_integer = false, is_codes = false;  // codes: of 8 bits, what layers read
  bool is_signed = false;
  double eps = 0;
};

struct Range {
  double low = 0, high = 0;
  double largest() const { return std::max(high, -low); }
};

std::vector<double> as_real(const std::vector<std::int64_t>& codes, double eps = 1) {
  std::vector<double> result;
  for (const std::int64_t code : codes) result.push_back(static_cast<double>(code) * eps);
  return result;
}

Tensor tensor_of(const std::vector<std::int64_t>& codes, double eps, const Shape& shape,
                 Layout layout) {
  const std::vector<double> real = as_real(codes, eps);
  const std::vector<float> narrow(real.begin(), real.end());
  return Tensor::from<float>(shape, narrow, layout);
}

bool is_pact(const Activation& activation) {
  const Activation::Kind kind = activation.kind;
  if (kind == Activation::Kind::Relu || kind == Activation::Kind::None) return true;
  return activation.kind == Activation::Kind::Clip && activation.alpha == 0 &&
         activation.beta > 0 && activation.bounds.empty();
}

bool moves(const Op& op) {
  const auto* pad = std::get_if<Pad>(&op);
  if (pad != nullptr) return pad->mode != Pad::Mode::Constant || pad->value == 0;
  return std::holds_alternative<MaxPool>(op) || std::holds_alternative<Reshape>(op) ||
         std::holds_alternative<Concat>(op) || std::holds_alternative<Transpose>(op) ||
         std::holds_alternative<Identity>(op) || std::holds_alternative<Slice>(op) ||
         std::holds_alternative<Resize>(op) || std::holds_alternative<SpaceToDepth>(op) ||
         std::holds_alternative<DepthToSpace>(op);
}

std::vector<Range> ranges_of(const Graph& form, const SampleSource& samples,
                             const StageProgress& progress) {
  std::vector<Range> ranges(form.values.size());
  for (std::size_t i = 0; i < samples.count; ++i) {
    if (progress) {
      progress("ranges", static_cast<double>(i) / static_cast<double>(samples.count));
    }
    evaluate(form, samples.at(i), {.observe = [&](ValueId id, const Tensor& tensor) {
               if (tensor.type() != ElementType::Float32) return;
               Range& range = ranges[static_cast<std::size_t>(id)];
               for (const float v : tensor.values<float>()) {
                 range.low = std::min(range.low, static_cast<double>(v));
                 range.high = std::max(range.high, static_cast<double>(v));
               }
             }});
  }
  return ranges;
}

class Stages {
 public:
  Stages(const Graph& form, std::vector<Range> ranges, const NemoStagesOptions& options)
      : form_(form),
        options_(options),
        ranges_(std::move(ranges)),
        known_(form.values.size()),
        fq_(form),
        qd_(form),
        id_(form) {}

  NemoStages run() {
    for (const ValueId id : form_.inputs) add_input(id);
    for (const Node& node : form_.nodes) add(node);
    note_narrowed();
    NemoStages stages{.annotated = {},
                      .fake_quantized = fq_.finished(),
                      .quantized_deployable = qd_.finished(),
                      .integer_deployable = id_.without_host(),
                      .integers = {},
                      .notes = std::move(notes_)};
    stages.integers =
        with_steps(integer_network(id_.finished(), {}, {.input_signed = std::move(input_signed_)}));
    stages.annotated = annotated(stages.integers);
    return stages;
  }

 private:
  template <typename... Args>
  [[noreturn]] static void refuse(const Node& node, fmt::format_string<Args...> format,
                                  Args&&... args) {
    fail("node '{}' ({}): {}", node.name, op_name(node.op),
         fmt::format(format, std::forward<Args>(args)...));
  }
  template <typename... Args>
  void note(const Node& node, fmt::format_string<Args...> format, Args&&... args) {
    notes_.push_back(
        fmt::format("{}: {}", node.name, fmt::format(format, std::forward<Args>(args)...)));
  }

  void note_narrowed() {
    if (narrowed_.empty()) return;
    notes_.push_back(fmt::format(
        "weights of {} layers have {} bits: alpha and beta differ, {} do not fit int8: {}",
        narrowed_.size(), options_.weight_bits - 1, options_.weight_bits,
        fmt::join(narrowed_, ", ")));
  }

  Known& known(ValueId id) { return known_.at(static_cast<std::size_t>(id)); }
  const Range& range(ValueId id) const { return ranges_.at(static_cast<std::size_t>(id)); }
  bool is_integer(ValueId id) { return id != kNoValue && known(id).is_integer; }

  void knows(const Node& node, const Known& result) {
    known(node.outputs[0]) = result;
    steps_[form_.value(node.outputs[0]).name] = result.eps;
  }

  // Images are given to NEMO as codes; unsigned ones where no sample is negative.
  void add_input(ValueId id) {
    const Value& value = form_.value(id);
    const bool is_signed = range(id).low < 0;
    const double high = is_signed ? 127 : 255, low = is_signed ? -128 : 0;
    const double eps = (range(id).largest() > 0 ? range(id).largest() : high) / high;
    const std::vector<StageStep> rounding = {
        scalar_step(Kind::Div, "_over", eps), scalar_step(Kind::Add, "_half", 0.5), floor_step(),
        clip_step(low, high), scalar_step(Kind::Mul, "_times", eps)};
    fq_.add_input(id, rounding);
    qd_.add_input(id, rounding);
    id_.add_input(id, {});
    known(id) = {.is_integer = true, .is_codes = true, .is_signed = is_signed, .eps = eps};
    steps_[value.name] = eps;
    input_signed_.emplace_back(value.name, is_signed);
  }

  void add(const Node& node) {
    if (is_nemo_linear(form_, node)) return add_linear(node);
    const bool of_integers = !node.inputs.empty() && is_integer(node.inputs[0]);
    if (of_integers && node.outputs.size() == 1) {
      if (std::holds_alternative<BatchNorm>(node.op)) return add_affine(node);
      if (std::holds_alternative<AveragePool>(node.op)) return add_pool(node);
      const auto* activate = std::get_if<Activate>(&node.op);
      if (activate != nullptr && is_pact(activate->activation)) return add_activation(node);
      const auto* binary = std::get_if<Binary>(&node.op);
      if (binary != nullptr && binary->kind == Kind::Add && is_integer(node.inputs[1])) {
        return add_sum(node);
      }
      if (moves(node.op)) return add_move(node);
    }
    for (StageWriter* stage : {&fq_, &qd_, &id_}) stage->copy(node, true);
  }

  void add_linear(const Node& node) {
    const ValueId x = node.inputs[0];
    if (!known(x).is_codes) {
      refuse(node, "reads '{}', which is {}: NEMO rounds to codes in activations alone",
             form_.value(x).name, known(x).is_integer ? "an accumulator" : "no integer");
    }
    const Tensor& weights = *form_.value(node.inputs[1]).constant;
    const NemoGrid grid = nemo_weight_grid(weights.values<float>(), options_.weight_bits,
                                           options_.asymmetric_weights);
    if (grid.bits != options_.weight_bits) narrowed_.push_back(node.name);
    const double eps_out = grid.eps * known(x).eps;
    const std::string& name = form_.value(node.inputs[1]).name;
    steps_[name] = grid.eps;
    for (StageWriter* stage : {&fq_, &qd_, &id_}) {
      const double eps = stage == &id_ ? 1 : grid.eps;
      Tensor values = tensor_of(grid.codes, eps, weights.shape(), weights.layout());
      std::vector<ValueId> inputs = {stage->read(x),
                                     stage->add_weights(node.inputs[1], std::move(values))};
      if (const Tensor* bias = float_constant(form_, node, 2)) {
        inputs.push_back(stage->constant(form_.value(node.inputs[2]).name + "_on_grid",
                                         bias_of(*bias, eps_out, stage)));
      }
      stage->chain(node, node.op, std::move(inputs), {});
    }
    knows(node, {.is_integer = true, .is_signed = true, .eps = eps_out});
  }

  // A bias without a batch normalisation to absorb it is on the accumulators' grid.
  Tensor bias_of(const Tensor& bias, double eps, const StageWriter* stage) const {
    if (stage == &fq_) return bias;
    std::vector<std::int64_t> codes;
    for (const float b : bias.values<float>()) {
      codes.push_back(static_cast<std::int64_t>(std::floor(static_cast<double>(b) / eps + 0.5)));
    }
    return tensor_of(codes, stage == &id_ ? 1 : eps, bias.shape(), bias.layout());
  }

  double largest(ValueId id) const { return range(id).largest() > 0 ? range(id).largest() : 1; }

  // What a batch normalisation may give: by the activation behind it, or else as measured.
  double range_behind(const Node& node) const {
    const ValueId out = node.outputs[0];
    if (const auto reader = sole_reader(form_, out)) {
      const Node& next = form_.nodes[*reader];
      const auto* activate = std::get_if<Activate>(&next.op);
      if (activate != nullptr && is_pact(activate->activation)) {
        return kRangeFactor * largest(next.outputs[0]);
      }
    }
    return largest(out);
  }

  void add_affine(const Node& node) {
    const ValueId x = node.inputs[0];
    const auto row = [&](std::size_t slot) {
      const auto values = form_.value(node.inputs[slot]).constant->values<float>();
      return std::vector<double>(values.begin(), values.end());
    };
    const NemoAffine affine{.kappa = row(1), .lambda = row(2)};
    const NemoIntegerAffine codes = nemo_integer_affine(affine, known(x).eps,
                                                        {.kappa_bits = options_.kappa_bits,
                                                         .lambda_bits = options_.lambda_bits,
                                                         .range = range_behind(node)});
    const std::size_t rank = form_.value(x).shape.size();
    const auto write = [&](StageWriter& stage, const std::vector<double>& kappa,
                           const std::vector<double>& lambda) {
      stage.chain(node, std::nullopt, {stage.read(x)},
                  {channel_step(Kind::Mul, "_kappa", kappa, rank),
                   channel_step(Kind::Add, "_lambda", lambda, rank)});
    };
    write(fq_, affine.kappa, affine.lambda);
    write(qd_, as_real(codes.kappa, codes.eps_kappa), as_real(codes.lambda, codes.eps_out));
    write(id_, as_real(codes.kappa), as_real(codes.lambda));
    knows(node, {.is_integer = true, .is_signed = true, .eps = codes.eps_out});
  }

  // Signed where the activation is no activation but the rounding of a linear result.
  void add_activation(const Node& node) {
    const ValueId x = node.inputs[0];
    const bool is_signed = std::get<Activate>(node.op).activation.kind == Activation::Kind::None;
    if (!is_signed && range(node.outputs[0]).high <= 0) note(node, "gives 0 for every sample");
    const double codes = std::ldexp(1.0, options_.activation_bits) - 1;
    const double alpha = (is_signed ? 2 : 1) * largest(node.outputs[0]);
    const double low = is_signed ? -(codes + 1) / 2 : 0, high = low + codes;
    const double eps_in = known(x).eps, eps = alpha / codes;
    const NemoRequantization how =
        nemo_requantization(eps_in, eps, options_.requantization_factor, options_.activation_bits);
    if (how.multiplier < options_.requantization_factor / 2) {
      note(node, "multiplier {} over {}: the limit of 32 bits costs precision", how.multiplier,
           how.divisor);
    }
    const auto m = static_cast<double>(how.multiplier), d = static_cast<double>(how.divisor);
    fq_.chain(node, std::nullopt, {fq_.read(x)},
              {scalar_step(Kind::Div, "_over", eps), floor_step(),
               scalar_step(Kind::Mul, "_eps", eps), clip_step(low * eps, high * eps)});
    qd_.chain(node, std::nullopt, {qd_.read(x)},
              {scalar_step(Kind::Div, "_over", eps_in), scalar_step(Kind::Mul, "_multiplier", m),
               scalar_step(Kind::Div, "_divisor", d), floor_step(),
               scalar_step(Kind::Mul, "_eps", eps), clip_step(low * eps, high * eps)});
    id_.chain(node, std::nullopt, {id_.read(x)},
              {scalar_step(Kind::Mul, "_multiplier", m), scalar_step(Kind::Div, "_divisor", d),
               floor_step(), clip_step(low, high)});
    knows(node, {.is_integer = true, .is_codes = true, .is_signed = is_signed, .eps = eps});
  }

  // Before ID a pool is an average of reals.
  void add_pool(const Node& node) {
    const ValueId x = node.inputs[0];
    fq_.copy(node, false);
    qd_.copy(node, false);
    const std::int64_t cells = element_count(std::get<AveragePool>(node.op).window.kernel);
    const NemoRequantization how = nemo_pool(cells, options_.requantization_factor);
    id_.chain(node, node.op, {id_.read(x)},
              {scalar_step(Kind::Mul, "_multiplier", static_cast<double>(cells * how.multiplier)),
               scalar_step(Kind::Div, "_divisor", static_cast<double>(how.divisor)), floor_step()});
    knows(node, known(x));
  }

  // So is a sum.
  void add_sum(const Node& node) {
    const ValueId a = node.inputs[0], b = node.inputs[1];
    fq_.copy(node, false);
    qd_.copy(node, false);
    const double eps_in[] = {known(a).eps, known(b).eps};
    const NemoAddition how = nemo_addition(eps_in, options_.requantization_factor);
    const auto scaled = [&](std::size_t i) {
      const auto m = static_cast<double>(how.multipliers[i]);
      const std::string name = fmt::format("{}_operand{}", node.name, i);
      steps_[name] = eps_in[i] / m;
      return id_.between(name, id_.read(node.inputs[i]),
                         {scalar_step(Kind::Mul, "_multiplier", m)});
    };
    const ValueId first = scaled(0), second = scaled(1);
    id_.chain(node, Binary{.kind = Kind::Add}, {first, second},
              {scalar_step(Kind::Div, "_divisor", static_cast<double>(how.divisor)), floor_step()});
    const bool is_codes = known(a).is_codes && known(b).is_codes;
    if (!is_codes) note(node, "adds accumulators of 32 bits, which PULP's kernels do not");
    knows(node, {.is_integer = true,
                 .is_codes = is_codes,
                 .is_signed = known(a).is_signed || known(b).is_signed,
                 .eps = how.eps_out});
  }

  void add_move(const Node& node) {
    const Known& first = known(node.inputs[0]);
    for (const ValueId id : node.inputs) {
      if (id == kNoValue || form_.value(id).constant) continue;
      if (!known(id).is_integer || known(id).eps != first.eps ||
          known(id).is_signed != first.is_signed) {
        refuse(node, "joins '{}' and '{}', of different eps: NEMO has no rescaling for that",
               form_.value(node.inputs[0]).name, form_.value(id).name);
      }
    }
    for (StageWriter* stage : {&fq_, &qd_, &id_}) stage->copy(node, false);
    knows(node, first);
  }

  std::optional<double> step_of(const std::string& name) const {
    auto found = steps_.find(name);
    const std::size_t suffix = name.rfind("_int8");
    if (found == steps_.end() && suffix != std::string::npos) {
      found = steps_.find(name.substr(0, suffix));
    }
    return found == steps_.end() ? std::nullopt : std::optional(found->second);
  }

  // The integers with what they stand for. Values that only import knows move codes.
  Graph with_steps(Graph integers) const {
    const auto set = [&](Value& value, double eps) {
      Quantization& codes = *value.quantization;
      codes.thresholds = {eps * static_cast<double>(codes.high())};
    };
    for (Value& value : integers.values) {
      const auto eps = value.constant ? step_of(value.name) : std::nullopt;
      if (value.quantization && eps) set(value, *eps);
    }
    for (const Node& node : integers.nodes) {
      Value& out = integers.value(node.outputs[0]);
      if (!out.quantization) continue;
      const auto eps = step_of(out.name);
      const Value& in = integers.value(node.inputs[0]);
      CHECK(eps || in.quantization, "no eps for '{}'", out.name);
      set(out, eps ? *eps : in.quantization->step());
    }
    return integers;
  }

  // The form with the codes that its values have in `integers`.
  Graph annotated(const Graph& integers) const {
    Graph graph = form_;
    const auto names = values_by_name(integers);
    for (Value& value : graph.values) {
      auto found = names.find(value.name + "_int8");
      if (found == names.end()) found = names.find(value.name);
      if (found == names.end()) continue;
      const auto& codes = integers.value(found->second).quantization;
      if (!codes || codes->bits > 8) continue;
      value.quantization = codes;
      if (!value.constant && value.name != integers.value(integers.inputs[0]).name) {
        value.quantization->rounding = Rounding::Floor;
      }
    }
    return graph;
  }

  const Graph& form_;
  const NemoStagesOptions& options_;
  std::vector<Range> ranges_;
  std::vector<Known> known_;
  StageWriter fq_, qd_, id_;
  std::map<std::string, double> steps_;  // eps by name of value
  std::vector<std::pair<std::string, bool>> input_signed_;
  std::vector<std::string> notes_;
  std::vector<std::string> narrowed_;  // layers whose weights have a bit less than asked for
};

}  // namespace

NemoStages nemo_stages(const Graph& imported, const SampleSource& samples,
                       const NemoStagesOptions& options, const StageProgress& progress) {
  const Graph form = nemo_stages_form(imported, options.signed_activations);
  return Stages(form, ranges_of(form, samples, progress), options).run();
}

}  // namespace workbench
