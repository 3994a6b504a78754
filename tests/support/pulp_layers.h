// Layers for the tilers, without the network and the constants that they come from.
#pragma once

#include <cstdint>
#include <random>

#include "compiler/pulp/layer.h"

namespace workbench::pulp {

// A 2-D map of `channels` x `size` x `size`, uint8; norm of 32 bits.
struct LayerSize {
  std::int64_t in_c = 1, out_c = 1, size = 1, kernel = 1, stride = 1, pad = 0;
};
Layer layer_of(Family kind, const LayerSize& size);
// Sizes, windows, strides, padding, bits at random; of every kind.
Layer random_layer(std::mt19937_64& random);

// Layers 0 to 28 of MobileNetV1 1.0 at 128x128 (docs/facts/pulp.md 4.2), chained.
Network mobilenet_128();

}  // namespace workbench::pulp
