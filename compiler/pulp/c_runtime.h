// The files of runtime/pulp that every emitted application has, as they were when this was built.
#pragma once

#include <span>
#include <string_view>

namespace workbench::pulp {

struct RuntimeFile {
  std::string_view path;  // "kernels/nn_pool.c"
  std::string_view contents;
};
std::span<const RuntimeFile> runtime_files();

}  // namespace workbench::pulp
