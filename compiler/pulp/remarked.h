// A compilation with what the user should know of it.
#pragma once

#include <functional>
#include <string>

#include "compiler/pulp/compile.h"

namespace workbench::pulp {

// As compile(); `remark` takes a line for each search that stopped at its limit (search_steps.h).
Program compile(const Graph& quantized, const Machine& machine, const CompileOptions& options,
                const std::function<void(const std::string&)>& remark);

}  // namespace workbench::pulp
