// Which units instructions wait for, in whatever order they stand.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <vector>

#include "isa/xdnn/walk.h"

namespace workbench::xdnn {

// The dispatcher issues in order and holds an instruction until every unit it waits for is idle; so
// once an instruction has waited for a unit, all that unit was given before is known to be
// finished, for it and for everything behind it. An instruction waits only where a dependence on
// something not known to be finished remains, and, with filters that it keeps and so nothing to
// load, for what the next one to load filters would have to wait for, so that these are loaded
// while it computes.
class WaitRule {
 public:
  // All engines stand still.
  void host_step() {
    for (auto& unit : open_) unit.clear();
  }
  // Of the next instruction, `id` on `unit`. needs(earlier, later): `later` must not begin before
  // `earlier` has finished. `loads_next`: the next convolution that loads filters, if this one
  // keeps its own; -1: none.
  template <typename Needs>
  Waits next(std::int32_t id, Unit unit, std::int32_t loads_next, const Needs& needs) {
    Waits waits{};
    for (std::size_t u = 0; u < waits.size(); ++u) {
      std::vector<std::int32_t>& open = open_[u];  // on the unit, and maybe unfinished
      const auto needed_by = [&](std::int32_t later) {
        return std::any_of(open.begin(), open.end(),
                           [&](std::int32_t earlier) { return needs(earlier, later); });
      };
      const bool early = loads_next >= 0 && static_cast<Unit>(u) == Unit::Conv;
      waits[u] = needed_by(id) || (early && needed_by(loads_next));
      if (waits[u]) open.clear();
    }
    open_[static_cast<std::size_t>(unit)].push_back(id);
    return waits;
  }

 private:
  std::array<std::vector<std::int32_t>, kUnits> open_;
};

}  // namespace workbench::xdnn
