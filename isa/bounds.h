// What a machine cannot do faster: per resource (an engine, a memory, the bus) the least time that
// the work of a program keeps it busy, in whatever order and however well all else goes. Each
// family fills it in; explore/report/bounds.h compares it with what a run took.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

#include "core/units.h"

namespace workbench {

struct Bounds {
  std::vector<std::string> resources;       // "array", "DDR"
  std::vector<std::vector<Cycles>> layers;  // per layer of the program: per resource
  // Of the whole program, per resource; with what no layer has alone.
  std::vector<Cycles> total;
};

// The resource that the time is bound by: of equals the first.
inline std::size_t binding(const std::vector<Cycles>& times) {
  return static_cast<std::size_t>(std::max_element(times.begin(), times.end()) - times.begin());
}

}  // namespace workbench
