#pragma once

#include <string>

#include "explore/sweep/point.h"

namespace workbench {

// A point under its address (point_key).
struct KeyedPoint {
  std::string key;
  Point point;
};

}  // namespace workbench
