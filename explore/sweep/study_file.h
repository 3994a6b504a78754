// Studies as YAML files (docs/sweep.md), and as the JSON that the store keeps of them.
#pragma once

#include <filesystem>
#include <string>

#include "explore/sweep/study.h"

namespace workbench {

// Without check(): what the command line adds or replaces is not in yet. Throws Error
// "FILE:LINE: ..." on unknown or repeated keys, wrong types, values that cannot be read. Objectives
// may be none.
Study parse_study(const std::string& yaml, const std::string& file);
Study read_study(const std::filesystem::path& path);

// The study whole, on one line, deterministic.
std::string study_json(const Study& study);

}  // namespace workbench
