#include "explore/quantized_model.h"

#include "compiler/quantize/fake_quantize.h"
#include "compiler/quantize/quantize.h"
#include "core/error.h"

namespace workbench {

ModelFormat model_format(std::string_view name) {
  if (name == "qdq") return ModelFormat::Qdq;
  fail("--format: expected qdq, found '{}'", name);
}

void require_format(ModelFormat, std::string_view) {}

Graph quantized_model(const QuantizedNetwork& network, ModelFormat) {
  return fake_quantized(network.annotated);
}

std::string quantizer_file(const QuantizedNetwork& network) {
  if (network.target != "xdnn") {
    fail("--save-quantizer: expected --target xdnn, found {}", network.target);
  }
  return to_json(quantizer_table(network.integers));
}

}  // namespace workbench
