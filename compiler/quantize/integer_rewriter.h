// The surgery that makes an integer graph of an annotated float one, whatever the scheme. A value
// of the source may have a real form, a code form, or both; the one its producer writes comes first
// and keeps the name, the other is made once, on demand, by a Dequantize or a Quantize, and is
// called NAME_float or NAME_int8. Nodes without a role stay float.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "compiler/quantize/integer_nodes.h"
#include "core/graph.h"

namespace workbench {

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
  std::set<std::string> value_names_, node_names_;
  Graph graph_;
};

}  // namespace workbench
