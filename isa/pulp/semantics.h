// What each instruction does to the memories, bit for bit (pulp.md 2.2), wraps and truncations
// included. The same in every tier; timing is elsewhere. Written for speed: the golden model says
// what the network means slowly, in other words, and shares nothing with it.
#pragma once

#include <cstdint>
#include <vector>

#include "isa/pulp/instructions.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

struct Memory {
  std::vector<std::uint8_t> l1, l2, l3;
};

// One kernel call of all cores. The instruction is well-formed and inside the memories (CHECKed).
// `threads`: 0 as many as the machine has; the result does not depend on it.
void execute(const Kernel& kernel, Memory& memory, int threads = 0);
void execute(const Dma& transfer, Memory& memory);
void execute(const L3Transfer& transfer, Memory& memory);

// Accumulator -> code, the arithmetic of one element (pulp.md 2.2): kappa * accumulator + lambda
// and the shift in 64 bits where kernel.norm and kernel.norm_bits is 64, of which the lower 32 are
// clipped; else all in 32. Without norm, kappa and lambda stand for multiplier and offset.
std::int64_t normalized(std::int32_t accumulator, std::int64_t kappa, std::int64_t lambda,
                        const Kernel& kernel);

// Whether the results of a max pool are the maxima of its windows whatever the input. Those of
// MaxPoolDirect always are, those of MaxPool where out_w is 1 or pad_left < stride_x. Beyond that
// they are only by luck. The library writes the maximum of a row's window x over column x, its
// first column before it compares the others (pulp.md 2.4): a window that begins left of x loses
// what was at x and sees maxima of others, and one that begins in the padding begins at x instead
// of at 0.
bool pools_exactly(const Kernel& max_pool);

}  // namespace workbench::pulp
