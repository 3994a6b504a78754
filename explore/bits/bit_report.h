// What a search for widths has found: as text of at most 118 columns, and as JSON
// (docs/report-json.md), which the page shows.
#pragma once

#include <string>

#include "explore/bits/bit_search.h"
#include "explore/report/text.h"

namespace workbench {

std::string bit_search_text(const BitSearchReport& report, const TextOptions& options = {});
std::string bit_search_json(const BitSearchReport& report);

// Its name among the files that a search writes: "searched_3", of the recipe with ".yaml", of the
// page of its run with ".html".
std::string file_stem(const BitPoint& point);

// Uniform choices that no point of the search is as good as, by signal to noise and objective.
std::vector<std::string> undominated_uniform(const BitSearchReport& report);
// By top-1 and objective, of points that are scored.
std::vector<std::string> undominated_uniform_top1(const BitSearchReport& report);

}  // namespace workbench
