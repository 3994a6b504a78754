#include "compiler/quantize/nemo_stages.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <map>
#include <optional>
#include <vector>

#include "compiler/passes/rewrite.h"
#include "compiler/quantize/integer_network.h"
#include "compiler/quantize/nemo_onnx.h"
#include "compiler/quantize/nemo_stages_form.h"
#include "compiler/quantize/nemo_stages_numbers.h"
#include "core/eval/evaluate.h"
#include "core/graph.h"
#include "data/samples.h"

namespace workbench {

namespace {

// What NEMO's alpha is measured on: the least and largest of every value of its form.

struct NemoRange {
  double low = 0, high = 0;
  double largest() const { return std::max(high, -low); }
};

// By value of `form`, over all samples, 0 always in it.
std::vector<NemoRange> nemo_ranges(const Graph& form, const SampleSource& samples,
                                   const StageProgress& progress);

std::vector<NemoRange> nemo_ranges(const Graph& form, const SampleSource& samples,
                                   const StageProgress& progress) {
  std::vector<NemoRange> ranges(form.values.size());
  for (std::size_t i = 0; i < samples.count; ++i) {
    if (progress) {
      progress("ranges", static_cast<double>(i) / static_cast<double>(samples.count));
    }
    evaluate(form, samples.at(i), {.observe = [&](ValueId id, const Tensor& tensor) {
               if (tensor.type() != ElementType::Float32) return;
               NemoRange& range = ranges[static_cast<std::size_t>(id)];
               for (const float v : tensor.values<float>()) {
                 range.low = std::min(range.low, static_cast<double>(v));
                 range.high = std::max(range.high, static_cast<double>(v));
               }
             }});
  }
  return ranges;
}

}  // namespace

namespace {

// Inputs that NEMO shifts until no code is negative (add_input_bias,
// docs/facts/quantization.md 2.1), and the exact compensation in their readers.

// Whether all that reads input `id` of the form (nemo_stages_form.h) can do with codes of which
// `zero` stands for 0: layers (padding ones of four dimensions), affine maps, and reshapes before
// these.
bool nemo_input_may_be_shifted(const Graph& form, ValueId id);

// What `zero` adds to each output channel of a Conv or Gemm, negative: to be its bias. Empty for 0.
std::vector<std::int64_t> nemo_input_shift(const Graph& form, const Node& layer,
                                           const NemoGrid& weights, std::int64_t zero);

// A Conv's own padding as a Pad of `zero` before it (PadConv); nothing where there is none, or
// `zero` is 0. The Conv is to be without_padding() then.
std::optional<Pad> nemo_input_border(const Node& layer, std::int64_t zero);
Op without_padding(Op conv);

bool nemo_input_may_be_shifted(const Graph& form, ValueId id) {
  if (std::ranges::find(form.outputs, id) != form.outputs.end()) return false;
  const auto takes = [&](const Node& node) {
    if (std::ranges::find(node.inputs, id) == node.inputs.end()) return true;
    if (node.inputs[0] != id) return false;
    if (std::holds_alternative<Reshape>(node.op)) {
      return nemo_input_may_be_shifted(form, node.outputs[0]);
    }
    if (std::holds_alternative<BatchNorm>(node.op)) return true;
    return is_nemo_linear(form, node) &&
           (std::holds_alternative<Gemm>(node.op) || form.value(id).shape.size() == 4);
  };
  return std::ranges::all_of(form.nodes, takes);
}

std::vector<std::int64_t> nemo_input_shift(const Graph& form, const Node& layer,
                                           const NemoGrid& weights, std::int64_t zero) {
  if (zero == 0) return {};
  const auto channels = static_cast<std::size_t>(form.value(layer.outputs[0]).shape[1]);
  const auto* gemm = std::get_if<Gemm>(&layer.op);
  const bool by_column = gemm != nullptr && !gemm->transpose_b;
  const std::size_t terms = weights.codes.size() / channels;
  std::vector<std::int64_t> shift(channels, 0);
  for (std::size_t i = 0; i < weights.codes.size(); ++i) {
    shift[by_column ? i % channels : i / terms] -= zero * weights.codes[i];
  }
  return shift;
}

std::optional<Pad> nemo_input_border(const Node& layer, std::int64_t zero) {
  const auto* conv = std::get_if<Conv>(&layer.op);
  if (conv == nullptr || zero == 0) return {};
  Pad pad{.begin = {0, 0}, .end = {0, 0}, .value = static_cast<float>(zero)};
  const Window& window = conv->window;
  pad.begin.insert(pad.begin.end(), window.pads_begin.begin(), window.pads_begin.end());
  pad.end.insert(pad.end.end(), window.pads_end.begin(), window.pads_end.end());
  const auto none = [](std::int64_t p) { return p == 0; };
  if (std::ranges::all_of(pad.begin, none) && std::ranges::all_of(pad.end, none)) return {};
  return pad;
}

Op without_padding(Op conv) {
  Window& window = std::get<Conv>(conv).window;
  std::ranges::fill(window.pads_begin, 0);
  std::ranges::fill(window.pads_end, 0);
  return conv;
}

}  // namespace

namespace {

using Kind = Binary::Kind;

constexpr double kRangeFactor = 8;  // of an activation's alpha: what the BN before it may give

// NEMO's annotation of a value.
struct Known {
  bool is_integer = false, is_codes = false;  // codes: of 8 bits, what layers read
  bool is_signed = false;
  double eps = 0;
  std::int64_t zero = 0;  // the code of the real 0
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

class Stages {
 public:
  Stages(const Graph& form, std::vector<NemoRange> ranges, const NemoStagesOptions& options)
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
        steps_.applied(integer_network(id_.finished(), {}, {.input_signed = input_signed_}));
    stages.annotated = steps_.annotated(form_, stages.integers);
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
  const NemoRange& range(ValueId id) const { return ranges_.at(static_cast<std::size_t>(id)); }
  bool is_integer(ValueId id) { return id != kNoValue && known(id).is_integer; }

  void knows(const Node& node, const Known& result) {
    known(node.outputs[0]) = result;
    steps_.set(form_.value(node.outputs[0]).name, {result.eps, result.zero});
  }

  // NEMO gets images as codes: unsigned where no sample is negative, or after a shift.
  void add_input(ValueId id) {
    const Value& value = form_.value(id);
    const bool is_shifted =
        options_.input_bias && range(id).low < 0 && nemo_input_may_be_shifted(form_, id);
    const bool is_signed = range(id).low < 0 && !is_shifted;
    const double high = is_signed ? 127 : 255, low = is_signed ? -128 : 0;
    const double reach = is_shifted ? range(id).high - range(id).low : range(id).largest();
    const double eps = (reach > 0 ? reach : high) / high;
    const std::int64_t zero = is_shifted ? std::llrint(-range(id).low / eps) : 0;
    std::vector<StageStep> rounding = {scalar_step(Kind::Div, "_over", eps),
                                       scalar_step(Kind::Add, "_half", 0.5), floor_step(),
                                       clip_step(low, high), scalar_step(Kind::Mul, "_times", eps)};
    if (is_shifted) {
      const double bias = static_cast<double>(zero) * eps;
      rounding.insert(rounding.begin(), scalar_step(Kind::Add, "_biased", bias));
      // Real values are unchanged: the shift is in the integers alone, and exact.
      rounding.push_back(scalar_step(Kind::Sub, "_unbiased", bias));
      notes_.push_back(fmt::format("{}: input bias {:.6g}, code {}", value.name, bias, zero));
    }
    fq_.add_input(id, rounding);
    qd_.add_input(id, rounding);
    id_.add_input(id, {});
    known(id) = {
        .is_integer = true, .is_codes = true, .is_signed = is_signed, .eps = eps, .zero = zero};
    steps_.set(value.name, {eps, zero});
    input_signed_.emplace_back(value.name, is_signed);
  }

  void add(const Node& node) {
    if (is_nemo_linear(form_, node)) return add_linear(node);
    const bool of_integers = !node.inputs.empty() && is_integer(node.inputs[0]);
    if (of_integers && node.outputs.size() == 1) {
      if (std::holds_alternative<BatchNorm>(node.op)) return add_affine(node);
      if (std::holds_alternative<AveragePool>(node.op)) return add_pool(node);
      const auto* activate = std::get_if<Activate>(&node.op);
      if (activate != nullptr && is_nemo_activation(activate->activation))
        return add_activation(node);
      const auto* binary = std::get_if<Binary>(&node.op);
      if (binary != nullptr && binary->kind == Kind::Add && is_integer(node.inputs[1])) {
        return add_sum(node);
      }
      if (is_nemo_move(node.op)) return add_move(node);
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
    steps_.set(name, {grid.eps});
    const std::vector<std::int64_t> shift = nemo_input_shift(form_, node, grid, known(x).zero);
    const auto pad = nemo_input_border(node, known(x).zero);
    for (StageWriter* stage : {&fq_, &qd_, &id_}) {
      const double eps = stage == &id_ ? 1 : grid.eps;
      Tensor values = tensor_of(grid.codes, eps, weights.shape(), weights.layout());
      std::vector<ValueId> inputs = {pad ? bordered(node, *pad, stage) : stage->read(x),
                                     stage->add_weights(node.inputs[1], std::move(values))};
      if (auto bias = bias_of(node, shift, eps_out, stage)) {
        inputs.push_back(stage->constant(bias->first, std::move(bias->second)));
      }
      stage->chain(node, pad ? without_padding(node.op) : node.op, std::move(inputs), {});
    }
    knows(node, {.is_integer = true, .is_signed = true, .eps = eps_out});
  }

  // The layer's input with its border.
  ValueId bordered(const Node& node, Pad pad, StageWriter* stage) {
    const Known& in = known(node.inputs[0]);
    if (stage != &id_) pad.value = 0;
    const ValueId id = stage->padded(node.name + "_padded", stage->read(node.inputs[0]), pad);
    steps_.set(stage->name(id), {in.eps, in.zero});
    return id;
  }

  // A bias without a batch normalisation to absorb it is on the accumulators' grid.
  std::optional<std::pair<std::string, Tensor>> bias_of(const Node& node,
                                                        const std::vector<std::int64_t>& shift,
                                                        double eps, const StageWriter* stage) {
    const Tensor* bias = float_constant(form_, node, 2);
    const bool shifts = stage == &id_ && !shift.empty();
    if (bias == nullptr && !shifts) return {};
    std::vector<double> total(1, 0.0);
    if (bias != nullptr) {
      const auto numbers = bias->values<float>();
      total.assign(numbers.begin(), numbers.end());
      if (stage != &fq_) {
        for (double& b : total) b = std::floor(b / eps + 0.5) * (stage == &id_ ? 1 : eps);
      }
    }
    if (shifts) {
      if (total.size() == 1) total.resize(shift.size(), total[0]);
      for (std::size_t c = 0; c < shift.size(); ++c) total[c] += static_cast<double>(shift[c]);
    }
    const std::vector<float> narrow(total.begin(), total.end());
    const std::string name =
        bias != nullptr ? form_.value(node.inputs[2]).name + "_on_grid" : node.name + "_bias";
    return std::pair(name, Tensor::from<float>({static_cast<std::int64_t>(narrow.size())}, narrow));
  }

  double largest(ValueId id) const { return range(id).largest() > 0 ? range(id).largest() : 1; }

  // What a batch normalisation may give: by the activation behind it, or else as measured.
  double range_behind(const Node& node) const {
    const ValueId out = node.outputs[0];
    if (const auto reader = sole_reader(form_, out)) {
      const Node& next = form_.nodes[*reader];
      const auto* activate = std::get_if<Activate>(&next.op);
      if (activate != nullptr && is_nemo_activation(activate->activation)) {
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
    NemoIntegerAffine codes = nemo_integer_affine(affine, known(x).eps,
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
    for (std::size_t c = 0; c < codes.kappa.size(); ++c) {
      codes.lambda[c] -= codes.kappa[c] * known(x).zero;
    }
    write(id_, as_real(codes.kappa), as_real(codes.lambda));
    knows(node, {.is_integer = true, .is_signed = true, .eps = codes.eps_out});
  }

  // To codes of another eps, in each stage.
  NemoRescaling rescaling(const Node& node, const Known& in, const NemoCodes& codes) {
    const NemoRequantization how =
        nemo_requantization(in.eps, codes.eps, options_.requantization_factor, codes.bits);
    if (how.multiplier < options_.requantization_factor / 2) {
      note(node, "multiplier {} over {}: the limit of 32 bits costs precision", how.multiplier,
           how.divisor);
    }
    return nemo_rescaling(in.eps, codes, how);
  }

  // Signed where the activation is no activation but the rounding of a linear result.
  void add_activation(const Node& node) {
    const ValueId x = node.inputs[0];
    const bool is_signed = std::get<Activate>(node.op).activation.kind == Activation::Kind::None;
    if (!is_signed && range(node.outputs[0]).high <= 0) note(node, "gives 0 for every sample");
    const double codes = std::ldexp(1.0, options_.activation_bits) - 1;
    const double alpha = (is_signed ? 2 : 1) * largest(node.outputs[0]);
    const double low = is_signed ? -(codes + 1) / 2 : 0, high = low + codes;
    const double eps = alpha / codes;
    const NemoRescaling how = rescaling(
        node, known(x), {.bits = options_.activation_bits, .low = low, .high = high, .eps = eps});
    fq_.chain(node, std::nullopt, {fq_.read(x)}, how.fq);
    qd_.chain(node, std::nullopt, {qd_.read(x)}, how.qd);
    id_.chain(node, std::nullopt, {id_.read(x)}, how.id);
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
      steps_.set(name, {eps_in[i] / m});
      return id_.between(name, id_.read(node.inputs[i]),
                         {scalar_step(Kind::Mul, "_multiplier", m)});
    };
    const ValueId first = scaled(0), second = scaled(1);
    id_.chain(node, Binary{.kind = Kind::Add}, {first, second},
              {scalar_step(Kind::Div, "_divisor", static_cast<double>(how.divisor)), floor_step()});
    const bool is_codes = known(a).is_codes && known(b).is_codes;
    if (!is_codes) note(node, "adds accumulators of 32 bits, which PULP's kernels do not");
    const double reach = largest(node.outputs[0]);
    note(node,
         "in steps of twice the coarser operand's, rounded down, as published: {:.0f} to its "
         "largest result",
         reach / how.eps_out);
    knows(node, {.is_integer = true,
                 .is_codes = is_codes,
                 .is_signed = known(a).is_signed || known(b).is_signed,
                 .eps = how.eps_out});
  }

  bool are_alike(const Known& a, const Known& b) const {
    return a.eps == b.eps && a.is_signed == b.is_signed && a.zero == b.zero;
  }

  void add_move(const Node& node) {
    const Known& first = known(node.inputs[0]);
    for (const ValueId id : node.inputs) {
      if (id == kNoValue || form_.value(id).constant) continue;
      if (known(id).is_integer && are_alike(known(id), first)) continue;
      if (std::holds_alternative<Concat>(node.op)) return add_concat(node);
      refuse(node, "reads '{}' and '{}', of different eps", form_.value(node.inputs[0]).name,
             form_.value(id).name);
    }
    for (StageWriter* stage : {&fq_, &qd_, &id_}) stage->copy(node, false);
    knows(node, first);
  }

  // Parts of different eps are requantized as an activation is, to the coarsest, so that nothing
  // saturates; to signed codes if some are.
  void add_concat(const Node& node) {
    bool is_signed = false;
    for (const ValueId id : node.inputs) {
      const Known& part = known(id);
      if (!part.is_codes || part.zero != 0) {
        refuse(node, "joins '{}', which is {}: expected codes", form_.value(id).name,
               part.is_codes     ? "an input with a bias"
               : part.is_integer ? "an accumulator"
                                 : "no integer");
      }
      is_signed = is_signed || part.is_signed;
    }
    const double low = is_signed ? -128 : 0, high = is_signed ? 127 : 255;
    Known result{.is_integer = true, .is_codes = true, .is_signed = is_signed};
    for (const ValueId id : node.inputs) {
      const double reach = is_signed && !known(id).is_signed ? 255 : high;
      result.eps = std::max(result.eps, known(id).eps * reach / high);
    }
    std::vector<ValueId> parts[3];
    for (std::size_t i = 0; i < node.inputs.size(); ++i) {
      const Known& part = known(node.inputs[i]);
      const std::string name = fmt::format("{}_part{}", node.name, i);
      if (!are_alike(part, result)) steps_.set(name, {result.eps});
      NemoRescaling how =
          rescaling(node, part, {.bits = 8, .low = low, .high = high, .eps = result.eps});
      // Codes are whole numbers, but for what reals of 32 bits make of that.
      how.qd.insert(how.qd.begin() + 1, {scalar_step(Kind::Add, "_half", 0.5), floor_step()});
      std::size_t at = 0;
      for (StageWriter* stage : {&fq_, &qd_, &id_}) {
        const ValueId id = stage->read(node.inputs[i]);
        const auto& steps = stage == &fq_ ? how.fq : stage == &qd_ ? how.qd : how.id;
        parts[at++].push_back(are_alike(part, result) ? id : stage->between(name, id, steps));
      }
    }
    std::size_t at = 0;
    for (StageWriter* stage : {&fq_, &qd_, &id_}) {
      stage->chain(node, node.op, std::move(parts[at++]), {});
    }
    knows(node, result);
  }

  const Graph& form_;
  const NemoStagesOptions& options_;
  std::vector<NemoRange> ranges_;
  std::vector<Known> known_;
  StageWriter fq_, qd_, id_;
  NemoSteps steps_;
  std::vector<std::pair<std::string, bool>> input_signed_;
  std::vector<std::string> notes_;
  std::vector<std::string> narrowed_;  // layers whose weights have a bit less than asked for
};

}  // namespace

NemoStages nemo_stages(const Graph& imported, const SampleSource& samples,
                       const NemoStagesOptions& options, const StageProgress& progress) {
  const Graph form = nemo_stages_form(imported, options.signed_activations);
  return Stages(form, nemo_ranges(form, samples, progress), options).run();
}

}  // namespace workbench
