// Codes of fewer bits than their type, as Brevitas and others write them (QCDQ): a Clip of the
// codes between QuantizeLinear and DequantizeLinear.
#pragma once

#include "core/graph.h"

namespace workbench::importer {

// Makes of each QuantizeLinear whose codes a Clip alone reads one of as many bits as the Clip's
// range has. A range that is not that of a width (-7 to 7) is a Clip of the real numbers before,
// too: rounding is monotone, and the bounds are codes.
void narrow_clipped_codes(Graph& graph);

}  // namespace workbench::importer
