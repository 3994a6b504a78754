// A timeline as Chrome trace-event JSON, which https://ui.perfetto.dev opens: one track per
// engine, one slice per interval that is not idle, named after instruction and layer.
#pragma once

#include <string>

#include "isa/program_info.h"
#include "isa/timeline.h"

namespace workbench {

// Times in microseconds of the machine's report clock. Deterministic.
std::string trace_json(const ProgramInfo& program, const Timeline& timeline,
                       const MachineInfo& machine);

}  // namespace workbench
