// Programs of one network at many choices of widths, by the analytic tier. What they have in common
// is computed once: codes of a value at a width, and what planning finds for layers and kernels.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "explore/bits/width_noise.h"
#include "explore/flow/pipeline.h"
#include "explore/sweep/point.h"

namespace workbench {

// A network annotated at any choice of widths, put together from those of one width throughout.
class WidthGraphs {
 public:
  WidthGraphs(const WidthNetwork& network, const Widths& widths);
  // annotated_with() (width_noise.h) these options, weights to the nearest code.
  Graph annotated(const Options& options) const;

 private:
  const Widths& widths_;
  std::vector<Graph> of_one_width_;  // per choice
};

class WidthPrograms {
 public:
  struct Network {
    const WidthNetwork& widened;
    const Widths& widths;
    const WidthGraphs& graphs;
    const Imported& imported;
    const Quantized& base;
    const CompileRequest& request;
  };
  WidthPrograms(const Network& network, const Machine& machine);

  // Throws Error naming what does not fit.
  Compiled compiled(const Options& options);
  // By the analytic tier, with the figures of layers if asked for; none: it cannot be compiled.
  std::optional<PointResult> figures(const Options& options, bool layers);
  // Why the first that could not be; empty: all could.
  const std::string& refusal() const { return refusal_; }

 private:
  Network network_;
  Quantized base_;  // what compiling reads of it
  Target target_;
  std::string refusal_;
};

}  // namespace workbench
