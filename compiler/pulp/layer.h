// The integer network as the PULP back end sees it: one Layer per kernel-shaped node, geometry and
// constants in the hardware's terms, in execution order. Made from the integer Graph by
// layers_of(), then tiled, placed and emitted.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/graph.h"
#include "isa/pulp/instructions.h"
#include "isa/pulp/kernels.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

// An activation tensor, [height][width][channels]. Concat is placement: a part is `channels` wide
// at channel `first_channel` of its `whole`, which is no part itself; so are the channels that a
// group of a convolution reads and writes. Tensors of rank 2 with several rows [M, K] are one
// channel high and wide as the matrix.
struct FeatureMap {
  std::string value;  // name in the quantized graph
  std::int64_t channels = 1, height = 1, width = 1;
  std::int64_t bits = 8;  // 8, 4, 2, or 32
  bool is_signed = false;
  std::int32_t whole = -1;  // index of the concat volume it is part of; -1: it is one itself
  std::int64_t first_channel = 0;
  std::int64_t bytes() const { return (channels * bits + 7) / 8 * height * width; }
};

struct Layer {
  std::string name;  // of the graph node
  std::vector<std::string> merged;
  std::size_t node = 0;  // index in the quantized graph
  Family family = Family::Conv;
  std::int32_t in = -1, in2 = -1, out = -1;  // indices into Network::activations
  // What every kernel call of this layer has in common: geometry of the whole layer (in_w, ...,
  // pads), bits, signs, norm, shifts. Addresses are 0, kind is not yet chosen.
  Kernel call;
  std::int64_t pad_bottom = 0;       // as the node has it; call's is what windows reach of it
  std::vector<std::int8_t> weights;  // in the kernel's layout, one per byte; packed at emission
  std::vector<std::int32_t> bias;    // per output channel, empty without
  std::vector<std::int64_t> kappa, lambda;  // per output channel, empty without norm
  std::string wide_norm;                    // why plain 32 bits do not do for it; empty: they do
  std::int64_t macs = 0, ops = 0;
};

struct Network {
  std::vector<FeatureMap> activations;
  std::vector<Layer> layers;
  std::vector<std::size_t> host_nodes;  // nodes of the graph that stay with the host
  // Every integer value of the graph and the activation that it is, or is another view of (Reshape:
  // the value's elements in order are those of the activation channel by channel).
  std::vector<std::pair<ValueId, std::int32_t>> values;
};
// Of a part, its whole; else itself.
std::int32_t root_of(const Network& network, std::int32_t activation);
// -1: the value is none.
std::int32_t activation_of(const Network& network, ValueId value);

bool is_integer(const Value& value);
// An activation of the value's shape and codes (layer.h). Throws Error "WHERE: ..." when it has
// none.
FeatureMap activation_like(const Value& value, const std::string& where);
// Kernel, strides, dilations and padding of a call whose maps are set.
void set_window(Kernel& call, const Window& window);

// The cluster computes it: codes in, codes out, and no conversion.
bool on_cluster(const Graph& graph, const Node& node);

enum class NormBits { Auto, Bits32, Bits64 };  // Auto: 32 where no wrap is possible, else 64
// Ours: batch norms whose channels all have one kappa and one lambda become a multiplier and an
// offset of the call, others that 32 bits do not hold are computed of clamped accumulators where
// that is the same. Dorys: arrays as DORY leaves them, for the library's kernels.
enum class NormStyle { Ours, Dorys };

// Pools whose window of all channels is larger than L1 become a layer per so many channels, or a
// multiple.
inline constexpr std::int64_t kChannelStep = 4;

// Throws Error naming the layer and what cannot be expressed exactly: a divisor that is no power of
// two and has no exact multiplier and shift over the range of the accumulator, and so on.
Network layers_of(const Graph& quantized, const Machine& machine, NormBits norm_bits,
                  NormStyle norms = NormStyle::Ours);

// The part of a quantized graph that the host runs: conversions at the edges, float tails, and
// steps between layers. Works on a Network, whose host_nodes are in the graph's order.

// Host nodes that run together, all engines idle, before layer `before` (or behind the last).
struct HostTurn {
  std::int32_t before = 0;
  std::vector<std::size_t> nodes;  // of the quantized graph, in order
};
// As late as possible: a node runs when a layer reads its result, or at the end.
std::vector<HostTurn> host_turns(const Graph& graph, const Network& network);

// Activations that host nodes write, and those they read (the network's outputs among them), with
// the turn. Sorted by turn; an activation may be read in several.
struct HostUse {
  std::int32_t activation = -1;
  ValueId value = kNoValue;
  std::size_t turn = 0;
};
struct HostUses {
  std::vector<HostUse> writes, reads;
};
HostUses host_uses(const Graph& graph, const Network& network, const std::vector<HostTurn>& turns);

// The host's nodes as a graph of their own, inputs and outputs those of `graph`; `nodes`: for each
// node of the turns, in order, its index there.
struct HostGraph {
  Graph graph;
  std::vector<std::vector<std::size_t>> turn_nodes;  // per turn
};
HostGraph host_graph(const Graph& graph, const std::vector<HostTurn>& turns);

}  // namespace workbench::pulp
