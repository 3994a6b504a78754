// Maps of one row. In [height][width][channels] order [1][W][C], [W][1][C] and [W / 2][2][C] are
// the same bytes, and kernels deal out rows to the cores (docs/facts/pulp.md 2.4): a layer whose
// maps have one row keeps all cores busy when its calls say that the row is a column.
#pragma once

#include "compiler/pulp/compile.h"
#include "compiler/pulp/layer.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

// The layer with the roles of rows and columns exchanged: sizes, window, strides, padding, and the
// taps of its weights. Its maps have one row, or one column.
Layer with_axes_exchanged(Layer layer);

// Maps of one row, of several columns.
bool has_one_row(const Layer& layer);

// Gives layers of one row the shape in which the tiler's tiles take the least by the model, where
// that is clearly less than with one row. Activations stay as they are.
void share_rows(Network& network, const Machine& machine, Tiler tiler);

}  // namespace workbench::pulp
