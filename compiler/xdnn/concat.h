// Concat is address arithmetic: the result is one volume, its parts are written into their channels
// of it by whoever computes them. Where a part cannot be there (it already sits in another concat,
// or somebody reads it alone and its first channel would fall inside a word) a copy is made.
#pragma once

#include <vector>

#include "compiler/xdnn/lowered.h"

namespace workbench::xdnn {

// A concat already laid out: its result and the maps it was made of.
struct ConcatRecord {
  int result = -1;
  std::vector<int> parts;
};

// Gives `map` a plain volume of its own.
void give_volume(Lowered& lowered, int map, const Machine& machine);

struct JoinContext {
  const std::vector<std::vector<std::size_t>>& readers;  // consumers() of the graph
  const Machine& machine;
  // Trust that a later concat which begins with all operands of this one takes this one's result
  // (so its parts need not be readable alone). Not always possible: then join() says so.
  bool grow = true;
};

// Lays out `result` = concat of `parts` (all in the AM); appends copy ops where needed and the
// record to `concats`. False when a copy would have to read from inside a word: lower again
// without `grow`.
[[nodiscard]] bool join(Lowered& lowered, int result, const Node& node, std::vector<int> parts,
                        const JoinContext& context, std::vector<ConcatRecord>& concats);

}  // namespace workbench::xdnn
