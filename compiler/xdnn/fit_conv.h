// Rewrites of fit_limits.h for convolutions; see the table in fit_limits.cpp.
#pragma once

#include "compiler/xdnn/fit_parts.h"

namespace workbench::xdnn {

// Activation, dilation, stride or padding that the machine does not have.
bool leaky_to_sum(Fitting& fitting, std::size_t n);
bool unfuse_activation(Fitting& fitting, std::size_t n);
bool embed_dilation(Fitting& fitting, std::size_t n);
bool split_stride(Fitting& fitting, std::size_t n);
bool split_padding(Fitting& fitting, std::size_t n);
// Filters that are too large.
bool split_kernel(Fitting& fitting, std::size_t n);
bool split_groups_of(Fitting& fitting, std::size_t n);
bool split_channels(Fitting& fitting, std::size_t n);

}  // namespace workbench::xdnn
