// Arrays of NumPy in files: .npy, versions 1 to 3 of which are read and 1 is written, and .npz.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/tensor.h"

namespace workbench {

// .npy / .npz. Throws Error naming the file and what is wrong.
Tensor read_npy(const std::filesystem::path& path);
std::map<std::string, Tensor> read_npz(const std::filesystem::path& path);
// The same in the order of the archive.
std::vector<std::pair<std::string, Tensor>> read_npz_members(const std::filesystem::path& path);
std::string npy_bytes(const Tensor& tensor);

// `name` is the file (or archive member) in errors. C order, little endian.
Tensor npy_from_bytes(std::string_view bytes, const std::string& name);

}  // namespace workbench
