// A comparison as people, build servers and programs read it.
#pragma once

#include <string>
#include <vector>

#include "explore/track/compare.h"

namespace workbench::track {

struct CompareText {
  bool colour = false;
  std::size_t layers = 10;  // of a case, those that moved most
};

// Cases that differ with their figures, causes and layers; then one line on all of them.
std::string compare_text(const Comparison& comparison, const Gate& gate,
                         const CompareText& options = {});

// JUnit XML: a test case per case, failed as the gate says. `suite` names it.
std::string compare_junit(const Comparison& comparison, const Gate& gate, const std::string& suite);

// GitHub Actions workflow commands: ::error per failed case, ::notice per better one, at its line
// of `file` (empty: at no file).
std::string compare_annotations(const Comparison& comparison, const Gate& gate,
                                const std::string& file);

// docs/track.md, "compare --json".
std::string compare_json(const Comparison& comparison, const Gate& gate);

// Figures and their changes in words, as all reports of tracking have them.

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
