// Activations as ONNX nodes of their own, opset 13.
#include <utility>

#include "compiler/import/export_node.h"
#include "core/error.h"

namespace workbench::importer {

namespace {

class ActivationWriter {
 public:
  ActivationWriter(const NodeWriter& writer, const Activation& activation, const std::string& name,
                   const std::string& input)
      : writer_(writer), activation_(activation), name_(name), input_(input) {}

  void run() const {
    using Kind = Activation::Kind;
    switch (activation_.kind) {
      case Kind::None:
      case Kind::Relu:
      case Kind::Sigmoid:
      case Kind::Tanh:
      case Kind::Exp:
      case Kind::Floor:
        add_plain();
        break;
      case Kind::LeakyRelu:
        attribute(add_plain(), "alpha", activation_.alpha);
        break;
      case Kind::HardSigmoid:
        hard_sigmoid(add_plain(), activation_.alpha, activation_.beta);
        break;
      case Kind::HardSwish:
        write_hard_swish();
        break;
      case Kind::Truncate:
        write_truncate();
        break;
      case Kind::PRelu:
        writer_.add("PRelu", name_, {input_, per_channel("_slope", activation_.slopes)},
                    writer_.outputs);
        break;
      case Kind::Clip:
        write_clip();
        break;
    }
  }

 private:
  onnx::NodeProto& add_plain() const {
    return writer_.add(op_name(Activate{activation_}), name_, {input_}, writer_.outputs);
  }

  static void hard_sigmoid(onnx::NodeProto& proto, float alpha, float beta) {
    attribute(proto, "alpha", alpha);
    attribute(proto, "beta", beta);
  }

  // x * HardSigmoid(x): HardSwish itself came with opset 14.
  void write_hard_swish() const {
    const std::string gate = writer_.fresh("_gate");
    const std::string gate_node = writer_.fresh_node(name_ + "_gate");
    hard_sigmoid(writer_.add("HardSigmoid", gate_node, {input_}, {gate}), 1.0F / 6.0F, 0.5F);
    writer_.add("Mul", name_, {input_, gate}, writer_.outputs);
  }

  // To integers and back.
  void write_truncate() const {
    const std::string whole = writer_.fresh("_whole");
    const std::string cut = writer_.fresh_node(name_ + "_cut");
    attribute(writer_.add("Cast", cut, {input_}, {whole}), "to",
              std::int64_t{onnx::TensorProto::INT64});
    attribute(writer_.add("Cast", name_, {whole}, writer_.outputs), "to",
              std::int64_t{onnx::TensorProto::FLOAT});
  }

  // ONNX's Clip has one upper bound: of several, the lower one is a Relu or Clip, these are a Min.
  void write_clip() const {
    if (activation_.bounds.empty()) {
      const std::string low = writer_.initializer<float>("_min", {}, {activation_.alpha});
      const std::string high = writer_.initializer<float>("_max", {}, {activation_.beta});
      writer_.add("Clip", name_, {input_, low, high}, writer_.outputs);
      return;
    }
    const std::string above = writer_.fresh("_above");
    const std::string lower = writer_.fresh_node(name_ + "_lower");
    if (activation_.alpha == 0) {
      writer_.add("Relu", lower, {input_}, {above});
    } else {
      const std::string low = writer_.initializer<float>("_min", {}, {activation_.alpha});
      writer_.add("Clip", lower, {input_, low}, {above});
    }
    writer_.add("Min", name_, {above, per_channel("_bound", activation_.bounds)}, writer_.outputs);
  }

  // One number, or [C, 1, ..., 1] so that channel c of [N, C, spatial] takes number c.
  std::string per_channel(const std::string& suffix, const std::vector<float>& numbers) const {
    Shape shape{static_cast<std::int64_t>(numbers.size())};
    const std::size_t rank = writer_.state.source.value(writer_.node.outputs[0]).shape.size();
    if (numbers.size() > 1) shape.resize(rank - 1, 1);
    return writer_.initializer<float>(suffix, shape, numbers);
  }

  const NodeWriter& writer_;
  const Activation& activation_;
  const std::string& name_;
  const std::string& input_;
};

}  // namespace

void write_activation(const NodeWriter& writer, const Activation& activation,
                      const std::string& name, const std::string& input) {
  ActivationWriter(writer, activation, name, input).run();
}

}  // namespace workbench::importer
