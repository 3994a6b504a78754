// The NumPy array format from and to memory: versions 1 to 3 are read, 1 is written.
#pragma once

#include <string>
#include <string_view>

#include "core/tensor.h"

namespace workbench {

// `name` is the file (or archive member) in errors. C order, little endian.
Tensor npy_from_bytes(std::string_view bytes, const std::string& name);

}  // namespace workbench
