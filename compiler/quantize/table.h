// Thresholds and scales by layer, as in the xfDNN quantizer JSON (schema: docs/facts/xdnn.md 3.5).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/graph.h"

namespace workbench {

// Thresholds and scales by layer, as in the xfDNN quantizer JSON.
struct LayerQuantization {
  std::string name;  // node name (the conv's, pool's, eltwise's, concat's)
  int bits = 8;
  double threshold_in = 0, threshold_out = 0;
  std::vector<double> threshold_params;  // per output channel; convolutions only
  // Per output channel, one for pool and eltwise, none for concat and data movement. With PReLU
  // `scale` holds the positive scale in its low byte and the negative one in the next.
  std::vector<std::int32_t> prescale_shift, scale, postscale_shift;
  std::vector<std::int32_t> positive_scale, negative_scale;  // PReLU only
  std::string file = "quantizer table";                      // where it stands, in errors
};
struct QuantizerTable {
  std::vector<LayerQuantization> layers;
};

// The quantizer table of an integer graph, and its JSON form (schema: docs/facts/xdnn.md 3.5).
// Reading throws Error naming file, layer, key.
QuantizerTable quantizer_table(const Graph& quantized);
std::string to_json(const QuantizerTable& table);
// One line that counts and names layers of `quantized` whose scales `table` does not have, so that
// they come from calibration; nothing where it has all. Data movement has no scales of its own.
std::optional<std::string> layers_left_out(const QuantizerTable& table, const Graph& quantized);
QuantizerTable quantizer_table_from_json(std::string_view text, const std::string& file_name);

}  // namespace workbench
