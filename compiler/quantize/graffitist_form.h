// Where Graffitist puts its quantizers (docs/facts/quantization.md 1.4) and which of them share a
// threshold (1.5): the network with a Quantize and a Dequantize at each place, thresholds still
// unknown.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "compiler/quantize/graffitist.h"
#include "core/graph.h"

namespace workbench::graffitist {

// One quantizer of the form.
struct Place {
  Quantizer quantizer;        // threshold and scale unknown
  std::size_t node = 0;       // its Quantize
  std::size_t group = 0;      // index into Form::groups
  bool from_weights = false;  // threshold max|x| of a constant, before anything runs
};

struct Form {
  Graph graph;  // every Quantize's output has its bits, sign and rounding; threshold 1
  std::vector<Place> places;                     // in topological order
  std::vector<std::vector<std::size_t>> groups;  // of places, ascending; one each at least
  std::vector<std::string> reasons;              // per group of several: "concat 'fire2/concat'"
  // Values of the network that was transformed, and the place that says their final 8-bit codes.
  std::vector<std::pair<ValueId, std::size_t>> formats;
};

// `network`: after the transforms (batch norms folded, activations fused). Throws Error for an
// operator Graffitist does not know and for members of a group that differ in width or sign.
Form quantized_form(const Graph& network, const QuantizeArguments& arguments);

// Gives every place its threshold, in topological order on quantized inputs (1.3).
void calibrate(Form& form, const SampleSource& samples, const StageProgress& progress);

}  // namespace workbench::graffitist
