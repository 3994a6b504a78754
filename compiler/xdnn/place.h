// Sizes of input tiles, and addresses in the activation memory.
#pragma once

#include <optional>
#include <string>

#include "compiler/xdnn/lower.h"

namespace workbench::xdnn {

// Tile sizes of DDR-sourced convolutions by modelled cost; both buffers within `words_limit`.
void choose_tiles(Lowered& lowered, const Machine& machine, std::int64_t words_limit);
// The same for one op by itself, on whichever slice.
void choose_tile(Lowered& lowered, LoweredOp& op, const Machine& machine, std::int64_t words_limit);
// The filters of a Conv fit the array without any copies of channels.
bool plain_filters_fit(const Lowered& lowered, const LoweredOp& op, const Machine& machine);

struct Placement {
  std::int64_t peak_words = 0, extent_words = 0;
};
// Addresses for all volumes and tile buffers; nothing when they do not fit.
std::optional<Placement> place(Lowered& lowered, const Machine& machine);
// Other addresses for what place() has placed: words of a volume or tile buffer go to no other one
// for `ops` ops behind the last that touches them, so that what is written there need not wait for
// that one. Nothing when there is no room; the addresses are then as before.
std::optional<Placement> place_spread(Lowered& lowered, const Machine& machine, std::int64_t ops);
// Of each volume, the ops that touch it: LoweredVolume::first and last.
void set_lifetimes(Lowered& lowered);
// What place() found missing, naming the layer: of a network for which it has just found nothing.
std::string shortage(Lowered& lowered, const Machine& machine);

}  // namespace workbench::xdnn
