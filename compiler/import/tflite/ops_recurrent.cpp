// Recurrent layers over a whole sequence, unrolled: every step is products, gates and a Clip of its
// own, because ONNX's LSTM has no bound of the cell alone, which Keras sets to 10.
#include <array>

#include "compiler/import/tflite/converter.h"
#include "core/error.h"

namespace workbench::importer::tflite {

namespace {

constexpr std::int64_t kMostSteps = 4096;

// Operands of UNIDIRECTIONAL_SEQUENCE_LSTM; gates are input, forget, cell, output.
constexpr std::size_t kGates = 4, kWeights = 1, kRecurrent = 5, kPeephole = 9, kBias = 12,
                      kProjection = 16, kOutputState = 18, kNormalization = 20, kEnd = 24;

// The constants of all gates on top of each other.
Tensor stacked(const Step& step, std::size_t first) {
  Shape shape;
  std::vector<float> values;
  for (std::size_t gate = 0; gate < kGates; ++gate) {
    const int id = step.in(first + gate);
    if (!step.net.is_constant(id)) step.refuse("input {}: expected a constant", first + gate);
    const Tensor part = step.net.real_constant(id);
    if (part.type() != ElementType::Float32 || (gate > 0 && part.shape() != step.shape(first))) {
      step.refuse("input {}: expected numbers of shape {}", first + gate,
                  to_string(step.shape(first)));
    }
    values.insert(values.end(), part.values<float>().begin(), part.values<float>().end());
    shape = part.shape();
  }
  if (shape.empty()) step.refuse("input {}: expected a list or a matrix, found a number", first);
  shape[0] *= static_cast<std::int64_t>(kGates);
  return Tensor::from<float>(shape, values);
}

void refuse_extras(const Step& step) {
  const auto refuse_range = [&](std::size_t begin, std::size_t end, std::string_view what) {
    for (std::size_t i = begin; i < end; ++i) {
      if (step.has(i))
        step.refuse("input {}: expected no {}, found '{}'", i, what,
                    step.net.info(step.in(i)).name);
    }
  };
  if (!step.has(kWeights)) step.refuse("input 1: expected weights of the input gate, found none");
  refuse_range(kPeephole, kBias, "peephole weights");
  refuse_range(kProjection, kOutputState, "projection");
  refuse_range(kNormalization, kEnd, "layer normalization");
}

// One sequence: gates of every step from its inputs, then step by step.
class Lstm {
 public:
  Lstm(Step& step, float cell_clip, bool time_major)
      : step_(step), clip_(cell_clip), time_major_(time_major) {}

  void run() {
    const Shape x = step_.shape(0);  // batch first
    const std::size_t time = time_major_ ? 0 : 1;
    steps_ = x[time];
    batch_ = x[1 - time];
    const Tensor weights = stacked(step_, kWeights), recurrent = stacked(step_, kRecurrent);
    if (weights.rank() != 2 || recurrent.rank() != 2 || weights.dim(1) != x[2] ||
        recurrent.dim(0) != weights.dim(0) || recurrent.dim(0) != 4 * recurrent.dim(1)) {
      step_.refuse("expected weights of {} inputs, found {} and {}", x[2],
                   to_string(weights.shape()), to_string(recurrent.shape()));
    }
    if (steps_ < 1 || steps_ > kMostSteps) {
      step_.refuse("input 0: expected 1 to {} steps, found {}", kMostSteps, steps_);
    }
    units_ = recurrent.dim(1);
    recurrent_ = model().constant(step_.name + "_recurrent", recurrent);
    add_gates(weights, x[2]);
    std::vector<std::string> results;
    for (std::int64_t t = 0; t < steps_; ++t) {
      advance(t);
      results.push_back(step_.net.reshaped(output_, {}, one_step(units_), step_.name));
    }
    const std::string all = step_.emit("Concat", results);
    step_.set("axis", static_cast<std::int64_t>(time));
    Shape shape = x;
    shape[2] = units_;
    step_.finish(all, shape);
  }

 private:
  ModelBuilder& model() { return step_.net.model(); }
  Shape one_step(std::int64_t width) const {
    return time_major_ ? Shape{1, batch_, width} : Shape{batch_, 1, width};
  }

  // What the inputs add to the gates, of all steps at once.
  void add_gates(const Tensor& weights, std::int64_t width) {
    const std::string w = model().constant(step_.name + "_weights", weights);
    const std::string bias = model().constant(step_.name + "_bias", stacked(step_, kBias));
    const std::string rows =
        step_.net.reshaped(step_.value(0), {}, {steps_ * batch_, width}, step_.name);
    const std::string sums = step_.emit("Gemm", {rows, w, bias});
    step_.set("transB", std::int64_t{1});
    const Shape shape =
        time_major_ ? Shape{steps_, batch_, 4 * units_} : Shape{batch_, steps_, 4 * units_};
    gates_ = step_.net.reshaped(sums, {}, shape, step_.name);
  }

  std::string part(const std::string& x, std::int64_t begin, std::int64_t end,
                   std::int64_t axis) const {
    return step_.emit("Slice", {x, step_.list(Integers{begin}), step_.list(Integers{end}),
                                step_.list(Integers{axis})});
  }

  // c = f c + i g; h = o tanh(c). The first step has no c and no h.
  void advance(std::int64_t t) {
    std::string sums = step_.net.reshaped(part(gates_, t, t + 1, time_major_ ? 0 : 1), {},
                                          {batch_, 4 * units_}, step_.name);
    if (!output_.empty()) {
      const std::string fed_back = step_.emit("Gemm", {output_, recurrent_});
      step_.set("transB", std::int64_t{1});
      sums = step_.emit("Add", {sums, fed_back});
    }
    const auto gate = [&](std::int64_t which, const char* function) {
      return step_.emit(function, {part(sums, which * units_, (which + 1) * units_, 1)});
    };
    const std::string added = step_.emit("Mul", {gate(0, "Sigmoid"), gate(2, "Tanh")});
    cell_ = cell_.empty()
                ? added
                : step_.emit("Add", {step_.emit("Mul", {gate(1, "Sigmoid"), cell_}), added});
    if (clip_ > 0) cell_ = step_.emit("Clip", {cell_, step_.scalar(-clip_), step_.scalar(clip_)});
    output_ = step_.emit("Mul", {gate(3, "Sigmoid"), step_.emit("Tanh", {cell_})});
  }

  Step& step_;
  const float clip_;
  const bool time_major_;
  std::int64_t steps_ = 0, batch_ = 0, units_ = 0;
  std::string recurrent_, gates_, cell_, output_;
};

void convert_lstm(Step& step) {
  const auto* options = options_of<wire::SequenceLstm>(step.op, wire::Options::SequenceLstm);
  if (options == nullptr) step.refuse("expected builtin_options, found none");
  constexpr int kTanh = 4;
  if (options->activation() != kTanh || options->proj_clip() != 0) {
    step.refuse("expected fused_activation_function TANH and no proj_clip, found {} and {}",
                options->activation(), options->proj_clip());
  }
  step.want_rank(0, 3);
  refuse_extras(step);
  Lstm(step, options->cell_clip(), options->time_major()).run();
}

constexpr Rule kRules[] = {{"UNIDIRECTIONAL_SEQUENCE_LSTM", convert_lstm}};

}  // namespace

std::span<const Rule> recurrent_rules() { return kRules; }

}  // namespace workbench::importer::tflite
