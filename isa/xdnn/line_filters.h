// Filters of width-aligned machines (xdnn.md 1.6, V2), behind filters.h. One slab feeds one pass:
// four vectors of shorts, an entry for each output channel of the pass: bias, prescale, scale,
// postscale; then the weights, of the machine's width, [in channel, padded to
// even][kernel_y][kernel_x][output channel]. That the slab of a pass lies together is assumed.
#pragma once

#include "isa/xdnn/filters.h"

namespace workbench::xdnn {

std::int64_t line_slab_bytes(const FilterShape& shape, const Machine& machine);
// As pack_filters() and unpack_filters().
void pack_line_filters(const FilterShape& shape, std::span<const std::int8_t> weights,
                       std::span<const ChannelConfig> configs, const Machine& machine,
                       std::span<char> image);
UnpackedFilters unpack_line_filters(const FilterShape& shape, std::span<const std::int8_t> image,
                                    const Machine& machine);

}  // namespace workbench::xdnn
