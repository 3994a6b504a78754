// Wait bits. The dispatcher issues in order and holds an instruction until every unit it waits for
// is idle; so once an instruction has waited for a unit, all that unit was given before is known to
// be finished, for it and for everything behind it. A bit is set only where a dependence on
// something not known to be finished remains.
#include <algorithm>
#include <array>

#include "compiler/xdnn/lowered.h"
#include "isa/xdnn/footprint.h"

namespace workbench::xdnn {

void set_wait_bits(Program& program, const Machine& machine) {
  std::vector<Footprint> footprints;
  std::array<std::vector<std::size_t>, kUnits> open;  // per unit: instructions maybe unfinished
  std::size_t next_host_step = 0;
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    Instruction& instruction = program.steps[i].instruction;
    if (machine.serial()) {  // has no wait bits: an instruction waits for all before it
      for (int u = 0; u < kUnits; ++u) set_wait(tail(instruction), static_cast<Unit>(u), true);
      continue;
    }
    footprints.push_back(footprint(program.steps[i], machine));
    while (next_host_step < program.host_steps.size() &&
           program.host_steps[next_host_step].before <= static_cast<std::int32_t>(i)) {
      for (auto& unit : open) unit.clear();  // the host runs when all engines are idle
      ++next_host_step;
    }
    for (int u = 0; u < kUnits; ++u) {
      const Unit unit = static_cast<Unit>(u);
      auto& unfinished = open[static_cast<std::size_t>(u)];
      const bool wait = std::any_of(unfinished.begin(), unfinished.end(), [&](std::size_t earlier) {
        return must_wait(footprints[earlier], unit, footprints[i], instruction);
      });
      set_wait(tail(instruction), unit, wait);
      if (wait) unfinished.clear();
    }
    open[static_cast<std::size_t>(unit_of(instruction))].push_back(i);
  }
}

}  // namespace workbench::xdnn
