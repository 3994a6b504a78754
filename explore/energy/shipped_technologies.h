// The files of configs/technology as they were when the program was built.
#pragma once

#include <span>
#include <string_view>

namespace workbench {

struct ShippedTechnology {
  std::string_view name, yaml;
};

std::span<const ShippedTechnology> shipped_technologies();

}  // namespace workbench
