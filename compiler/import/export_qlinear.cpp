#include "compiler/import/export_qlinear.h"

#include "compiler/import/op_table.h"
#include "core/error.h"

namespace workbench::importer {

namespace {

// One node being written: one write() per operator, operands in its order.
class QLinearWriter {
 public:
  QLinearWriter(ExportState& state, const Node& node, const QLinear& form)
      : writer_(state, node), form_(form) {
    writer_.inputs.clear();
    if (form.result != kNoValue) writer_.outputs = {writer_.name_of(form.result)};
  }

  void run() {
    std::visit([this](const auto& op) { write(op); }, writer_.node.op);
  }

 private:
  void push_scale(ValueId id, const std::string& prefix) {
    const auto [scale, zero_point] = write_scale(writer_, writer_.state.source.value(id), prefix);
    writer_.inputs.push_back(scale);
    writer_.inputs.push_back(zero_point);
  }
  void push_codes(std::size_t i, const std::string& prefix) {
    writer_.inputs.push_back(writer_.name_of(form_.operands[i]));
    push_scale(form_.operands[i], prefix);
  }
  void push_result() { push_scale(form_.result, "_y"); }
  bool has_bias() const { return form_.operands.size() > 2; }
  std::string bias() const { return writer_.name_of(form_.operands[2]); }

  onnx::NodeProto& add_microsoft(const std::string& op) {
    onnx::NodeProto& proto = writer_.add(op);
    proto.set_domain(std::string(kMicrosoft));
    return proto;
  }

  void write(const Conv& op) {
    push_codes(0, "_x");
    push_codes(1, "_w");
    push_result();
    if (has_bias()) writer_.inputs.push_back(bias());
    set_conv(writer_.add("QLinearConv"), op);
  }
  void write(const MatMul&) {
    push_codes(0, "_a");
    push_codes(1, "_b");
    push_result();
    writer_.add("QLinearMatMul");
  }
  void write(const Gemm& op) {
    push_codes(0, "_a");
    push_codes(1, "_b");
    writer_.inputs.push_back(has_bias() ? bias() : std::string());
    if (form_.result != kNoValue) push_result();
    onnx::NodeProto& proto = add_microsoft("QGemm");
    attribute(proto, "alpha", op.alpha);
    attribute(proto, "transA", std::int64_t{op.transpose_a});
    attribute(proto, "transB", std::int64_t{op.transpose_b});
  }
  void write(const Binary& op) {
    push_codes(0, "_a");
    push_codes(1, "_b");
    push_result();
    add_microsoft("QLinear" + op_name(op));
  }
  void write(const Concat& op) {
    push_result();
    for (std::size_t i = 0; i < form_.operands.size(); ++i) push_codes(i, fmt::format("_x{}", i));
    attribute(add_microsoft("QLinearConcat"), "axis", op.axis);
  }
  void write(const AveragePool& op) {
    push_codes(0, "_x");
    push_result();
    set_average_pool(add_microsoft("QLinearAveragePool"), op, writer_.node.name);
  }
  void write(const Activate& op) {
    push_codes(0, "_x");
    push_result();
    onnx::NodeProto& proto = add_microsoft("QLinear" + op_name(op));
    if (op.activation.kind == Activation::Kind::LeakyRelu) {
      attribute(proto, "alpha", op.activation.alpha);
    }
  }
  template <typename T>
  void write(const T&) {
    CHECK(false, "node '{}': no QLinear operator", writer_.node.name);
  }

  NodeWriter writer_;
  const QLinear& form_;
};

}  // namespace

void write_qlinear(ExportState& state, const Node& node, const QLinear& form) {
  CHECK(form.obstacle.empty(), "node '{}': {}", node.name, form.obstacle);
  QLinearWriter(state, node, form).run();
}

}  // namespace workbench::importer
