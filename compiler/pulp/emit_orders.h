// The two orders of a layer's transfers and kernel calls: DORY's own (docs/facts/pulp.md 3.6), and
// one that waits as little as it can.
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/pulp/compile.h"
#include "compiler/pulp/layer_code.h"

namespace workbench::pulp {

// Identifiers of DMA transfers that the code of a tiler uses: 0 to one less than this.
std::int64_t dma_identifiers(Tiler tiler);

// The layer's body, between the counters: all it wrote is known to all cores behind it.
void emit_dory(const LayerCode& code, Listing& to);
// The next layer's first constants, piece by piece.
void add_prefetch(Listing& to, const std::vector<Instruction>& prefetch);
// `prefetch`: the next layer's first constants, asked for as soon as the layer itself asks no more
// of L3.
// `pieces`: counter of the layer's own first constants, of which the first piece is there.
void emit_overlapped(const LayerCode& code, Listing& to, const std::vector<Instruction>& prefetch,
                     std::int64_t pieces);

}  // namespace workbench::pulp
