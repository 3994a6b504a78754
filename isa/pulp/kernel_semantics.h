// The kernels one by one, for semantics.cpp to choose from.
#pragma once

#include "isa/pulp/codes.h"
#include "isa/pulp/instructions.h"

namespace workbench::pulp {

// Convolution, pointwise and linear kernels: all that is a matrix product.
void multiply(const Kernel& kernel, Bytes8& l1, int threads);
void depthwise(const Kernel& kernel, Bytes8& l1);
void add(const Kernel& kernel, Bytes8& l1);
void average_pool(const Kernel& kernel, Bytes8& l1);
void max_pool(const Kernel& kernel, Bytes8& l1);
void max_pool_direct(const Kernel& kernel, Bytes8& l1);
void requantize(const Kernel& kernel, Bytes8& l1);

}  // namespace workbench::pulp
