// Which bytes an instruction reads and writes: what hazards and allocation go by.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "isa/pulp/instructions.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

enum class Space { L1, L2, L3 };
std::string_view to_string(Space space);
constexpr Space last(Space) { return Space::L3; }  // all dense from 0

// `count` runs of `length` bytes, `stride` apart.
struct Region {
  Space space = Space::L1;
  std::int64_t address = 0, length = 0, count = 1, stride = 0;
  std::int64_t end() const { return address + (count - 1) * stride + length; }
  friend bool operator==(const Region&, const Region&) = default;
};
bool overlap(const Region& a, const Region& b);  // exact: runs in the gaps of the other do not

struct Footprint {
  std::vector<Region> reads, writes;
};

// Of all cores together. Empty regions are left out.
Footprint footprint(const Instruction& instruction, const Machine& machine);

// Bytes of the pieces of a kernel call.
std::int64_t input_bytes(const Kernel& kernel);
std::int64_t second_input_bytes(const Kernel& kernel);  // Add only, else 0
std::int64_t weight_bytes(const Kernel& kernel);
std::int64_t output_bytes(const Kernel& kernel);
std::int64_t norm_bytes(const Kernel& kernel);  // of kappa, as many again of lambda; 0 without norm
std::int64_t bias_bytes(const Kernel& kernel);
// im2col buffers of all cores that take part (docs/facts/pulp.md 2.4, 2.5), alignment included.
std::int64_t scratch_bytes(const Kernel& kernel, const Machine& machine);

}  // namespace workbench::pulp
