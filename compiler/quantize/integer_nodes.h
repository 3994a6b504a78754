// Which nodes become integer nodes, and the part each plays in the number system.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "compiler/quantize/quantize.h"
#include "core/graph.h"

namespace workbench {

enum class Role {
  Weighted,  // Conv, ConvTranspose, Gemm: weights, bias, one multiplier per output channel
  Average,   // AveragePool: sums its window, one multiplier
  Sum,       // Binary add of two activations
  Rescale,   // NEMO's Relu on its own: codes of another scale
  Concat,    // all operands on the result's scale, no arithmetic
  Move,      // MaxPool, Resize, Reshape, ...: codes pass through unchanged
};
using Roles = std::vector<std::optional<Role>>;  // per node; nothing where it stays float

// The role of `node` as an integer node of xDNN; none if integers cannot express it on any target.
std::optional<Role> integer_role(const Graph& graph, const Node& node);

// Roles on xDNN. What `options.host_reason` lets through must be expressible (CHECKed); without a
// host_reason, everything expressible is integer.
Roles integer_nodes(const Graph& graph, const QuantizeOptions& options);

// Takes the role from each Concat that no integer node reads, be it through data movement, and from
// the movement behind it: what ends on the host keeps the scale of each part. A question of the
// graph alone, so that the network read back from its file or table has the same answer.
void leave_final_joins(const Graph& graph, Roles& roles);

// The operands of an integer node that carry activations (not weights, bias or scales).
std::span<const ValueId> data_operands(const Node& node, Role role);

// Whether `id` is there, no constant and of real numbers.
bool is_real(const Graph& graph, ValueId id);

// Whether weights and bias are constants of real numbers.
bool has_constant_parameters(const Graph& graph, const Node& node);

// Whether saturation of codes implements the activation: None, Relu, Clip(0, a), Clip(-a, a). A
// Clip with a bound per channel is no saturation.
bool is_saturation(const Activation& activation);

// For a Clip that saturation at the largest code implements: the real bound of that code. None for
// other activations and for unbounded clips.
std::optional<double> saturation_cap(const Activation& activation);

// `activation` as an integer node performs it: None, Relu or PRelu. Clip(0, a) becomes Relu and
// Clip(-a, a) None: the threshold of the result is capped to a, so codes saturate there.
Activation integer_activation(const Activation& activation);

// The surgery that makes an integer graph of an annotated float one, whatever the scheme. A value
// of the source may have a real form, a code form, or both; the one its producer writes comes first
// and keeps the name, the other is made once, on demand, by a Dequantize or a Quantize, and is
// called NAME_float or NAME_int8. Nodes without a role stay float.

// Names that are each there once.
class UniqueNames {
 public:
  void take(const std::string& name) { names_.insert(name); }
  // `base`, with '_' appended up to three times, or numbered beyond, until it is the only one.
  std::string make(std::string base);

 private:
  std::set<std::string> names_;
  std::map<std::string, std::int64_t> numbered_;  // by base: the last number
};

class IntegerRewriter {
 public:
  // Keeps a reference to `annotated`.
  explicit IntegerRewriter(const Graph& annotated);

  // `integer_node` makes the integer node of the source's node of this index, which has a role,
  // with what is below; it need not add it to the graph. The result is verify()ed.
  Graph run(const Roles& roles, const std::function<Node(std::size_t)>& integer_node);

  // The codes of value `id` of the source as annotated (CHECKed).
  const Quantization& codes(ValueId id) const;

  // For integer nodes; all ids are those of the graph that is made, `id` is the source's.
  //
  // The codes of a value that something already wrote.
  ValueId code(ValueId id);
  // Codes that an integer node writes as this value.
  ValueId result(ValueId id, const Quantization& codes);
  // What stands for this constant.
  ValueId constant(ValueId id, Tensor tensor, std::optional<Quantization> codes);
  // Codes of a value on another scale than its own, by an Identity with `how`.
  ValueId rescaled(ValueId id, const Quantization& codes, AffineRequantize how);

 private:
  ValueId copy_real(ValueId id);
  ValueId real(ValueId id);
  void add_host(const Node& original);
  ValueId add_codes(ValueId id, std::string name, const Quantization& codes);
  Node& convert(Op op, std::string name, ValueId from, ValueId to);
  bool is_output(ValueId id) const;

  const Graph& source_;
  std::vector<ValueId> real_, code_;  // by source id: its forms in graph_, or kNoValue
  UniqueNames value_names_, node_names_;
  Graph graph_;
};

}  // namespace workbench
