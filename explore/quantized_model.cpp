#include "explore/quantized_model.h"

#include "compiler/import/export.h"
#include "compiler/import/qoperator_form.h"
#include "compiler/quantize/fake_quantize.h"
#include "compiler/quantize/nemo_onnx.h"
#include "compiler/quantize/quantize.h"
#include "core/error.h"
#include "explore/scheme.h"
#include "sim/golden/golden.h"

namespace workbench {

namespace {

void require_xfdnn(std::string_view target) {
  if (target == "xdnn") return;
  fail("--save-quantizer: expected --target xdnn, or --scheme graffitist, found {}", target);
}

std::string_view name_of(ModelFormat format) {
  return format == ModelFormat::Qdq         ? "qdq"
         : format == ModelFormat::QOperator ? "qoperator"
                                            : "nemo";
}

}  // namespace

ModelFormat model_format(std::string_view name) {
  if (name == "qdq") return ModelFormat::Qdq;
  if (name == "qoperator") return ModelFormat::QOperator;
  if (name == "nemo") return ModelFormat::Nemo;
  fail("--format: expected qdq, qoperator or nemo, found '{}'", name);
}

void require_format(ModelFormat format, std::string_view target) {
  if (format == ModelFormat::Nemo && target != "pulp") {
    fail("--format nemo: expected --target pulp, found {}", target);
  }
}

void require_code_width(ModelFormat format, const QuantizationRequest& request) {
  const std::optional<Machine> machine = machine_of(request);
  const auto* xdnn = machine ? std::get_if<xdnn::Machine>(&*machine) : nullptr;
  if (xdnn == nullptr || xdnn->array.bits == 8) return;
  fail("--format {}: expected a machine with codes of 8 bits, found {} with {}", name_of(format),
       name(*machine), xdnn->array.bits);
}

Graph quantized_model(const QuantizedNetwork& network, ModelFormat format) {
  if (format == ModelFormat::Nemo) return nemo_onnx_form(network.integers);
  for (const Value& value : network.annotated.values) {
    const auto& codes = value.quantization;
    if (!codes || codes->bits == 8) continue;
    if (value.constant && codes->bits == 32)
      continue;  // a bias that came so; DequantizeLinear has it
    // QuantizeLinear of opset 13 saturates at the ends of its 8 bits, and has no others.
    fail("--format {}: value '{}': expected codes of 8 bits, found {}", name_of(format), value.name,
         codes->bits);
  }
  Graph qdq = fake_quantized(network.annotated);
  return format == ModelFormat::Qdq ? qdq : qoperator_form(qdq);
}

std::vector<std::string> write_quantized_model(const Graph& model, ModelFormat format,
                                               const std::filesystem::path& path) {
  const bool qlinear = format == ModelFormat::QOperator;
  export_onnx(model, path, qlinear ? CodesForm::QOperator : CodesForm::Qdq);
  return qlinear ? without_qlinear_form(model) : std::vector<std::string>();
}

std::vector<std::string> rounding_notes(const Graph& model) {
  std::vector<std::string> notes;
  for (const Node& node : model.nodes) {
    if (!std::holds_alternative<Quantize>(node.op)) continue;
    const Rounding rounding = model.value(node.outputs[0]).quantization->rounding;
    if (rounding != Rounding::Floor && rounding != Rounding::TowardZero) continue;
    notes.push_back(
        fmt::format("value '{}': the target cuts fractions off, QuantizeLinear rounds: codes that "
                    "other tools compute from the file differ by up to 1 step",
                    model.value(node.inputs[0]).name));
  }
  return notes;
}

NamedTensors computed_values(const Graph& model, std::span<const Tensor> inputs) {
  std::vector<Tensor> values = golden::run(model, inputs);
  NamedTensors named;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Value& value = model.values[i];
    if (!value.constant && values[i].size() > 0) named.emplace(value.name, std::move(values[i]));
  }
  return named;
}

void require_quantizer_file(const QuantizationRequest& request) {
  const Scheme scheme = scheme_named(request.scheme, request.transforms);
  if (scheme.flow != Scheme::Flow::Graffitist) require_xfdnn(request.target);
}

std::string quantizer_file(const QuantizedNetwork& network) {
  if (!network.quantizer_parameters.empty()) return network.quantizer_parameters;
  require_xfdnn(network.target);
  return to_json(quantizer_table(network.integers));
}

}  // namespace workbench
