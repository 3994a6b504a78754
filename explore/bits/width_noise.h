// What narrower codes cost in noise, measured on images: one variable at a time against the results
// of the float network.
#pragma once

#include <vector>

#include "compiler/quantize/recipe.h"
#include "compiler/quantize/result_error.h"
#include "data/samples.h"
#include "explore/bits/widths.h"
#include "explore/flow/quantization.h"

namespace workbench {

// A float network as a recipe edits it, to be annotated at many widths.
struct WidthNetwork {
  Graph floats;
  Statistics statistics;  // of `floats`
  QuantizeTarget target;
  Recipe recipe;  // its later steps alone: `floats` is pruned, equalized and aligned
  SampleSource samples;
};

// `base`: quantized at full width, everything kept. `target`: leaving what `base` leaves.
WidthNetwork width_network(const Quantized& base, QuantizeTarget target, Recipe recipe,
                           const SampleSource& samples);

// With these widths. `rounds`: weights are rounded as the recipe says, else to the nearest code.
Graph annotated_with(const WidthNetwork& network, const CodeBits& bits, bool rounds);

struct WidthNoise {
  double base = 0;                        // of the network at full width
  std::vector<std::vector<double>> more;  // [variable][choice]: at least 0, 0 for the widest
};

// Error of the results (ResultReference) with one variable at a narrower width and all others as
// `annotated` has them, less that of `annotated`. Weights are rounded as the
// recipe says, against operands of `annotated`.
WidthNoise measure_noise(const WidthNetwork& network, const Graph& annotated, const Widths& widths,
                         const ResultReference& reference, const StageProgress& progress = {});

}  // namespace workbench
