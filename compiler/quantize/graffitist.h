// Graffitist's static mode (docs/facts/quantization.md 1): the published transforms, quantizers
// node by node, shared thresholds, calibration in topological order on quantized inputs.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "compiler/quantize/graffitist_transforms.h"
#include "core/graph.h"
#include "data/samples.h"

namespace workbench::graffitist {

// A convolution that the hardware computes in parts of `depth` input channels.
struct DepthSplit {
  std::string layer;
  std::int64_t channels = 0, depth = 0;
};

// Arguments of quantize(...), as published: negative widths are signed (1.4).
struct QuantizeArguments {
  int weight_bits = -8, activation_bits = -8, layer_bits = -16, relu_bits = 8, avgpool_bits = 8,
      avgpool_reciprocal_bits = 8;
  std::string first_layer, last_layer;  // keep 8 bit weights; empty: found in the graph
  std::vector<std::vector<std::string>> layer_merge_list;  // sets that share a threshold
  std::vector<DepthSplit> conv_split_list;
};

struct Quantizer {
  std::string name, source_node;
  int bits = 8;
  bool is_signed = true;
  double threshold = 0;  // before 2^ceil(log2 t)
  double scale = 0;      // s, a power of two
  Rounding rounding = Rounding::HalfEven;
};

struct Network {
  Graph reference;  // float, every quantizer an explicit Quantize and Dequantize (16 bits, too)
  // The transformed float network, annotated with the same 8-bit formats: what targets lower. The
  // 16-bit accumulators and biases between are the reference's alone.
  Graph annotated;
  std::vector<Quantizer> quantizers;  // in topological order
  std::vector<std::string> notes;     // what each transform did, in order
};

// `imported`: float, before any pass.
Network quantize_static(const Graph& imported, const SampleSource& samples,
                        const std::vector<Transform>& transforms,
                        const StageProgress& progress = {});

// quantization_params.json as dump_quant_params writes it (1.6).
std::string quantization_parameters_json(const Network& network);

}  // namespace workbench::graffitist
