// How the cores divide a transfer among themselves.
#pragma once

#include <cstdint>
#include <optional>

#include "isa/pulp/instructions.h"

namespace workbench::pulp {

// What `core` of `cores` issues of a transfer; empty: nothing.
std::optional<Dma> share_of_core(const Dma& transfer, std::int64_t core, std::int64_t cores);

}  // namespace workbench::pulp
