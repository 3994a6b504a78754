// How a compiler cut the layers, as a table for people: tiles in L1 and slices of L2 on PULP,
// passes of filters and hardware-assisted tiles on xDNN.
#pragma once

#include <string>
#include <vector>

#include "explore/flow/pipeline.h"

namespace workbench {

struct TilesTable {
  struct Head {
    std::string title, hint;
    bool numeric = false;  // cells are numbers as text, or "–"
  };
  std::vector<Head> heads;
  struct Row {
    std::int32_t layer = 0;          // index into ProgramInfo::layers
    std::vector<std::string> cells;  // as many as heads
  };
  std::vector<Row> rows;
};

TilesTable layer_tiles(const Compiled& compiled);

}  // namespace workbench
