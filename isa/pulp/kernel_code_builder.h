// How the trees of kernel_code.h are put together; for the kernel_code_*.cpp only.
#pragma once

#include <algorithm>
#include <cstdint>

#include "core/error.h"
#include "core/units.h"
#include "isa/pulp/kernel_code.h"
#include "isa/pulp/kernel_groups.h"

namespace workbench::pulp {

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

class CodeBuilder {
 public:
  explicit CodeBuilder(const Machine& machine) : core_(machine.core) { code_.reserve(256); }

  void work(const Straight& straight);
  void load(const Address& address, int bytes = 4) { access(address, bytes); }
  void store(const Address& address, int bytes = 4) { access(address, bytes); }
  // body(depth): with that, addresses step per iteration. Hardware loops need no instructions
  // (pulp.md 1.2); for others the body ends with its branch.
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
  // What emit() emits is in the code already: takes no further bytes.
  template <typename Emit>
  void again(bool copy, Emit&& emit) {
    const bool before = copy_;
    copy_ = copy_ || copy;
    emit();
    copy_ = before;
  }

  CoreCode take() { return std::move(code_); }

 private:
  static constexpr std::int64_t kStack = 1 << 24;

  void access(const Address& address, int bytes);
  void plain(std::int64_t cycles, std::int64_t instructions);
  void loads_of_stack(std::int64_t count, std::int64_t cycles);

  const Machine::Core& core_;
  CoreCode code_;
  int depth_ = 0;
  bool merge_ = false, copy_ = false;
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

// Equal for cores whose code takes the same: as much work, at addresses that are alike modulo a
// word.
std::vector<std::int64_t> likeness(const Kernel& kernel, const Machine& machine, std::int64_t core);

inline std::int64_t packed(std::int64_t codes, std::int64_t bits) {
  return ceil_div(codes * bits, 8);
}
// Extraction and packing of sub-byte codes into a word of four: a p.extract each, two pv.pack
// (counted from the loop as written in PULP-NN, pulp_nn_*_to_*).
inline constexpr std::int64_t kUnpackFour = 6;

// Accumulator -> code in memory: kappa and lambda loaded for every element, since the store before
// may have changed them as far as the compiler knows. `position` within the codes of a byte.
struct Norms {
  Address kappa, lambda;
};
void requantize(CodeBuilder& builder, const Kernel& kernel, const Norms& norms, const Address& out,
                std::int64_t position);

// Two pixels (one: `single`) x all channels of `piece`, columns of `columns` bytes at `in` and
// `in2`; results at `out` and one pixel on.
struct Matrix {
  Address in, in2, out;
  std::int64_t columns = 0;
  Piece piece;
};
void matmul(CodeBuilder& builder, const Kernel& kernel, const Matrix& matrix);
void single_pixel(CodeBuilder& builder, const Kernel& kernel, const Matrix& matrix);

CoreCode pointwise_code(const Kernel& kernel, const Machine& machine, std::int64_t core);
CoreCode conv_code(const Kernel& kernel, const Machine& machine, std::int64_t core);
CoreCode linear_code(const Kernel& kernel, const Machine& machine, std::int64_t core);
CoreCode depthwise_code(const Kernel& kernel, const Machine& machine, std::int64_t core);
CoreCode depthwise_3x3_code(const Kernel& kernel, const Machine& machine, std::int64_t core);
CoreCode add_code(const Kernel& kernel, const Machine& machine, std::int64_t core);
CoreCode average_pool_code(const Kernel& kernel, const Machine& machine, std::int64_t core);
CoreCode max_pool_rows_code(const Kernel& kernel, const Machine& machine, std::int64_t core);
CoreCode max_pool_columns_code(const Kernel& kernel, const Machine& machine, std::int64_t core);
CoreCode max_pool_direct_code(const Kernel& kernel, const Machine& machine, std::int64_t core);
CoreCode requantize_code(const Kernel& kernel, const Machine& machine, std::int64_t core);

}  // namespace workbench::pulp
