// `workbench run --html`: what --json has, and beside it what only a picture shows: the engines'
// time line, what lies in the memories when, rooflines, tiles.
#pragma once

#include <string>

#include "explore/energy/technology.h"
#include "explore/flow/pipeline.h"

namespace workbench {

// `technology`: of the machine's family, for estimates of energy and area.
std::string run_html(const Compiled& compiled, const SimulatedNetwork& run,
                     const Technology& technology);

// What the page's script reads: {report: as --json, metrics, causes, steps, timeline, memories,
// rooflines, tiles, energy}. run.js says what each of them is.
std::string run_page_json(const Compiled& compiled, const SimulatedNetwork& run,
                          const Technology& technology, std::size_t timeline_pieces_max = 40000);

}  // namespace workbench
