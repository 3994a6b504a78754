// Common to the rewrites of fit_limits.h: one node as a graph of its own, split until the machine
// accepts the parts.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "compiler/passes/rewrite.h"
#include "core/graph.h"
#include "isa/xdnn/machine.h"

namespace workbench::xdnn {

using HostReason = std::function<std::optional<std::string>(const Graph&, const Node&)>;

// `graph` holds the node, or what has become of it so far, behind inputs with the names of the
// node's operands.
struct Fitting {
  Graph graph;
  const Machine& machine;
  const HostReason& reason;
  std::string name;                // of the node
  int parts = 0;                   // named so far
  std::set<std::string> accepted;  // nodes that the machine has been asked about and would run

  std::string next_part() { return name + "_part" + std::to_string(parts++); }
};

// A rewrite takes node `n` of the graph apart, or returns false when it is not for this node.
using LimitRewrite = bool (*)(Fitting&, std::size_t n);

// The nodes that are to stand where node `n` stands. Nothing changes before finish().
class Parts {
 public:
  Parts(Fitting& fitting, std::size_t n);

  const Node& node() const { return node_; }
  const Shape& shape(ValueId id) const { return fitting_.graph.value(id).shape; }
  // The shape of the node's first operand and of its result.
  const Shape& in() const { return shape(node_.inputs[0]); }
  const Shape& out() const { return shape(node_.outputs[0]); }

  ValueId constant(const std::string& suffix, Tensor tensor);
  // A new node and the value it writes, both called NODE_part0 and so on.
  ValueId add(Op op, const std::vector<ValueId>& inputs);
  // Whether a node `op` of `inputs` would write the node's result: its shape.
  bool completes(const Op& op, const std::vector<ValueId>& inputs) const;
  // The last node: it writes the result. Called as the node it stands for, or NODE_sum for an Add
  // (tables by layer name must not take it for the convolution).
  void finish(Op op, const std::vector<ValueId>& inputs);

 private:
  Fitting& fitting_;
  std::size_t n_;
  Node node_;
  std::vector<Node> nodes_;
};

// Whether the machine would run a node `op` on `x` and constants of the shapes `constants`.
bool runs(const Fitting& fitting, const Op& op, const Shape& x,
          const std::vector<Shape>& constants = {});

Window unit_window();  // 1x1, stride 1, no padding, 2-D

// Depthwise weights [channels, 1, rows, columns] of `value` at (y, x), else 0.
Tensor one_tap(std::int64_t channels, std::int64_t rows, std::int64_t columns, std::int64_t y,
               std::int64_t x, float value = 1);
Tensor zeros(const Shape& shape);
// Weights of a dense 1x1 convolution that picks channels [begin, end).
Tensor picking_weights(std::int64_t channels, std::int64_t begin, std::int64_t end);

// `x` without its first `begin` and last `end` rows and columns, by depthwise convolutions that
// pick one tap: machines have no other way to cut a map.
struct Crop {
  std::int64_t top = 0, left = 0, bottom = 0, right = 0;
  bool none() const { return top == 0 && left == 0 && bottom == 0 && right == 0; }
};
// How many convolutions that takes; nothing when they are more than kMostParts, or kernels have one
// tap, which takes nothing off.
std::optional<std::int64_t> crop_parts(const Fitting& fitting, const Crop& crop);
// crop_parts() must have found some.
ValueId crop(Parts& parts, ValueId x, const Crop& crop, std::int64_t kernel_max);

// The budget of a node's rewrites: more parts than that, or larger constants for them, and it is
// the host's.
inline constexpr std::int64_t kMostParts = 1024;
inline constexpr std::int64_t kMostTaps = std::int64_t{1} << 24;
bool too_many_taps(const Shape& weights);

// Sum of `terms` (at least 2), the last Add with `activation`.
void finish_sum(Parts& parts, const std::vector<ValueId>& terms, const Activation& activation);

// Rewrites of fit_limits.h; see the table in fit_limits.cpp. Of convolutions (fit_conv.cpp):

// Activation, dilation, stride or padding that the machine does not have.
bool leaky_to_sum(Fitting& fitting, std::size_t n);
bool unfuse_activation(Fitting& fitting, std::size_t n);
bool embed_dilation(Fitting& fitting, std::size_t n);
bool split_stride(Fitting& fitting, std::size_t n);
bool split_padding(Fitting& fitting, std::size_t n);
// Filters that are too large.
bool split_kernel(Fitting& fitting, std::size_t n);
bool split_groups_of(Fitting& fitting, std::size_t n);
bool split_channels(Fitting& fitting, std::size_t n);

// Of everything else (fit_ops.cpp):

// Pools beyond the machine's limits.
bool split_pool(Fitting& fitting, std::size_t n);
bool average_to_conv(Fitting& fitting, std::size_t n);
// Ops that the overlay only has under another name.
bool activation_to_conv(Fitting& fitting, std::size_t n);
bool subtract_to_add(Fitting& fitting, std::size_t n);
bool pad_to_conv(Fitting& fitting, std::size_t n);
bool slice_to_conv(Fitting& fitting, std::size_t n);
bool reorganize_to_conv(Fitting& fitting, std::size_t n);
bool split_upsample(Fitting& fitting, std::size_t n);

}  // namespace workbench::xdnn
