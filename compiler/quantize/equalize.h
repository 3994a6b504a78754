// Cross-layer equalization (docs/facts/quantization.md 5.1, "CLE"): where a layer's channels are
// read by weighted layers alone, channel c can be made s times smaller by the one and larger by the
// others, so that the channels of both use a scale per tensor alike.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "compiler/quantize/calibrate.h"
#include "core/graph.h"

namespace workbench {

struct EqualizeOptions {
  double limit = 16;  // factors stay within 1/limit .. limit (dead channels would ask for 1e6)
  // Clip(0, a) of a layer becomes one bound per channel, a / s. Else channels that reach the clip
  // in `statistics` stay as they are, others never come nearer to it than 4/5 of it, and the bound
  // remains.
  bool across_clips = false;
  // Without across_clips: layers where a channel that the clip holds has weights more than so many
  // times the median channel's get one bound per channel all the same. 0: none.
  double lift_beyond = 0;
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

// Constant-channel pruning (docs/facts/quantization.md 5.2): folding a batch norm divides by the
// variance, so that channels which never change carry the largest weights of their layer, and a
// scale per tensor is spent on them.

// Channels of weighted layers whose result (after the fused activation) was the same number
// wherever `statistics` of `samples` samples saw it: weights 0, the bias what the activation makes
// that number of. Where the number is 0, the weights that read the channel become 0, too. Results
// on the data of `statistics` are unchanged. Fewer than 256 values of a channel prove nothing;
// results of the network are left alone. One note per layer.
void prune_constant_channels(Graph& graph, const Statistics& statistics, std::size_t samples,
                             std::vector<std::string>& notes);

}  // namespace workbench
