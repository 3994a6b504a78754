// What one step of each integer of NEMO's stands for, by name of value.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "core/graph.h"

namespace workbench {

struct NemoStep {
  double eps = 0;
  std::int64_t zero = 0;  // the code of the real 0
};

class NemoSteps {
 public:
  void set(const std::string& name, const NemoStep& step) { steps_[name] = step; }

  // integer_network()'s result with what its codes stand for instead of a step of 1. Values that
  // are not known here move codes. Borders of inputs become those of real numbers, 0.
  Graph applied(Graph integers) const;
  // The form (nemo_stages_form.h) with the codes of at most 8 bits that its values have in
  // applied()'s result; activations are floored.
  Graph annotated(Graph form, const Graph& integers) const;

 private:
  std::optional<NemoStep> of(const std::string& name) const;

  std::map<std::string, NemoStep> steps_;
};

}  // namespace workbench
