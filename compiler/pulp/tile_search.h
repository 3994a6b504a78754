// Tiles of one slice size, ranked by a rough model; thousands are looked at in a millisecond.
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/pulp/choices.h"
#include "compiler/pulp/search_steps.h"
#include "compiler/pulp/tiling.h"

namespace workbench::pulp {

// Output channels of a tile that is not the last are a multiple of this: codes of fewer than 8 bits
// share bytes with their neighbours.
std::int64_t channel_step(const Layer& layer);

// For each kernel the best `count` or fewer of those that fit L1, best first, and the slice untiled
// if that fits. Kernel, tile, order and buffers are set, the rest is `sliced`'s; `modelled` is the
// rough figure. Empty: no tile fits. `channels_outer`: in that order only. Where `most` tiles of a
// kernel are fewer than there are, they are spread over all sizes.
std::vector<Tiling> rank_tiles(const Layer& layer, const Tiling& sliced, const Machine& machine,
                               std::size_t count, bool channels_outer, std::int64_t most,
                               SearchSteps& steps, const Choices& choices = {});

// Bytes of L1 that the smallest tile takes.
std::int64_t smallest_l1(const Layer& layer, const Tiling& sliced, const Machine& machine);

}  // namespace workbench::pulp
