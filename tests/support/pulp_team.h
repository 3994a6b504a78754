// The C kernels of emitted applications (runtime/pulp/kernels), run by a team of threads.
#pragma once

#include "isa/pulp/semantics.h"

namespace workbench::pulp {

// What a call of the C function that applications have for it (c_kernel()), or of our own one of
// the kind where `own`, leaves in L1. Eight cores.
std::vector<std::uint8_t> l1_after_c_kernel(const Kernel& call, std::vector<std::uint8_t> l1,
                                            bool own);

}  // namespace workbench::pulp
