// Cross-layer equalization (quantization.md 5.1, "CLE"): where a layer's channels are read by
// weighted layers alone, channel c can be made s times smaller by the one and larger by the others,
// so that the channels of both use a scale per tensor alike.
#pragma once

#include <string>
#include <vector>

#include "compiler/quantize/calibrate.h"
#include "compiler/quantize/statistics.h"
#include "core/graph.h"

namespace workbench {

struct EqualizeOptions {
  double limit = 16;  // factors stay within 1/limit .. limit (dead channels would ask for 1e6)
  // Clip(0, a) of a layer becomes one bound per channel, a / s. Else channels that reach the clip
  // in `statistics` stay as they are, and others never come nearer to it than 4/5 of it.
  bool across_clips = false;
};

// Pairs are equalized in graph order, again until factors settle: depthwise chains, pools and ReLU
// between, several readers of one layer. The network computes what it did, up to float32 rounding,
// on the data of `statistics` (everywhere: across clips). One note per layer that changed or whose
// clip forbade it.
void equalize(Graph& graph, const Statistics& statistics, const EqualizeOptions& options,
              std::vector<std::string>& notes);

// Where steps are powers of two, up to half of the codes lies above a threshold. The same pairs,
// each with one factor in 1/2 .. 1 for all channels: what a layer gives grows until its entry in
// `thresholds` is where the codes of such a step end. One bound per Clip stays one. The network
// computes what it did, up to float32 rounding.
void align_to_powers_of_two(Graph& graph, const Thresholds& thresholds,
                            std::vector<std::string>& notes);

}  // namespace workbench
