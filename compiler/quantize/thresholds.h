// Classes of values that a target requires on one scale, the nodes that tie them, and the effect on
// a float graph.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/integer_nodes.h"
#include "compiler/quantize/quantize.h"
#include "compiler/quantize/table.h"
#include "core/graph.h"

namespace workbench {

// Sets of values, by ValueId, each with what fused Clips cap its threshold to.
class ScaleClasses {
 public:
  explicit ScaleClasses(std::size_t values);
  // The set of `id`: the same number for all its members.
  std::size_t find(ValueId id);
  void tie(ValueId a, ValueId b);
  // The smallest limit() of the members; infinity without any.
  double cap(ValueId id) { return cap_[find(id)]; }
  void limit(ValueId id, double cap);

 private:
  std::vector<std::size_t> parent_;
  std::vector<double> cap_;  // at the root of each set
};

// Per ValueId: whether an integer node reads or writes it.
std::vector<bool> coded_values(const Graph& graph, const Roles& roles);

// The sets of more than one value, each with the nodes that tied them: "concat 'inception/out',
// maxpool 'pool'". `present`: per ValueId, whether it has codes; `ties`: per node.
std::vector<ScaleGroup> scale_groups(const Graph& graph, ScaleClasses& classes,
                                     const std::vector<bool>& present,
                                     const std::vector<bool>& ties);

// The largest magnitude that codes of an imported quantization can stand for. For a zero point of 0
// that is its threshold, so that symmetric int8 models keep their steps exactly.
double magnitude(const Quantization& quantization);

// A scheme's choices for the codes of a float graph.
struct Codes {
  std::vector<double> thresholds;  // per ValueId; 0: no codes
  std::vector<ScaleGroup> groups;
  int bits = 8;
  std::vector<bool> is_unsigned;                  // per ValueId; empty: none is
  std::vector<std::optional<Quantization>> kept;  // per ValueId, in place of the above; or empty
  Rounding host_rounding = Rounding::HalfAwayFromZero;  // of what a host node or the user gives
};

// `graph` with `codes` as the quantization of its activations, instead of any they had; rounding is
// HalfUp where a node with a role writes the value.
Graph with_codes(Graph graph, const Roles& roles, Codes codes);

// The threshold of every int8 value: each value's own one (quantizer table before import hint
// before calibration), then shared by those that the hardware requires on one scale.

// Per node of `graph` the table's layer of that name, or null; all null without a table. Throws
// Error for a layer that is no node, merged node or input of the network.
std::vector<const LayerQuantization*> table_layers(const Graph& graph, const QuantizerTable* table);

// Per ValueId the threshold of its int8 form, > 0; 0 for values that no integer node reads or
// writes. Values are tied by concat (all), add (its operands) and data movement. A tied class gets
//  - what the table, else an import hint, says of any member (Error if the table contradicts
//    itself);
//  - else the largest own threshold of its concat results and of those members that are neither
//    concat operands nor copies of another member (docs/facts/xdnn.md 3.7 "propagation");
//  - at most the smallest bound of a Clip fused into one of its producers: saturation there is that
//    Clip, and other members of the class saturate with it. Tables and hints are not changed;
//  - 1 if that is 0: a dead value, all codes 0.
Codes int8_thresholds(const Graph& graph, const Roles& roles, const Thresholds& calibrated,
                      const std::vector<const LayerQuantization*>& layers,
                      const QuantizerTable* table);

// Takes the role from sums that would cost an operand its codes: those of two scales that differ by
// more than kSummedRatio, where an integer node reads the smaller operand, too, be it through data
// movement. int8_thresholds() would put both on the larger scale. Scales are those that the values
// have without the sum; where a sum stays, it ties them, and the others are looked at again, so
// that thresholds read from the result, with none of them changed, lead to the same sums.
void leave_drowning_sums(const Graph& graph, const Thresholds& calibrated,
                         const std::vector<const LayerQuantization*>& layers,
                         const QuantizerTable* table, Roles& roles);
inline constexpr double kSummedRatio = 32;

// The same decision, read from the codes that it led to.
void drop_sums_of_two_scales(const Graph& annotated, Roles& roles);

}  // namespace workbench
