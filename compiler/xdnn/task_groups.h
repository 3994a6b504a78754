// Which nodes of a network are scheduled as one: a task each, but what is fused into an instruction
// or costs nothing goes with its operand, and what the host does at the network's ends is no task.
#pragma once

#include <vector>

#include "compiler/xdnn/lowered.h"

namespace workbench::xdnn {

enum class Grouping {
  Nodes,          // a node each
  MergedReduces,  // 1x1 convolutions that read the same tensor for other convolutions are one:
                  // inception's "5x5_reduce_merged_3x3_reduce"
};

inline constexpr int kPrologue = -1;

struct Groups {
  std::vector<std::size_t> prologue;            // nodes before all tasks: the host's, at the inputs
  std::vector<std::vector<std::size_t>> nodes;  // per task: done one after the other
  std::vector<int> task_of;                     // per node; kPrologue: none
};

// Tasks are numbered in the order of their first nodes, so that operands have lower numbers than
// their readers. `lowered` and `order` tell what is fused and which order is the natural one.
Groups group_nodes(const Graph& graph, const Lowered& lowered,
                   const std::vector<std::size_t>& order, Grouping grouping);

}  // namespace workbench::xdnn
