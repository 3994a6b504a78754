// The instruction caches (docs/facts/pulp.md 1.3, 1.9): which lines of the code that a core runs
// are not there when it comes to them. Both levels replace a way at random, as GVSoC's model does
// with the pseudo-random register of GAP's cache.
#pragma once

#include <cstdint>
#include <vector>

#include "isa/pulp/kernel_code.h"
#include "isa/pulp/machine.h"
#include "isa/pulp/program.h"

namespace workbench::pulp {

class CodeCache {
 public:
  CodeCache(std::int64_t bytes, std::int64_t ways, std::int64_t line_bytes);

  // A line by its number: address / line_bytes. True: it was not there, and now is.
  bool misses(std::int64_t line);

 private:
  std::size_t next_way();

  std::size_t ways_, sets_;
  std::vector<std::int64_t> lines_;  // [sets][ways]; -1: none
  std::uint8_t random_ = 0;
};

// Puts what the core's own cache misses into the code: those in a loop into each of its iterations
// alike, the others before everything. A call begins with none of its lines in that cache.
void add_private_refills(CoreCode& code, const Machine::ICache& cache);

// Cycles that all cores wait for the shared cache, instruction by instruction of a program, whose
// layers are functions of their own and whose kernels are the library's.
std::vector<std::int64_t> shared_refills(const Program& program, const Machine& machine);

}  // namespace workbench::pulp
