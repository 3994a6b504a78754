// From a report to the figures of a point, and the report of the analytic tier. All that does not
// depend on time is taken from the program alone, so that it is the same in every tier.
#pragma once

#include "explore/flow/machine.h"
#include "explore/report/report.h"
#include "explore/sweep/point.h"

namespace workbench {

// The analytic tier: of xDNN a lower bound on all times, unless engines share a bank of DDR; else,
// and of PULP, what is to be expected. cycles_at_least is the bound. Some microseconds; the program
// needs no constants.
Report analytic_report(const Program& program, const Machine& machine);
Report analytic_report(const xdnn::Program& program, const xdnn::Machine& machine);
Report analytic_report(const pulp::Program& program, const pulp::Machine& machine);

// Sets the metrics of a report with its costs (add_costs() of explore/report/metrics.h) and, if
// asked for, its layers'.
void add_figures(const Report& report, bool layers, PointResult& result);

}  // namespace workbench
