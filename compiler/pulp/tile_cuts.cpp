#include "compiler/pulp/tile_cuts.h"

#include <functional>

#include "core/units.h"

namespace workbench::pulp {

std::vector<std::int64_t> cut_sizes(std::int64_t size, std::int64_t unit, std::int64_t step) {
  std::vector<std::int64_t> result;
  for (std::int64_t pieces = 1; pieces <= size;) {
    const std::int64_t even = ceil_div(size, pieces);
    for (const std::int64_t candidate : {round_up(even, step), round_up(even, unit)}) {
      result.push_back(std::min(candidate, size));
    }
    pieces = even > 1 ? ceil_div(size, even - 1) : size + 1;
  }
  std::sort(result.begin(), result.end(), std::greater<>());
  result.erase(std::unique(result.begin(), result.end()), result.end());
  return result;
}

}  // namespace workbench::pulp
