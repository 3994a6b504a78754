// compile() with the most effort: a search of minutes behind the usual one.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "compiler/pulp/compile.h"
#include "compiler/pulp/tiling_cache.h"

namespace workbench::pulp {

// What a long search tells.
struct SearchTalk {
  std::function<void(const std::string&)> remark = {};  // as compile() has it
  // How the search stands, now and then: best so far, bound and gap, and the share of it that is
  // done.
  std::function<void(std::string_view, double)> progress = {};
};

// Weighs what compile() weighs, then the plans for every smaller machine, then each plan that
// differs from the best in one layer, until none of those is better or their budget is spent
// (search_steps.h). In the analytic tier the program is never slower than compile()'s. The remark
// "search: ..." has what each of the three came to. DORY's tiler has nothing to search.
Program compile_longer(const Graph& quantized, const Machine& machine,
                       const CompileOptions& options, const SearchTalk& talk,
                       TilingCache* cache = nullptr);

}  // namespace workbench::pulp
