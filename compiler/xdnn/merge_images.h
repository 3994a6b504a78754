// The instructions of two images as one list: where one would leave the array waiting for filters,
// the other has it; and what both do with the same filters stands together, so that these are
// loaded once (kept_filters(), isa/xdnn/cost.h).
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/xdnn/lower.h"
#include "isa/xdnn/machine.h"

namespace workbench::xdnn {

using Ops = std::vector<LoweredOp>;

class Merge {
 public:
  // `lowered`: whose ops run() gets; neither layouts nor addresses.
  Merge(const Lowered& lowered, const Machine& machine);

  // Ops of one image beside ops of another, each in their own order. Convolutions of several passes
  // become one op each as far as `room` more ops allow: those with the longest slabs first.
  Ops run(const Ops& first, const Ops& second, std::int64_t room) const;

 private:
  struct Parts;
  Parts parts_of(const LoweredOp& op) const;
  std::int64_t more_ops(const LoweredOp& op) const;
  Ops in_parts(const Ops& ops, std::int64_t longer_than) const;
  bool divisible(const LoweredOp& op) const;

  Lowered laid_out_;
  const Machine& machine_;
};

}  // namespace workbench::xdnn
