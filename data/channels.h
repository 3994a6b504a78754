// Maps come with their channels first, [N, C, H, W], or last, [N, H, W, C], whatever the network
// has.
#pragma once

#include "core/tensor.h"

namespace workbench {

// The array of maps, with or without its batch dimension, in the order of `wanted`: turned where
// its sizes are those of the other order and do not fit as they are; all other arrays as they are.
Tensor channels_as_in(const Shape& wanted, const Tensor& array);

}  // namespace workbench
