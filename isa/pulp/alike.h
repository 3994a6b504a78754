// Kernel calls that take the same cycles, so that each is looked at once.
#pragma once

#include <cstddef>

#include "isa/pulp/instructions.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

// One call for all that differ only in where their buffers lie beyond the banks, and in numbers of
// which the code (isa/pulp/kernel_code.h) asks only whether they do anything.
Kernel alike(Kernel kernel, const Machine& machine);

struct KernelHash {
  std::size_t operator()(const Kernel& kernel) const;
};

}  // namespace workbench::pulp
