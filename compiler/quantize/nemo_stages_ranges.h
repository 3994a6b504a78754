// What NEMO's alpha is measured on: the least and largest of every value of its form.
#pragma once

#include <algorithm>
#include <vector>

#include "compiler/quantize/sample_source.h"
#include "core/graph.h"

namespace workbench {

struct NemoRange {
  double low = 0, high = 0;
  double largest() const { return std::max(high, -low); }
};

// By value of `form`, over all samples, 0 always in it.
std::vector<NemoRange> nemo_ranges(const Graph& form, const SampleSource& samples,
                                   const StageProgress& progress);

}  // namespace workbench
