// `workbench run --html`: what --json has, and beside it what only a picture shows: the engines'
// time line, what lies in the memories when, rooflines, tiles.
#pragma once

#include <string>

#include "explore/pipeline.h"

namespace workbench {

std::string run_html(const Compiled& compiled, const SimulatedNetwork& run);

// What the page's script reads: {report: as --json, causes, steps, timeline, memories, rooflines,
// tiles}. run.js says what each of them is.
std::string run_page_json(const Compiled& compiled, const SimulatedNetwork& run,
                          std::size_t timeline_pieces_max = 40000);

}  // namespace workbench
