// Codes of fewer bits than their type, as Brevitas and others write them (QCDQ): a Clip of the
// codes between QuantizeLinear and DequantizeLinear, or of constant codes before DequantizeLinear.
#pragma once

#include <cstdint>

#include "core/graph.h"

namespace workbench::importer {

// The fewest bits, 2 or more, of codes that have all of [low, high].
int bits_of_range(std::int64_t low, std::int64_t high, bool is_signed);

// Makes of each QuantizeLinear whose codes a Clip alone reads one of as many bits as the Clip's
// range has. A range that is not that of a width (-7 to 7) is a Clip of the real numbers before,
// too: rounding is monotone, and the bounds are codes.
void narrow_clipped_codes(Graph& graph);

}  // namespace workbench::importer
