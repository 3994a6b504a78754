// A float network as NEMO's deployment wants it: every affine map of channels is a batch
// normalisation, the bias of a layer in front of one is absorbed by it
// (docs/facts/quantization.md 2.1).
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "core/graph.h"

namespace workbench {

// `imported`: float, before any pass. Every BatchNorm that is left has mean 0, variance 1 and
// epsilon 0: scale is kappa, bias lambda. A pure shift behind a Conv or Gemm is its bias, [Co].
// Gemm has alpha and beta 1. kappa is 0 where all weights of a channel are below 1e-9.
// `signed_activations`: accumulators X that a layer, a pool or a sum reads, or, but for a Gemm's,
// the host, are read through an Activate of kind None, X_codes.
Graph nemo_stages_form(Graph imported, bool signed_activations = false);

// PACT's functions: Relu, Clip(0, a), or none: the rounding of a linear result.
bool is_nemo_activation(const Activation& activation);
// Moves codes, and knows nothing of what they stand for but 0.
bool is_nemo_move(const Op& op);
// Conv or Gemm by constant float weights.
bool is_nemo_linear(const Graph& graph, const Node& node);

// The step of each of NEMO's integers, by value name.

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
  // The form with the codes of at most 8 bits that its values have in
  // applied()'s result; activations are floored.
  Graph annotated(Graph form, const Graph& integers) const;

 private:
  std::optional<NemoStep> of(const std::string& name) const;

  std::map<std::string, NemoStep> steps_;
};

}  // namespace workbench
