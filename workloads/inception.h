// The pieces of which Inception v3 and v4 are made in TensorFlow's slim library, named as there.
#pragma once

#include <string>
#include <vector>

#include "workloads/builder.h"

namespace workbench {

struct InceptionConv {
  std::int64_t channels;
  Window window;
};

ValueId conv_bn_relu(NetworkBuilder& b, const std::string& layer, ValueId x,
                     const InceptionConv& conv);

// Convolutions one after the other, named BRANCH/Conv2d_0a_1x1, BRANCH/Conv2d_0b_3x3, ... from
// letter `first` on; one with a stride is Conv2d_1a, as published.
ValueId branch(NetworkBuilder& b, const std::string& name, ValueId x,
               const std::vector<InceptionConv>& convs, char first = 'a');

// A 3x3 average of the map (padding counts, so that every window divides by 9) and a 1x1
// convolution.
ValueId pool_branch(NetworkBuilder& b, const std::string& name, ValueId x, std::int64_t channels);

// The channels of a 1x3 and of a 3x1 convolution of the same x, side by side; they are named with
// letter `first` and the one after it.
ValueId fork(NetworkBuilder& b, const std::string& name, ValueId x, std::int64_t channels,
             char first);

// Global average pool, the 1001 logits, softmax.
ValueId classify(NetworkBuilder& b, ValueId x);

}  // namespace workbench
