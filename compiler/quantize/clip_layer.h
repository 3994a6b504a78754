// Clips as layers of their own: a convolution of one weight per channel behind the layer that had
// the Clip, where one layer has not all that a channel needs.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "compiler/quantize/calibrate.h"
#include "core/graph.h"

namespace workbench {

// Behind layer `n`, whose result is a map of channels: weights `gains`, one per channel, and `bias`
// (none: empty). It writes what the layer wrote, under its name; the layer's own result is a new
// value called NAME_`own`. Its index is n + 1.
void insert_clip_layer(Graph& graph, std::size_t n, const std::string& own,
                       std::span<const float> gains, std::span<const float> bias,
                       const Activation& activation);

// Hardware has one bound per layer: its last code. A layer with a bound b per channel gives the
// mirror image b - x in place of x, which is cut at 0, and the layer behind it mirrors that again
// and cuts at 0, too: b - relu(b - x) is x up to b and no more. No channel needs a bound then, and
// codes of powers of two lose nothing: both results have the same step, and the bounds are
// multiples of it (of 8 bits), not above the last code. `thresholds`: of the results of such
// layers. Returns the least threshold of every value whose codes must reach as far as the bounds;
// empty if there was none. One note per layer.
Thresholds mirror_channel_bounds(Graph& graph, const Thresholds& thresholds,
                                 std::vector<std::string>& notes);

}  // namespace workbench
