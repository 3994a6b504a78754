// Other programs: git, and executables of the workbench whose speed is compared.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace workbench::track {

struct FinishedProgram {
  int exit_code = 0;  // 128 + signal of one that was killed
  std::string output, errors;
};

// Runs it to its end without a shell, found in PATH where its name has no slash. Throws Error
// "NAME: cannot run: REASON".
FinishedProgram run_program(const std::vector<std::string>& arguments);

// What git says of the tree that `folder` lies in. All empty: no git, or no repository.
struct Revision {
  std::string id;    // of HEAD; "-dirty" behind it when files that git knows differ from it
  std::string date;  // of that commit, UTC: "2026-11-22T19:30:00Z"
};
// `apart`: a file whose changes do not count (the baseline about to be written).
Revision revision_of(const std::filesystem::path& folder, const std::filesystem::path& apart = {});

std::string utc_text(std::int64_t seconds);  // since 1970: "2026-11-22T19:30:00Z"

}  // namespace workbench::track
