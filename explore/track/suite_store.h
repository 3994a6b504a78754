// Baselines in a store: a run of kind "track" each, whose question is the baseline's text, with the
// cases' figures as points for those who ask the store itself.
#pragma once

#include <vector>

#include "explore/store/store.h"
#include "explore/track/baseline.h"

namespace workbench::track {

// Of cases just computed (CHECKed). `store_path`: paths in the baseline are kept relative to its
// folder.
void add_to_store(const Baseline& baseline, const std::filesystem::path& store_path);

// Oldest recorded first. `name`: those of that name alone; empty: all. Throws Error when there is
// none, or when the store is not there.
std::vector<Baseline> baselines_in_store(const std::filesystem::path& store_path,
                                         const std::string& name);

}  // namespace workbench::track
