// Wall times of the simulator, measured by running executables of the workbench as a user does.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "explore/sweep/point.h"
#include "explore/track/wall.h"

namespace workbench::track {

// `workbench run` for the point: its network, --hw and options, timing alone as far as the machine
// allows. Throws Error for a point that cannot be asked so.
std::vector<std::string> run_arguments(const Point& point);

// Seconds that `executable` spends in simulating the point (its report's wall.simulate_seconds).
// Throws Error when it fails, or is no workbench.
double simulate_seconds(const std::filesystem::path& executable, const Point& point);

// Ascending.
std::vector<double> repeated_seconds(const std::filesystem::path& executable, const Point& point,
                                     int repeats);

// Pair i runs `before` first when i is even, else `after`. One run of each goes ahead uncounted:
// it reads files that later ones find in memory.
PairedTimes paired_times(const std::filesystem::path& before, const std::filesystem::path& after,
                         const Point& point, int pairs);

}  // namespace workbench::track
