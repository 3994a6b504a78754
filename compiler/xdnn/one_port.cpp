#include "compiler/xdnn/one_port.h"

#include <utility>

#include "compiler/xdnn/placed.h"

namespace workbench::xdnn {

namespace {

Lowered all_by_one_port(const Lowered& placed) {
  Lowered result = placed;
  for (LoweredOp& op : result.ops) op.one_port = op.kind == LoweredKind::Eltwise;
  return result;
}

}  // namespace

Cycles choose_ports(Lowered& placed, const Machine& machine, Cycles time, const Search& search,
                    bool all) {
  if (machine.width_aligned()) return time;  // their sums have no such bit
  Lowered every = all_by_one_port(placed);
  if (const Cycles then = modelled_time(every, machine); all || then < time) {
    placed = std::move(every), time = then;
  }
  std::int64_t budget = all ? 0 : search.sum_steps;
  // The last ones first: behind short passes there is least to read beside.
  for (auto at = placed.ops.rbegin(); at != placed.ops.rend(); ++at) {
    LoweredOp& op = *at;
    if (op.kind != LoweredKind::Eltwise) continue;
    if ((budget -= static_cast<std::int64_t>(placed.ops.size())) < 0) break;
    op.one_port = !op.one_port;
    const Cycles then = modelled_time(placed, machine);
    if (then < time) {
      time = then;
    } else {
      op.one_port = !op.one_port;
    }
  }
  return time;
}

}  // namespace workbench::xdnn
