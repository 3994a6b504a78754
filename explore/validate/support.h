// Which figures of real machines (figures.h) say something of a run.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "explore/flow/pipeline.h"
#include "explore/validate/figures.h"

namespace workbench {

// What a program runs, by the names that figures have it by: families of kernels ("Conv",
// "Pointwise"), and "first use of code" where the machine's instruction cache is modelled; opcodes
// ("XNConv"), "tiles from DDR", "results to DDR", "half rate", "slice 0", "16 bits".
std::set<std::string> kernels_of(const Program& program, const Machine& machine);

// The names in RealFigure::kernels.
std::set<std::string> kernels_of(const RealFigure& figure);

Support support_of(const Program& program, const Machine& machine,
                   const std::vector<RealFigure>& figures);
// By the shipped figures. Throws Error when their file is damaged or not there.
Support support_of(const Compiled& compiled);

}  // namespace workbench
