// What a case comes to: compiled, simulated, described by its figures and fingerprints.
#pragma once

#include <string>
#include <string_view>

#include "explore/flow/pipeline.h"
#include "explore/track/baseline.h"

namespace workbench::track {

// A run as a baseline has it. `asked`, and the fingerprints of the network as imported, are left to
// the caller.
// `technology`: as technology_for() has it.
CaseRecord record_of(const Compiled& compiled, const SimulatedNetwork& run,
                     const std::string& technology = "");

// Everything from scratch. Throws Error "case 'NAME': ..." for a network or machine that cannot be
// read and a parameter there is not. A network that cannot be compiled for the machine is an
// answer: verdict "fails: WHY", no figures.
inline constexpr std::string_view kFails = "fails: ";
CaseRecord record_case(const Case& one, bool golden);

// Told the name of the case that is about to be computed, and how much of the whole lies behind.
Baseline record_suite(const Suite& suite, const Progress& progress = {});

}  // namespace workbench::track
