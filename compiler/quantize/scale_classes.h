// Values whose codes a target wants on one scale: which ones, and because of which nodes.
#pragma once

#include <cstddef>
#include <vector>

#include "core/graph.h"

namespace workbench {

// Sets of values, by ValueId.
class ScaleClasses {
 public:
  explicit ScaleClasses(std::size_t values);
  // The set of `id`: the same number for all its members.
  std::size_t find(ValueId id);
  void tie(ValueId a, ValueId b) { parent_[find(a)] = find(b); }

 private:
  std::vector<std::size_t> parent_;
};

// The sets of more than one value, each with the nodes that tied them: "concat 'inception/out',
// maxpool 'pool'". `present`: per ValueId, whether it has codes; `ties`: per node.
std::vector<ScaleGroup> scale_groups(const Graph& graph, ScaleClasses& classes,
                                     const std::vector<bool>& present,
                                     const std::vector<bool>& ties);

}  // namespace workbench
