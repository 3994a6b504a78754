#include "compiler/pulp/layer.h"

#include "core/error.h"

namespace workbench::pulp {

std::string_view to_string(LayerKind kind) {
  switch (kind) {
    case LayerKind::Conv:
      return "Conv";
    case LayerKind::Pointwise:
      return "Pointwise";
    case LayerKind::Depthwise:
      return "Depthwise";
    case LayerKind::Linear:
      return "Linear";
    case LayerKind::Add:
      return "Add";
    case LayerKind::AveragePool:
      return "AveragePool";
    case LayerKind::MaxPool:
      return "MaxPool";
    case LayerKind::Requantize:
      return "Requantize";
  }
  CHECK(false, "kind {}", static_cast<int>(kind));
}

}  // namespace workbench::pulp
