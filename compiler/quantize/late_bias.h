// Hardware that adds the bias to the codes of a convolution's result, behind a clamp of the sum of
// products to the same codes (docs/facts/xdnn.md 3.2): a sum that only its bias would bring back
// into the codes is lost. These make the codes reach far enough.
#pragma once

#include <string>
#include <vector>

#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/quantize_target.h"
#include "core/graph.h"

namespace workbench {

// Takes the Clip(0, a) apart from weighted layers where sums or biases of some channels leave its
// range by more than a twentieth: these channels become as much smaller, so that the range has
// their sums, and a convolution of one weight per channel behind the layer makes them what they
// were. Its codes saturate at the Clip. All other channels keep their codes. True if there was one
// layer: values called NAME_small are new, and have no statistics.
bool set_clips_apart(Graph& graph, const Statistics& statistics, const QuantizeTarget& target,
                     std::vector<std::string>& notes);

// `thresholds`, raised where results of weighted layers that the calibration has seen need sums or
// biases beyond them, together with all values that share the scale. Channels that have never been
// above 0 in front of a Relu need nothing.
Thresholds with_room_for_biases(const Graph& graph, const Statistics& statistics,
                                Thresholds thresholds, const QuantizeTarget& target);

}  // namespace workbench
