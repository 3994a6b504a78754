// The DDR image of a program: filters and per-channel parameters of every convolution.
#pragma once

#include <string>
#include <vector>

#include "compiler/xdnn/lowered.h"

namespace workbench::xdnn {

// Image, and per op the byte address of its slabs (0 where it has none).
std::string pack_constants(const Lowered& lowered, const Machine& machine,
                           std::vector<std::int64_t>& addresses);

}  // namespace workbench::xdnn
