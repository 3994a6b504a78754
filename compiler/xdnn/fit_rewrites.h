// The rewrites of fit_limits.h, each named after what it does; see the table in fit_limits.cpp.
#pragma once

#include "compiler/xdnn/fit_parts.h"

namespace workbench::xdnn {

// Convolutions (fit_conv.cpp, fit_filters.cpp).
bool leaky_to_sum(Fitting& fitting, std::size_t n);
bool unfuse_activation(Fitting& fitting, std::size_t n);
bool embed_dilation(Fitting& fitting, std::size_t n);
bool split_stride(Fitting& fitting, std::size_t n);
bool split_padding(Fitting& fitting, std::size_t n);
bool split_kernel(Fitting& fitting, std::size_t n);
bool split_groups_of(Fitting& fitting, std::size_t n);
bool split_channels(Fitting& fitting, std::size_t n);
// Pools (fit_pool.cpp).
bool split_pool(Fitting& fitting, std::size_t n);
bool average_to_conv(Fitting& fitting, std::size_t n);
// Ops that the overlay has under another name (fit_ops.cpp).
bool activation_to_conv(Fitting& fitting, std::size_t n);
bool subtract_to_add(Fitting& fitting, std::size_t n);
bool pad_to_conv(Fitting& fitting, std::size_t n);
bool slice_to_conv(Fitting& fitting, std::size_t n);
bool reorganize_to_conv(Fitting& fitting, std::size_t n);
bool split_upsample(Fitting& fitting, std::size_t n);

}  // namespace workbench::xdnn
