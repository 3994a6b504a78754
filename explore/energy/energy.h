// Energy of a run: what its program does times what each access takes, and what is on all the time
// times how long it took. An estimate, with its spread; docs/energy.md says what is in it.
#pragma once

#include <string_view>
#include <vector>

#include "core/units.h"
#include "explore/energy/accesses.h"
#include "explore/energy/technology.h"

namespace workbench {

struct EnergyTerm {
  std::string_view name;  // "MAC", "L1", "DDR", ...
  double count = 0;       // of accesses, cycles or seconds
  Estimate picojoules;    // of all of them
};

struct Energy {
  std::vector<EnergyTerm> terms;
  Estimate millijoules() const;
};

// `cycles`: of the machine's report clock, that the run took (in a throughput mode: from run to
// run). Nothing of the host's steps.
Energy energy(const XdnnAccesses& accesses, Cycles cycles, const xdnn::Machine& machine,
              const XdnnTechnology& technology);
Energy energy(const PulpAccesses& accesses, Cycles cycles, const pulp::Machine& machine,
              const PulpTechnology& technology);

// Of a program, and of each of its layers; `layer_cycles`: of the run's cycles that are the layer's
// (their sum is the run's). xDNN: of one engine. The technology is one of the machine's family.
struct ProgramEnergy {
  Energy total;
  std::vector<Estimate> layer_millijoules;
};
ProgramEnergy energy(const Program& program, const Machine& machine, const Technology& technology,
                     const std::vector<Cycles>& layer_cycles);

}  // namespace workbench
