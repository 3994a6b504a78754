// Rewrites of fit_limits.h for everything but convolutions; see the table in fit_limits.cpp.
#pragma once

#include "compiler/xdnn/fit_parts.h"

namespace workbench::xdnn {

// Pools beyond the machine's limits.
bool split_pool(Fitting& fitting, std::size_t n);
bool average_to_conv(Fitting& fitting, std::size_t n);
// Ops that the overlay only has under another name.
bool activation_to_conv(Fitting& fitting, std::size_t n);
bool subtract_to_add(Fitting& fitting, std::size_t n);
bool pad_to_conv(Fitting& fitting, std::size_t n);
bool slice_to_conv(Fitting& fitting, std::size_t n);
bool reorganize_to_conv(Fitting& fitting, std::size_t n);
bool split_upsample(Fitting& fitting, std::size_t n);

}  // namespace workbench::xdnn
