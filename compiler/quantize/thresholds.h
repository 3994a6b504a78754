// The threshold of every int8 value: each value's own one (quantizer table before import hint
// before calibration), then shared by those that the hardware wants on one scale.
#pragma once

#include <vector>

#include "compiler/quantize/quantize.h"
#include "compiler/quantize/scale_classes.h"

namespace workbench {

// Per node of `graph` the table's layer of that name, or null; all null without a table. Throws
// Error for a layer that is no node, merged node or input of the network.
std::vector<const LayerQuantization*> table_layers(const Graph& graph, const QuantizerTable* table);

// Per ValueId the threshold of its int8 form, > 0; 0 for values that no integer node reads or
// writes. Values are tied by concat (all), add (its operands) and data movement. A tied class gets
//  - what the table, else an import hint, says of any member (Error if the table contradicts
//    itself);
//  - else the largest own threshold of its concat results and of those members that are neither
//    concat operands nor copies of another member (xdnn.md 3.7 "propagation");
//  - at most the smallest bound of a Clip fused into one of its producers: saturation there is that
//    Clip, and other members of the class saturate with it. Tables and hints are taken at
//    their word;
//  - 1 if that is 0: a dead value, all codes 0.
Codes int8_thresholds(const Graph& graph, const Roles& roles, const Thresholds& calibrated,
                      const std::vector<const LayerQuantization*>& layers,
                      const QuantizerTable* table);

}  // namespace workbench
