// Energy of a run: what its program does times what each access takes, and what is on all the time
// times how long it took. Area of a machine: blocks of an FPGA and what they stand for in silicon,
// or gates and memory cells; no pads, no PLLs, no board. Estimates, with their spread;
// docs/energy.md says what is in them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/units.h"
#include "explore/energy/accesses.h"
#include "explore/energy/technology.h"

namespace workbench {

// Blocks of UltraScale+ that an engine takes: 72 bits x 4096 words of UltraRAM, 72 bits x 512 words
// of block RAM (UG573), one DSP48E2 per cell of the array (UG579).
struct FpgaBlocks {
  std::int64_t dsps = 0;   // the first layer's own block included, where the mode uses it
  std::int64_t urams = 0;  // activation memory
  std::int64_t brams = 0;  // filter buffers: a weight for each multiplier in each step
};
FpgaBlocks fpga_blocks(const xdnn::Machine& machine);

// Memory that a cluster needs for what its file gives to programs: buffers, a stack per core in L1,
// code in L2 (docs/facts/pulp.md 3.3). That is all the memory of the chips that were built, but
// follows the buffers where they are varied.
struct ClusterMemory {
  std::int64_t l1_bytes = 0, l2_bytes = 0;
};
ClusterMemory cluster_memory(const pulp::Machine& machine);

// mm2. xDNN: of all engines of the card.
Estimate area(const xdnn::Machine& machine, const XdnnTechnology& technology);
Estimate area(const pulp::Machine& machine, const PulpTechnology& technology);
Estimate area(const Machine& machine, const Technology& technology);

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

// A few lines: energy of one image with its spread, what most of it goes to, power, area.
// `images`: of a run; `seconds`: of a run, on one engine.
//   energy     0.1234 mJ per image (0.06 to 0.25), an estimate for fpga_16nm
//              MAC 40 %, DDR 31 %, ...
//   power      1.2 W on average
//   area       88 mm2 (41 to 170): 1536 DSPs, 264 UltraRAMs, 342 block RAMs
std::string energy_text(const Energy& energy, const Machine& machine, const Technology& technology,
                        std::int64_t images, double seconds);

}  // namespace workbench
