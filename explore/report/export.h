// The report for programs: JSON (versioned, documented in docs/report-json.md), CSV, and the
// timeline as Chrome trace-event JSON.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "explore/report/report.h"
#include "isa/program_info.h"
#include "isa/timeline.h"
#include "sim/riscv/profile.h"

namespace workbench {

inline constexpr int kReportSchemaVersion = 2;

// Deterministic: keys in documented order, doubles shortest round-trip, infinite as null. `wall`
// is there when result.wall is. `cores`: of the detailed tier, cycles of all cores by cause, by
// layer; else empty.
std::string json_report(const RunResult& result, const std::vector<riscv::Spent>& cores = {});

// One line per layer after a header line.
std::string csv_report(const Report& report);

// A cell of a CSV file: quoted where RFC 4180 asks for it, behind an apostrophe where a spreadsheet
// would take a text for a formula.
std::string csv_cell(std::string_view text);

// A timeline as Chrome trace-event JSON, which https://ui.perfetto.dev opens: one track per
// engine, one slice per interval that is not idle, named after instruction and layer. Times in
// microseconds of the machine's report clock. Deterministic.
std::string trace_json(const ProgramInfo& program, const Timeline& timeline,
                       const MachineInfo& machine);

}  // namespace workbench
