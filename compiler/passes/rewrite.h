// Graph surgery shared by the passes. A rewrite may leave dead values behind (remove_dead collects
// them), never a node that reads what is not written.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/graph.h"

namespace workbench {

// Index of the node that writes `id`; nothing for a graph input or a constant.
std::optional<std::size_t> writer_of(const Graph& graph, ValueId id);
// Index of the one node that reads `id`, if it reads it once and `id` is no graph output.
std::optional<std::size_t> sole_reader(const Graph& graph, ValueId id);
bool is_graph_output(const Graph& graph, ValueId id);
bool is_constant(const Graph& graph, ValueId id);  // false for kNoValue

// `base`, or the first of base_2, base_3, ... that no value (node) is named.
std::string unique_value_name(const Graph& graph, const std::string& base);
std::string unique_node_name(const Graph& graph, const std::string& base);

// Operand `slot` of `node`, kNoValue where the node has fewer.
ValueId operand(const Node& node, std::size_t slot);
// The float32 constant at `slot`; nullptr if absent, not constant or of another type.
const Tensor* float_constant(const Graph& graph, const Node& node, std::size_t slot);
// Makes operand `slot` of node `n` the constant `tensor`: in place where the constant that is there
// has no other reader, else as a new value named after `base`.
void set_constant(Graph& graph, std::size_t n, std::size_t slot, Tensor tensor,
                  const std::string& base);

// `into` does from now on what `from` did.
void record_merged(Node& into, const Node& from);
// Node `first` writes what `second`, the only reader of its result, wrote; `second` is erased.
void fuse_behind(Graph& graph, std::size_t first, std::size_t second);
// Erases node `n`, whose result equals its first operand. Graph outputs keep their names: false,
// without a change, when both values are visible to the user.
bool bypass(Graph& graph, std::size_t n);
void insert_node(Graph& graph, std::size_t before, Node node);
void erase_node(Graph& graph, std::size_t n);

// `axis` counted from the front.
std::int64_t normalized_axis(std::int64_t axis, std::size_t rank);

// Calls rewrite(graph, n) on every node, again on the same index after it returned true (nodes may
// have moved), until a whole sweep changes nothing. True if any call did.
template <typename Rewrite>
bool sweep(Graph& graph, Rewrite&& rewrite) {
  bool changed = false;
  for (bool again = true; again;) {
    again = false;
    for (std::size_t n = 0; n < graph.nodes.size();) {
      if (rewrite(graph, n)) {
        again = changed = true;
      } else {
        ++n;
      }
    }
  }
  return changed;
}

// Nodes that multiply and shift each channel by constants (BatchNorm, Mul, Add, Sub, Div), as one
// affine map per channel, which the scale passes fold into convolutions.

// The float constant `id` as one number per channel (axis 1) of a tensor of `shape`. Nothing if it
// is no float constant, varies along another axis, or would broadcast `shape` to a larger one.
std::optional<std::vector<float>> per_channel(const Graph& graph, ValueId id, const Shape& shape);

// y = activation(scale[c] * x + shift[c]), c along axis 1 of x.
struct ChannelAffine {
  ValueId x = kNoValue;
  std::vector<double> scale, shift;  // finite, [C]
  Activation activation;

  bool is_pure_scale() const;  // no shift
};

// `node` as a ChannelAffine of a value that is not constant; nothing if it is something else.
std::optional<ChannelAffine> channel_affine(const Graph& graph, const Node& node);

}  // namespace workbench
