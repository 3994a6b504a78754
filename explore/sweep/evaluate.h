// A point's answer. What points share is computed once: networks are imported and quantized once
// for all machines that quantize them alike, programs compiled once for all machines that they are
// the same for.
#pragma once

#include <memory>

#include "explore/sweep/point.h"

namespace workbench {

struct EvaluateOptions {
  bool golden = true;  // transaction tier: compare with the golden model (the verdict)
  bool values = true;  // transaction tier, PULP: move data; false: timing alone, then no golden
  bool layers = true;  // figures per layer too
};

class Evaluator {
 public:
  explicit Evaluator(const EvaluateOptions& options = {});
  ~Evaluator();
  Evaluator(Evaluator&&) noexcept;
  Evaluator& operator=(Evaluator&&) noexcept;

  // Never throws Error for what is wrong with the point's machine or options in combination: that
  // is Status::Infeasible with the reason. Throws Error for a network or machine file that cannot
  // be read at all, and for unknown parameters.
  PointResult evaluate(const Point& point);

 private:
  struct Cache;
  EvaluateOptions options_;
  std::unique_ptr<Cache> cache_;
};

}  // namespace workbench
