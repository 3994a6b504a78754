// Which nodes NEMO's integers can express, and the codes of every value they read or write.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "compiler/quantize/nemo.h"

namespace workbench {

enum class NemoRole {
  Weighted,  // Conv, Gemm: weights, bias, one multiplier per output channel
  Average,   // AveragePool whose windows all count the same
  Sum,       // Add of two activations of one shape
  Rescale,   // Relu on its own
  Concat,    // of channels: operands on the result's scale, no arithmetic
  Move,      // MaxPool, flattening: codes pass through unchanged
};

// Per node of `graph`, or nothing where it stays float.
std::vector<std::optional<NemoRole>> nemo_roles(const Graph& graph, const NemoOptions& options);

// What is applied to the result of a node, fused or its own (Activate); None for other ops.
const Activation& applied_activation(const Node& node);

// Whether saturation of codes can stand for the activation: None, Relu, Clip(0, a), Clip(-a, a).
// A Clip with a bound per channel is no saturation.
bool is_saturation(const Activation& activation);

// The operands that carry activations.
std::span<const ValueId> code_operands(const Node& node, NemoRole role);

struct CodeFormat {
  double threshold = 0;  // > 0; 0 for values that no integer node reads or writes
  int bits = 8;
  bool is_signed = true;
  std::int64_t high() const { return (std::int64_t{1} << (bits - (is_signed ? 1 : 0))) - 1; }
  std::int64_t low() const { return is_signed ? -high() - 1 : 0; }
  double step() const { return threshold / static_cast<double>(high()); }
  friend bool operator==(const CodeFormat&, const CodeFormat&) = default;
};

struct CodeFormats {
  std::vector<CodeFormat> formats;  // per ValueId
  std::vector<ScaleGroup> groups;
};

// Unsigned where what wrote the value says that it cannot be negative. Values tied by
// Move share the largest of their thresholds, and so do those tied by a Concat whose signs and
// Clips agree; a Clip caps the threshold, so that saturation is the Clip.
CodeFormats code_formats(const Graph& graph, const std::vector<std::optional<NemoRole>>& roles,
                         const Thresholds& calibrated, const NemoOptions& options);

}  // namespace workbench
