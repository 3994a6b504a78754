// Random legal xDNN machines for property tests: other arrays, memories, ports and clocks than
// any that was built, all within the rules of isa/xdnn/machine.h.
#pragma once

#include <random>

#include "isa/xdnn/machine.h"

namespace workbench {

// About a third have memories so small that some networks do not fit.
xdnn::Machine random_machine(std::mt19937_64& random, xdnn::Family family = xdnn::Family::V3);

}  // namespace workbench
