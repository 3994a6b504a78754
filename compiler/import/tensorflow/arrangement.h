// TensorFlow keeps channels last, the importer's graph keeps them at axis 1. Instead of inserting
// transposes and cancelling them later, each tensor remembers how the dimensions of what is stored
// relate to its own; an operator asks for the order it wants, and whatever does not care takes what
// there is.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "core/tensor.h"

namespace workbench::importer::tensorflow {

struct Arrangement {
  // Dimension i of the tensor is dimension axes[i] of the stored one.
  std::vector<std::size_t> axes;
  // Not empty: what is stored is a view [N, K] of a tensor of this (stored) shape, and the tensor
  // a view [N, K] of that one's transpose. A flattened map before a matrix product.
  Shape flattened;

  friend bool operator==(const Arrangement&, const Arrangement&) = default;
};

Arrangement plain(std::size_t rank);
// [N, spatial..., C] stored as [N, C, spatial...]; plain below rank 3.
Arrangement channels_first(std::size_t rank);
bool is_plain(const Arrangement& arrangement);

// The shape of what is stored for a tensor of `shape`.
Shape stored_shape(const Shape& shape, const Arrangement& arrangement);
// The tensor's shape before it was flattened; `arrangement` has `flattened`.
Shape unflattened_shape(const Arrangement& arrangement);
// Dimension i of the stored tensor is dimension [i] of the tensor.
std::vector<std::size_t> storing_order(const Arrangement& arrangement);
// Attribute perm of the Transpose from one arrangement to another, neither flattened.
std::vector<std::int64_t> transposition(const Arrangement& from, const Arrangement& to);
// Whether the elements lie in the same order, dimensions of size 1 being anywhere.
bool same_memory(const Shape& shape, const Arrangement& from, const Arrangement& to);

// How a tensor of `shape` stored as `arrangement` is stored when it is reshaped to `wanted` and
// nothing moves in memory; nullopt where something must. Neither is flattened.
std::optional<Arrangement> reshaped_in_place(const Shape& shape, const Arrangement& arrangement,
                                             const Shape& wanted);
// After dimensions `dropped` (of the tensor) are gone.
Arrangement without(const Arrangement& arrangement, const std::vector<bool>& dropped);

}  // namespace workbench::importer::tensorflow
