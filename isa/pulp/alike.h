// Kernel calls that take the same cycles, so that each is looked at once.
#pragma once

#include <cstddef>

#include "isa/pulp/instructions.h"

namespace workbench::pulp {

// One call for all that differ only in where their buffers lie beyond a word, and in numbers of
// which the code (kernel_code.h) asks only whether they do anything. Alone they take the same.
// Conflicts depend on the banks of the buffers, too, but as on chance.
Kernel alike(Kernel kernel);

struct KernelHash {
  std::size_t operator()(const Kernel& kernel) const;
};

}  // namespace workbench::pulp
