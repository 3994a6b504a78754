// Energy and area for people.
#pragma once

#include <string>

#include "explore/energy/energy.h"

namespace workbench {

// A few lines: energy of one image with its spread, what most of it goes to, power, area.
// `images`: of a run; `seconds`: of a run, on one engine.
//   energy     0.1234 mJ per image (0.06 to 0.25), an estimate for fpga_16nm
//              MAC 40 %, DDR 31 %, ...
//   power      1.2 W on average
//   area       88 mm2 (41 to 170): 1536 DSPs, 264 UltraRAMs, 342 block RAMs
std::string energy_text(const Energy& energy, const Machine& machine, const Technology& technology,
                        std::int64_t images, double seconds);

}  // namespace workbench
