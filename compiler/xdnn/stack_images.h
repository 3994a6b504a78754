// Several images as one map from some op on: in one volume, the rows of each image below those of
// the one before. A convolution is then one instruction for all of them: its filters are loaded
// once, and each slab while the array works with the one before for all images. That is what the
// last layers of most networks want, whose filters take longer to load than to compute with.
//
// Between two images there are some rows that belong to neither. Instructions that reach over an
// edge of an image need zeros there, as padding is; since what is computed for these rows is of no
// meaning, sums that are scaled by 0 put the zeros back. What works on one image alone (other
// strides, global pools, what fills such a volume first) does so section by section: only there do
// the rows of one image lie together.
#pragma once

#include <cstddef>
#include <vector>

#include "compiler/xdnn/lower.h"
#include "compiler/xdnn/merge_images.h"
#include "isa/xdnn/machine.h"

namespace workbench::xdnn {

struct StackedImages {
  Lowered lowered;         // without ops
  std::vector<Ops> heads;  // of each image
  Ops tail;                // of all together
};

class Stack {
 public:
  // `in_turn`: one image behind the other, `images` the ops of each; neither layouts nor addresses.
  // A channel-aligned machine.
  Stack(const Lowered& in_turn, const std::vector<Ops>& images, const Machine& machine);

  // Ops from which on images can be stacked, at most `count`: those that promise most, the best
  // first.
  std::vector<std::size_t> cuts(std::size_t count) const;
  StackedImages from(std::size_t cut) const;  // one of cuts()

 private:
  enum class Part { Alone, Joint, BySection };
  // What becomes of a network that is cut in two.
  struct Plan {
    std::vector<bool> stacked;  // per volume of the first image
    std::vector<Part> parts;    // per op of one image
    std::int64_t gap = 0;       // rows between two images
  };
  // Nothing when it is not possible, or no instruction would be for all images.
  bool plan(std::size_t cut, Plan& plan) const;
  class Build;

  const Map& map(int id) const { return in_turn_.maps[static_cast<std::size_t>(id)]; }
  bool all_stacked(const LoweredOp& op, const std::vector<bool>& stacked) const;
  bool any_stacked(const LoweredOp& op, const std::vector<bool>& stacked) const;
  bool can_be_joint(const LoweredOp& op) const;
  bool works_by_section(const LoweredOp& op, const std::vector<bool>& stacked) const;
  std::int64_t reach(const LoweredOp& op) const;
  bool fits(const Plan& plan) const;
  Cycles gain(const LoweredOp& op, std::int64_t gap) const;

  const Lowered& in_turn_;
  const std::vector<Ops>& images_;
  const Machine& machine_;
  Lowered laid_out_;               // with the layouts that stacked maps have
  std::vector<bool> nonnegative_;  // per volume: all that is written there went through a ReLU
};

}  // namespace workbench::xdnn
