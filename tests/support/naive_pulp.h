// PULP kernels and transfers once more (docs/facts/pulp.md 2.2), code by code on the bytes
// themselves: what the matrix-speed semantics are compared with.
#pragma once

#include <cstdint>
#include <vector>

#include "isa/pulp/instructions.h"

namespace workbench {

using L1Bytes = std::vector<std::uint8_t>;
__extension__ using Int128 = __int128;

// Where codes of a packed tensor lie: runs that begin at bytes, first code in the low bits.
struct PackedCodes {
  std::int64_t address = 0, run_length = 0, bits = 8;
  bool is_signed = false;
};
std::int64_t naive_code(const L1Bytes& l1, const PackedCodes& tensor, std::int64_t run,
                        std::int64_t index);
void naive_put(L1Bytes& l1, const PackedCodes& tensor, std::int64_t run, std::int64_t index,
               std::int64_t code);

// Value modulo 2^bits, as a signed number; floor(value / 2^shift).
std::int64_t naive_wrap(Int128 value, int bits);
std::int64_t naive_shift(std::int64_t value, std::int64_t shift);
// One accumulator -> code; see workbench::pulp::normalized.
std::int64_t naive_normalized(std::int64_t accumulator, std::int64_t kappa, std::int64_t lambda,
                              const pulp::Kernel& kernel);

// What L1 holds afterwards.
L1Bytes naive_kernel(const pulp::Kernel& kernel, L1Bytes l1);
// MaxPool without the library's order of operations: maxima of the windows.
L1Bytes naive_window_maxima(const pulp::Kernel& kernel, L1Bytes l1);
void naive_copy(const pulp::Dma& dma, L1Bytes& l2, L1Bytes& l1);

}  // namespace workbench
