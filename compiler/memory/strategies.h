// The placement strategies of the xfDNN compiler (xdnn.md 4.6): buffers get addresses in the order
// in which they begin to live, from a list of free blocks, and give them back when they end.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "compiler/memory/allocate.h"

namespace workbench {

struct Strategy {
  std::string_view name;
  std::string_view summary;
  bool random = false;  // depends on the seed
};

// In the order in which "all" tries them: that of v1.1, then flip, which came with v1.3.
std::span<const Strategy> strategies();

// `name`: one of strategies(), or "all": the first that succeeds. Nothing when it finds no
// placement within the capacity. `prefer_top` is not looked at. Throws Error for an unknown name.
std::optional<Solution> place_by(std::string_view name, const Problem& problem, std::uint64_t seed);

}  // namespace workbench
