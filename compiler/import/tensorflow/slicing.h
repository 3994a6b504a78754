// What operators that move data are told by their constant operands and attributes: read once for
// constants (fold.cpp) and for what is computed (ops_movement.cpp). All throw Error.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "compiler/import/tensorflow/converter.h"

namespace workbench::importer::tensorflow {

std::optional<Shape> broadcast(const Shape& a, const Shape& b);

struct SliceAxis {
  std::int64_t start = 0, step = 1, count = 0;
};
struct Slicing {
  std::vector<SliceAxis> axes;  // one per dimension of the operand
  Shape shape;                  // of the result, dimensions dropped and added
};
Slicing read_strided_slice(const Op& op);
Slicing read_slice(const Op& op);
std::size_t split_operand(const Op& op);  // which operand is split
std::vector<Slicing> read_split(const Op& op);
std::vector<Slicing> read_unpack(const Op& op);

// Shapes of results.
Shape read_reshape(const Op& op);
Shape read_squeeze(const Op& op);
Shape read_expand_dims(const Op& op);
Shape read_tile(const Op& op);

std::vector<std::size_t> read_permutation(const Op& op);

struct Joining {
  std::size_t first = 0, count = 0, axis = 0;
};
Joining read_concat(const Op& op);
Joining read_pack(const Op& op);

struct Reduction {
  std::vector<bool> reduced;
  bool keep_dims = false;
  Shape shape;
};
Reduction read_reduction(const Op& op);

}  // namespace workbench::importer::tensorflow
