// What kernels know of codes, for those who decide about widths.
#pragma once

#include <array>

namespace workbench::pulp {

// Bits of codes that kernels read and write, weights among them, the most first.
inline constexpr std::array<int, 3> kCodeWidths{8, 4, 2};

}  // namespace workbench::pulp
