// A sweep for people: what was computed, what is best, what could not be built and why, how far the
// tiers agree. And for programs: CSV.
#pragma once

#include <string>

#include "explore/sweep/sweep.h"

namespace workbench {

std::string sweep_text(const SweepOutcome& outcome);

// One line per row of the report after a header line: network, machine, settings, tier, status,
// bit_exact, reason, metrics, key. Without times, hence the same for the same answers; cells quoted
// as RFC 4180 asks, numbers shortest round-trip.
std::string sweep_csv(const SweepReport& report);

// "l1=16k cores=4": what varies between the points.
std::string place_of(const SweepReport& report, const Point& point);

}  // namespace workbench
