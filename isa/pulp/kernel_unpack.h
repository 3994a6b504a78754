// Codes of 4 and 2 bits to bytes, on cores whose products take bytes alone: nn_unpack_codes()
// (runtime/pulp/kernels/nn_mixed.c) as gcc 12.2 compiles it at -O2 and the detailed tier executes
// it.
#pragma once

#include "isa/pulp/kernel_code.h"

namespace workbench::pulp {

// `codes` of `bits` each, from the first of a byte on.
void unpack_codes(CodeBuilder& builder, std::int64_t bits, const Address& from, const Address& to,
                  std::int64_t codes);

}  // namespace workbench::pulp
