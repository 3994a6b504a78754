// One stage of NEMO's network while it grows: nodes of the form become chains of plain float nodes.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "compiler/quantize/nemo_stages_numbers.h"
#include "core/graph.h"

namespace workbench {

// One link of a chain; the first node of a chain has the layer's name, the others that and
// `suffix`.
struct StageStep {
  std::string suffix;
  Op op;
  std::optional<Tensor> operand;
};
StageStep scalar_step(Binary::Kind kind, const char* suffix, double number);
// `numbers`: one per channel (axis 1) of values of this rank.
StageStep channel_step(Binary::Kind kind, const char* suffix, const std::vector<double>& numbers,
                       std::size_t rank);
StageStep floor_step();
StageStep clip_step(double low, double high);

// What an activation gives: codes from low to high, a step of eps each.
struct NemoCodes {
  int bits = 8;
  double low = 0, high = 255, eps = 1;
};
// To such codes from integers of another eps, in each stage.
struct NemoRescaling {
  std::vector<StageStep> fq, qd, id;
};
NemoRescaling nemo_rescaling(double eps_in, const NemoCodes& codes, const NemoRequantization& how);

class StageWriter {
 public:
  // Keeps a reference to `form`.
  explicit StageWriter(const Graph& form);

  void add_input(ValueId id, const std::vector<StageStep>& steps);
  // What stands for `id` here; a constant is copied at its first use.
  ValueId read(ValueId id);
  ValueId constant(const std::string& name, Tensor tensor);
  // The form's constant `id` with other numbers, under its own name where it is the first.
  ValueId add_weights(ValueId id, Tensor tensor);
  // `steps` of `from`, named after `name`.
  ValueId between(const std::string& name, ValueId from, const std::vector<StageStep>& steps);
  // `from` padded as `pad` says, under this name or one like it.
  ValueId padded(const std::string& name, ValueId from, const Pad& pad);
  const std::string& name(ValueId id) const { return graph_.value(id).name; }
  // What stands for `of` stands for `id`, too.
  void same(ValueId id, ValueId of) { stands_for_[at(id)] = read(of); }
  // `original` becomes `op` of `inputs` and then `steps`; without an op, the steps alone, of the
  // one input. The last of them writes what stands for its result.
  void chain(const Node& original, std::optional<Op> op, std::vector<ValueId> inputs,
             const std::vector<StageStep>& steps);
  // As it is, of what its operands have become.
  void copy(const Node& original, bool is_host);

  Graph finished() const;
  // Without the nodes that were copied as the host's: what they read is what leaves.
  Graph without_host() const;

 private:
  static std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }
  ValueId apply(const std::vector<StageStep>& steps, ValueId from, const std::string& layer,
                const std::string& result, bool first);
  void push(const std::string& name, Op op, std::vector<ValueId> inputs,
            std::vector<ValueId> outputs, bool is_host);
  std::string unique_value(std::string name);

  const Graph& form_;
  Graph graph_;
  std::vector<ValueId> stands_for_;  // by id in the form
  std::vector<bool> is_host_;        // by node of graph_
  std::set<std::string> value_names_, node_names_;
  std::set<ValueId> weights_;  // of the form: whose name is taken
};

// Integer networks in NEMO's ONNX convention, which DORY reads (docs/facts/quantization.md 2.2):
// whole numbers in float32 tensors, Conv -> Mul kappa -> Add lambda -> Mul m -> Div D -> Floor ->
// Clip.

// `integers`: as integer_network.h and nemo.h give it. The result is a float graph for export_onnx:
// its inputs are codes, what leaves are the integers that the host reads; what the host does behind
// them (Softmax, ...) is not part of it. integer_network() makes of it a network of the same
// values. An offset that float32 does not hold goes into the bias of its layer as far as it is a
// multiple of kappa. Throws Error "node 'NAME' (OP): ..." for what the convention cannot express.
Graph nemo_onnx_form(const Graph& integers);

}  // namespace workbench
