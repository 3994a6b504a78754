// The integer graph while it grows. Each value of the imported network is a chain (integers that a
// node has accumulated, or codes, and what has been done to them since) or a real number (host
// nodes at the end). A chain becomes a node when something needs its codes; until then it is
// arithmetic on paper, so that any order of multiplications, sums, divisions, cuts and clips comes
// to the same rescaling.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "compiler/quantize/chain_arithmetic.h"
#include "core/graph.h"

namespace workbench {

// Whether a node computes with integers: weights, pools, cuts of fractions, rescalings.
bool is_layer(const Graph& graph, const Node& node);

struct LayerReaders {
  std::vector<bool> feeds_layer;    // by value: some layer depends on it
  std::vector<bool> read_as_codes;  // a convolution, product or pool reads it as it is
};
LayerReaders layer_readers(const Graph& graph);

// clip(round(map(source)), low, high); not rounded without `cut`.
struct Chain {
  std::size_t source = 0;
  ChannelMap map;
  std::optional<Rounding> cut;
  std::int64_t low = kLeast, high = kMost;
  ValueId last = kNoValue;         // the imported value it is
  std::vector<std::string> nodes;  // names of the imported nodes in it

  bool has_clip() const { return low != kLeast || high != kMost; }
  bool is_closed() const { return has_clip() || (cut && !is_whole(map)); }  // no map any more
  bool is_integer() const { return cut.has_value() || is_whole(map); }
};

// The start of a chain.
struct ChainSource {
  enum class Kind {
    Accumulator,  // `node`, not yet in the graph: the chain may become its rescaling
    Codes,        // `codes`, in the graph
    Chain,        // `before`, closed and read by nothing else
    Used,         // an accumulator that has left with the rescaling of a chain
  };
  Kind kind = Kind::Codes;
  Node node;
  ValueId codes = kNoValue;
  Chain before;
  ValueId imported = kNoValue;  // the imported value it is
  Shape shape;                  // of what `node` writes
  ValueRanges values;
  bool saturates =
      false;  // 8 bits hold a sum or an average without Clip, too (docs/facts/pulp.md 2.2)
};

class ChainBuilder {
 public:
  explicit ChainBuilder(const Graph& imported);

  const Graph& imported() const { return imported_; }
  const Value& value(ValueId id) const { return imported_.value(id); }

  // Throws Error "node 'NAME' (OP): ...".
  template <typename... Args>
  [[noreturn]] static void refuse(const Node& node, fmt::format_string<Args...> format,
                                  Args&&... args) {
    fail("node '{}' ({}): {}", node.name, op_name(node.op),
         fmt::format(format, std::forward<Args>(args)...));
  }

  void add_input(ValueId id, bool is_signed);
  bool is_input(ValueId id) const;
  // `original` pads an input with another code than 0: the host does, before these become codes.
  void add_bordered_input(const Node& original);
  bool is_chain(ValueId id) const { return chains_.at(index(id)).has_value(); }
  const Chain& chain(ValueId id) const { return *chains_.at(index(id)); }
  const ChainSource& source(const Chain& chain) const { return sources_.at(chain.source); }
  // The chain's result.
  ValueRanges values(const Chain& chain) const;
  // Whether something that computes with integers depends on the value.
  bool feeds_layer(ValueId id) const { return layers_.feeds_layer.at(index(id)); }

  // `id` is from now on this chain; it becomes codes at once where several nodes read it.
  void set_chain(ValueId id, Chain chain);
  // `node` accumulates `id`: numbers within `values`. A pool or an Add: sums of codes, still to be
  // divided, in a tensor of that shape.
  struct Sum {
    std::int64_t divisor = 1;
    Shape shape;
  };
  void accumulate(ValueId id, Node node, ValueRanges values, const std::optional<Sum>& sum = {});
  // A chain that begins where `chain`, closed, ends.
  Chain chained(const Chain& chain);
  // The same chain on codes in the graph instead of on an accumulator or another chain.
  Chain on_codes(Chain chain);
  // The rescaling that the chain is. It must be an integer one.
  AffineRequantize affine(const Chain& chain) const;

  // The codes of a chain.
  ValueId codes(ValueId id);
  ValueId codes(Chain& chain);
  int code_bits(ValueId codes) const { return graph_.value(codes).quantization->bits; }
  // `node` moves codes: its results are codes like those of its operands, `like`.
  void move(const Node& original, const std::vector<ValueId>& like);
  // The value as a real number.
  ValueId real(ValueId id);
  void add_host(const Node& original);
  // A constant of another type, once for all its readers.
  ValueId constant(ValueId id, Tensor tensor, std::optional<Quantization> quantization = {});

  const Tensor& constant_tensor(ValueId in_graph) const { return *graph_.value(in_graph).constant; }

  Graph finished();
  // Results that their codes may not hold and nothing clips: they saturate. A line each.
  const std::vector<std::string>& saturations() const { return saturations_; }

 private:
  static std::size_t index(ValueId id) { return static_cast<std::size_t>(id); }
  bool is_output(ValueId id) const;
  std::string unique(const std::string& base);
  std::string unique_node(const std::string& base);
  ValueId writer_order(ValueId id) const;
  void emit(Node node, ValueId order);
  void emit_to(ValueId result, Node node, const Shape& shape, ValueId order);
  const Node& writer(ValueId id) const;
  std::size_t add_codes(ValueId codes, ValueId id, ValueRanges values);
  std::optional<Chain> joined_with_before(const Chain& chain) const;
  CodeRange range_of(const Chain& chain) const;
  bool is_alias(const Chain& chain) const;
  ValueId write(Chain& chain);
  void note_saturation(const Chain& chain, const CodeRange& range);
  ValueId add_result(const Chain& chain, const CodeRange& range);
  bool replays(const Chain& chain) const;

  const Graph& imported_;
  Graph graph_;
  std::vector<ValueId> order_;                // of graph_.nodes: the imported node each ends with
  std::vector<std::optional<Chain>> chains_;  // by imported value
  std::vector<ValueId> reals_;                // by imported value, in graph_
  std::vector<ChainSource> sources_;
  std::vector<std::ptrdiff_t> writers_;
  std::vector<std::size_t> readers_;
  LayerReaders layers_;
  std::map<std::pair<ValueId, ElementType>, ValueId> constants_;
  std::set<ValueId> value_forms_;  // constants that are in graph_
  std::set<std::string> value_names_, node_names_, emitted_;
  std::vector<std::string> saturations_;
};

// The effect of each node of an imported integer network on the chains it reads (chain_steps.cpp).
// False: a host node, which reads no integers or feeds no integer node.

// Weights: Conv, and Gemm and MatMul, which become Gemm with the weights as [out, in]. Refuses
// operands that are no codes of 8 bits.
bool add_convolution(ChainBuilder& builder, const Node& node);
bool add_product(ChainBuilder& builder, const Node& node);
// AveragePool, and Reduce over all of space: sums; the division joins the chain.
bool add_average(ChainBuilder& builder, const Node& node);
bool add_reduce(ChainBuilder& builder, const Node& node);

// Links of chains: Binary with a constant, Floor, Truncate, Clip, Relu, rescalings, Identity.
bool add_binary(ChainBuilder& builder, const Node& node);
bool add_activation(ChainBuilder& builder, const Node& node);
bool add_identity(ChainBuilder& builder, const Node& node);
bool add_reshape(ChainBuilder& builder, const Node& node);
// Binary of two chains.
void add_sum(ChainBuilder& builder, const Node& node);

}  // namespace workbench
