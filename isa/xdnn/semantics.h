// What each instruction does to the memories, bit for bit (docs/facts/xdnn.md 3). The same in every
// tier; timing is elsewhere. Written for speed; the golden model states the same independently.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/quantization.h"
#include "core/tensor.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/memory.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

// The result of an instruction, not yet written: engines read when they start and write when they
// finish.
struct Result {
  std::optional<AmTensor> am;          // where it goes ...
  std::optional<DdrTensor> ddr;        // ... one of the two
  std::vector<std::int8_t> pixels;     // bytes of codes [height][width][channels]
  std::int64_t wide_accumulators = 0;  // conv sums beyond 24 bits: hardware behaviour unknown (3.3)
  bool channel_off = false;  // an output channel of a conv is not enabled by its configuration
};

// Reads operands and filters from `memory`. `threads`: 0 as many as the machine has.
Result execute(const Step& step, const Machine& machine, const Memory& memory, int threads = 0);
void commit(const Result& result, Memory& memory);

// rr(v, n): arithmetic right shift rounding half toward +infinity (docs/facts/xdnn.md 3.1).
std::int64_t round_shift(std::int64_t value, std::int64_t shift);

// The runtime's conversions at the network's edge (docs/facts/xdnn.md 3.1), [1, C, H, W].
Tensor quantize_input(const Tensor& real, const Quantization& quantization);
Tensor dequantize_output(const Tensor& codes, const Quantization& quantization);

}  // namespace workbench::xdnn
