// Which C function computes a kernel call in an emitted application (runtime/pulp).
#pragma once

#include <string>

#include "isa/pulp/instructions.h"

namespace workbench::pulp {

// call_NAME (runtime/pulp/network/pulp_nn_calls.h) where PULP-NN's kernel gives the call's result;
// else nn_NAME (runtime/pulp/kernels/nn_kernels.h).
std::string c_kernel(const Kernel& call);
// nn_NAME, which computes any call.
std::string own_c_kernel(const Kernel& call);

}  // namespace workbench::pulp
