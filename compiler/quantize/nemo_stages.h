// NEMO's own arithmetic, stage by stage (docs/facts/quantization.md 2.1): FakeQuantized,
// QuantizedDeployable, IntegerDeployable, exact to the published code. (quantize_nemo in nemo.h is
// our quantizer in the same number system: symmetric weights, rounded multipliers.)
#pragma once

#include "core/graph.h"
#include "data/samples.h"

namespace workbench {

struct NemoStagesOptions {
  int activation_bits = 8, weight_bits = 8;
  std::int64_t requantization_factor = 32;
  bool asymmetric_weights = true;
  // Linear results that a layer or a sum reads (or the host, of a convolution) become signed codes,
  // clip(floor(x / eps)), eps = 2 alpha / (2^bits - 1), as PACT's signed function has them. The
  // published flow leaves them accumulators: sums add 32 bits, which no kernel of PULP's does, and
  // layers cannot read them.
  bool signed_activations = false;
  // Inputs with negative numbers become unsigned codes of x + b, b = zero * eps: in the integers,
  // layers take b times the sum of their weights off their bias, and pad with b (add_input_bias).
  // Inputs that more than layers, affine maps and reshapes read stay signed codes without offset.
  bool input_bias = false;
  // Of kappa, per layer. `lambda_bits` (20 in the published rule, with 14 of kappa; 0: none) takes
  // bits from kappa until what a batch normalisation gives fits. The published code works that out
  // but keeps the quantum of before: kappa has 12 bits in every published network.
  int kappa_bits = 12, lambda_bits = 0;
};

struct NemoStages {
  // Float, affine maps as batch normalisations, with the codes of every value that has 8 bits and
  // of weights: what the stages below are made of.
  Graph annotated;
  Graph fake_quantized;        // FQ: floats on grids, activations floored
  Graph quantized_deployable;  // QD: eps propagated, BN and requantization in reals
  Graph integer_deployable;    // ID: integers only; integer_network.h's form of it is `integers`
  Graph integers;              // as the PULP compiler and golden read it
  std::vector<std::string> notes;
};

// `imported`: float, batch normalisations not folded. Activation ranges: max over the samples.
NemoStages nemo_stages(const Graph& imported, const SampleSource& samples,
                       const NemoStagesOptions& options = {}, const StageProgress& progress = {});

}  // namespace workbench
