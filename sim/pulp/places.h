// Tensors of the network in the modelled memories: codes [height][width][channels], packed where
// they are narrower than a byte, to and from [1, C, H, W].
#pragma once

#include "core/tensor.h"
#include "isa/pulp/program.h"
#include "isa/pulp/semantics.h"

namespace workbench::pulp {

// Uint8, Int8 or, at 32 bits, Int32; [1, C, H, W]. The place is inside the memory (CHECKed).
Tensor read_tensor(const Memory& memory, const TensorPlace& place);
// `tensor`: integers of any type and shape with as many elements, C, H, W in this order.
void write_tensor(Memory& memory, const TensorPlace& place, const Tensor& tensor);

// Puts a piece where it belongs in the tensor, which the first piece makes.
void put_piece(const Probe& probe, const Tensor& piece, Tensor& whole);

}  // namespace workbench::pulp
