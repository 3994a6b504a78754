// Figures and their changes in words, as all reports of tracking have them.
#pragma once

#include <string>
#include <vector>

#include "explore/track/compare.h"

namespace workbench::track {

std::string figure_text(double value);                // 12,345 or 0.03527
std::string change_text(const FigureChange& change);  // "cycles 12,345 -> 12,469 (+1.00 %)"
// One line per figure that moved on its own; those that moved by the same factor as the cycles, or
// by its inverse, share theirs.
std::vector<std::string> figure_lines(const std::vector<FigureChange>& changes);
std::string percent_text(double before, double after);  // "+1.00 %"
std::string cause_text(const Cause& cause);             // "machine constants: ddr.efficiency ..."
std::string causes_text(const std::vector<Cause>& causes);  // joined by "; "
std::string steps_text(const LayerChange& layer);           // "ddr stall +120, ideal -3"
std::string revision_text(const std::string& revision);  // 12 digits, "-dirty" kept; "?": not known

}  // namespace workbench::track
