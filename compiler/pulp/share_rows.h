// How the cores share a map. In [height][width][channels] order [1][W][C] and [W][1][C] are the
// same bytes, and where there are no windows all maps of as many pixels are. Kernels deal out rows
// to the cores (docs/facts/pulp.md 2.4): a layer whose rows do not go round keeps all cores busy
// when its calls say that the map is another one.
#pragma once

#include "compiler/pulp/choices.h"
#include "compiler/pulp/compile.h"
#include "compiler/pulp/layer.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

// The layer with the roles of rows and columns exchanged: sizes, window, strides, padding, and the
// taps of its weights. Its maps have one row, or one column.
Layer with_axes_exchanged(Layer layer);

// Whether there are shapes for it that share_rows() would look at.
bool can_share_rows(const Layer& layer, const Machine& machine, Tiler tiler, Use use);

// Gives each layer the shape in which the tiler's tiles take the least by the model, where that is
// clearly less than as it is. Activations stay as they are. With the optimal tiler the same shapes
// whatever the size of L2.
void share_rows(Network& network, const Machine& machine, Tiler tiler, Use use = Use::WhereFaster);

}  // namespace workbench::pulp
