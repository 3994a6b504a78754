// A convolution as several instructions of some output channels each. Those of few channels at half
// rate: their slabs are half as long, so that less has to be loaded before the array can begin
// behind a wait, and no slab is loaded for channels that are not there. And with a sum of the same
// channels behind each, which is computed beside the convolution of the next ones.
#pragma once

#include "compiler/xdnn/choices.h"
#include "compiler/xdnn/lower.h"
#include "isa/xdnn/machine.h"

namespace workbench::xdnn {

// Splits convolutions of a network with layouts and addresses, one after the other, wherever
// modelled time becomes less than `time`; with `all` wherever it is possible. Returns the modelled
// time.
Cycles split_passes(Lowered& placed, const Machine& machine, Cycles time, const Search& search,
                    bool all);

// Cuts sums and the convolutions right before them that feed them, in a network with layouts and
// addresses, into chunks of channels, wherever modelled time becomes less than `time`; with `all`
// wherever it is possible. A sum that reads by one port leaves the other one to the convolution.
// Returns the modelled time.
Cycles sums_beside(Lowered& placed, const Machine& machine, Cycles time, const Search& search,
                   bool all);

}  // namespace workbench::xdnn
