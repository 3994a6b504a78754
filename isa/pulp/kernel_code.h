// What each core executes in a kernel call, as a tree of loops: straight runs of instructions,
// loads and stores with an address that depends on the loop counters, loops with their trips. One
// description for the closed-form cost (cost.h) and for the conflicts at the banks (sim/pulp).
// Structure from the loops as written in PULP-NN (docs/facts/pulp.md 2.3 to 2.6). Compiler overhead
// (set-up code, calls) is constant, solved from the differences of two tiles of kernel_cycles.json,
// measured on the compiled library, unless its comment says otherwise.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "core/error.h"
#include "core/units.h"
#include "isa/pulp/instructions.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

inline constexpr int kLoopDepth = 6;

// base + sum of step[d] * counter of the enclosing loop at depth d.
struct Address {
  std::int64_t base = 0;
  std::array<std::int32_t, kLoopDepth> step{};
};

struct CodeNode {
  enum class Kind : std::uint8_t { Work, Access, Loop };
  Kind kind = Kind::Work;
  std::int8_t depth = 0;                        // Loop: of its counter
  std::int8_t access_bytes = 4;                 // Access: 1, 2, 4
  std::int32_t code_begin = 0, code_bytes = 0;  // Work, Access: their instructions
  std::int64_t cycles = 0;                      // Work
  std::int32_t trips = 0;                       // Loop, at least 2
  std::int32_t end = 0;               // Loop: index after its body, which follows the node
  std::int32_t iteration_cycles = 0;  // Loop: refills of the core's instruction cache
  Address address;                    // Access
};

using CoreCode = std::vector<CodeNode>;

// Phases are separated by barriers; each has the code of every core.
struct KernelCode {
  std::vector<std::vector<CoreCode>> phases;
};

// The call is well-formed (footprint.h).
KernelCode kernel_code(const Kernel& kernel, const Machine& machine);

// Without bank conflicts: cycles and accesses of a piece of code. A word that crosses the end
// of its bank's word takes a second access.
struct CodeCost {
  std::int64_t cycles = 0, accesses = 0;
  double weighted_density = 0;  // sum over accesses of accesses per cycle in their innermost loop
};
CodeCost code_cost(const CoreCode& code, const Machine& machine);

// Of each core in each phase of a call; cores that do the same are looked at once.
std::vector<std::vector<CodeCost>> core_costs(const Kernel& kernel, const Machine& machine);

// Of instructions in the tree, each counted once.
std::int64_t code_bytes(const CoreCode& code);
// Of the core of a call that runs most.
std::int64_t code_bytes(const Kernel& kernel, const Machine& machine);

// How the trees are put together; for the kernels' own files only.

// Instructions, and what some of them cost beyond their cycle.
struct Straight {
  std::int64_t instructions = 0;
  // Of these, loads and stores of the core's stack: registers saved and arguments passed, counted
  // for calls (40 of 120 for the matrix product); elsewhere variables without a register, with the
  // same share. Only conflicts at the banks depend on it.
  std::int64_t stack = 0;
  std::int64_t load_uses = 0, taken_branches = 0, jumps = 0;
  std::int64_t multiply_highs = 0, divisions = 0;
  std::int64_t multiplies = 0, multiply_uses = 0;  // of the multiplies, wanted at once
};

inline Address operator+(Address address, std::int64_t bytes) {
  address.base += bytes;
  return address;
}
inline Address stepped(Address address, int depth, std::int64_t bytes) {
  address.step[static_cast<std::size_t>(depth)] += static_cast<std::int32_t>(bytes);
  return address;
}

// Code that exists once, whatever the number of places that it is run from.
struct Routine {
  std::int32_t begin = -1;
};

class CodeBuilder {
 public:
  explicit CodeBuilder(const Machine& machine) : core_(machine.core) { code_.reserve(256); }

  void work(const Straight& straight);
  void load(const Address& address, int bytes = 4) { access(address, bytes, kCodeBytes); }
  void store(const Address& address, int bytes = 4) { access(address, bytes, kCodeBytes); }
  // body(depth): with that, addresses step per iteration. Hardware loops need no instructions
  // (docs/facts/pulp.md 1.2); for others the body ends with its branch.
  template <typename Body>
  void loop(std::int64_t trips, Body&& body) {
    if (trips <= 0) return;
    const int depth = depth_++;
    CHECK(depth < kLoopDepth, "loops nested {} deep", depth);
    const std::size_t begin = code_.size();
    if (trips > 1) {
      CodeNode node;
      node.kind = CodeNode::Kind::Loop;
      node.depth = static_cast<std::int8_t>(depth);
      node.trips = static_cast<std::int32_t>(trips);
      code_.push_back(node);
    }
    merge_ = false;
    body(depth);
    merge_ = false;
    if (trips > 1) code_[begin].end = static_cast<std::int32_t>(code_.size());
    --depth_;
  }
  // What emit() emits is the routine's code.
  template <typename Emit>
  void run(Routine& routine, Emit&& emit) {
    const std::int32_t behind = code_end_;
    const bool is_new = routine.begin < 0;
    if (is_new) routine.begin = code_end_;
    code_end_ = routine.begin;
    merge_ = false;
    emit();
    merge_ = false;
    if (!is_new) code_end_ = behind;
  }

  CoreCode take() { return std::move(code_); }

 private:
  static constexpr std::int64_t kStack = 1 << 24;
  // Of an instruction: the kernels' hot ones are Xpulp's, which are not compressed; loads and
  // stores of the stack are.
  static constexpr std::int64_t kCodeBytes = 4, kStackCodeBytes = 2;

  void access(const Address& address, int bytes, std::int64_t code_bytes);
  void plain(std::int64_t cycles, std::int64_t code_bytes);
  void loads_of_stack(std::int64_t count, std::int64_t cycles);

  const Machine::Core& core_;
  CoreCode code_;
  int depth_ = 0;
  std::int32_t code_end_ = 0;
  bool merge_ = false;
};

// Work of a core: [begin, end) of n in contiguous pieces of ceil(n / cores).
struct Piece {
  std::int64_t begin = 0, end = 0;
  std::int64_t size() const { return end - begin; }
};
inline Piece piece(std::int64_t n, std::int64_t cores, std::int64_t core) {
  const std::int64_t chunk = ceil_div(n, cores);
  const std::int64_t begin = std::min(chunk * core, n);
  return {begin, std::min(begin + chunk, n)};
}

// Output pixels of a core: rows, and columns of them.
struct Pixels {
  Piece rows, columns;
  bool halves = false;  // pairs of cores share rows
};
Pixels pixels(const Kernel& kernel, const Machine& machine, std::int64_t core);
// Output channels of a core: a piece for the kernels that deal them out, else all.
Piece channels(const Kernel& kernel, const Machine& machine, std::int64_t core);

// Rows of a core. With fewer rows than cores PULP-NN leaves more cores idle than it has to: its
// chunk is then 2, except in the average pool for powers of two, where it is 1 (counted from the
// source).
Piece rows_of(std::int64_t rows, std::int64_t cores, std::int64_t core, bool average);

// From the `bytes` of scratch that a core needs to those of the next, in kernels of our own:
// multiples of four banks of 16 would have eight cores in step meet at four banks, two or one.
// (nn_skewed() in runtime/pulp/kernels/nn_core.h)
inline constexpr std::int64_t skewed(std::int64_t bytes) {
  return bytes % 16 == 0 ? bytes + 8 : bytes;
}

// Of an address, from the word before.
inline std::int64_t word_remainder(std::int64_t address) { return address & 3; }

inline std::int64_t packed(std::int64_t codes, std::int64_t bits) {
  return ceil_div(codes * bits, 8);
}
inline std::int64_t pixel_bytes(const Kernel& kernel) {
  return packed(kernel.in_c, kernel.in_bits);
}
// Extraction and packing of sub-byte codes into a word of four: a p.extract each, two pv.pack
// (counted from the loop as written in PULP-NN, pulp_nn_*_to_*).
inline constexpr std::int64_t kUnpackFour = 6;
// Into a word of codes of `bits`: of eight of 4 bits a p.extract each and seven p.insert (counted).
inline constexpr std::int64_t unpack_word(std::int64_t bits) {
  return bits == 8 ? kUnpackFour : 15;
}

// Accumulator -> code in memory: kappa and lambda loaded for every element, since the store before
// may have changed them as far as the compiler knows. `position` within the codes of a byte.
struct Norms {
  Address kappa, lambda;
};
void requantize(CodeBuilder& builder, const Kernel& kernel, const Norms& norms, const Address& out,
                std::int64_t position);

// `pixels` pixels (2 or 4; one: single_pixel()) x all channels of `piece`, columns of `columns`
// bytes at `in`; results from `out` on, a pixel apart.
struct Matrix {
  std::array<Address, 4> in;
  Address out;
  std::int64_t columns = 0;
  Piece piece;
  int pixels = 2;
};
void matmul(CodeBuilder& builder, const Kernel& kernel, const Matrix& matrix);
void single_pixel(CodeBuilder& builder, const Kernel& kernel, const Matrix& matrix);

}  // namespace workbench::pulp
