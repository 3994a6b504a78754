// Where elements are: row-major positions and offsets, broadcasting, channels. No element is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "core/tensor.h"

namespace workbench::golden {

using Position = std::vector<std::int64_t>;  // one index per dimension

std::int64_t offset_of(const Shape& shape, const Position& position);
Position position_of(const Shape& shape, std::int64_t offset);

// Moves to the next position of `shape` in row-major order, from the last back to all zeros.
void advance(const Shape& shape, Position& position);

// Product of the dimensions [begin, end).
std::int64_t elements_between(const Shape& shape, std::size_t begin, std::size_t end);

// An axis that may count from the back, as an index.
std::size_t axis_index(std::int64_t axis, std::size_t rank);

// Index along axis 1 of the element at `offset`; 0 for ranks below 2.
std::size_t channel_of(const Shape& shape, std::int64_t offset);

// Per element of `out`, the offset of the element of `in` it reads under numpy broadcasting
// (aligned at the last dimension, 1 stretches).
std::vector<std::int64_t> broadcast_offsets(const Shape& in, const Shape& out);

}  // namespace workbench::golden
