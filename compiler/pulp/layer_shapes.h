// Sizes of values, windows and slices as the cluster has them.
#pragma once

#include <cstdint>
#include <string>

#include "compiler/pulp/layer.h"
#include "compiler/pulp/tiling.h"
#include "core/graph.h"

namespace workbench::pulp {

bool is_integer(const Value& value);
// An activation of the value's shape and codes (layer.h). Throws Error "WHERE: ..." when it has
// none.
Activation8 activation_like(const Value& value, const std::string& where);
// Kernel, strides, dilations and padding of a call whose maps are set.
void set_window(Kernel& call, const Window& window);

// Bytes of the widest slice's input and output; rows and columns as input_rows() has them.
struct SliceBytes {
  std::int64_t in = 0, out = 0;
};
SliceBytes slice_bytes(const Layer& layer, const Cut& slice);

bool by_channel(LayerKind kind);  // every output channel reads its own input channel
std::int64_t code_bytes(std::int64_t channels, std::int64_t bits);  // of a pixel

}  // namespace workbench::pulp
