// A comparison as people, build servers and programs read it.
#pragma once

#include <string>

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

}  // namespace workbench::track
