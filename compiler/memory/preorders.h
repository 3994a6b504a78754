// Orders of buffers, the seeds of an exact search: each is good for other problems.
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/memory/allocate.h"

namespace workbench {

enum class Preorder { Area, Length, Total, Size, Start };

// Indices of the buffers, largest first by the first criterion, ties by the next.
std::vector<std::int32_t> sorted_by(const Problem& problem, const std::vector<Preorder>& criteria);

}  // namespace workbench
