// The integer network against the float network it came from.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "explore/report/report.h"

namespace workbench {

using NamedTensors = std::map<std::string, Tensor>;  // by value name

// For each value of `quantized` that was computed and has a float counterpart of the same name
// (X_int8 and X_float, converted forms of X, have X's), in graph order.
std::vector<LayerSignalToNoise> signal_to_noise(const Graph& quantized,
                                                const NamedTensors& reference,
                                                const NamedTensors& computed);

// Best five classes of every output that looks like a classifier's: [1, C] or [1, C, 1, 1] with at
// least 10 classes. `outputs` as in Graph::outputs.
std::vector<Classification> classifications(const Graph& quantized, const NamedTensors& reference,
                                            const std::vector<Tensor>& outputs);

}  // namespace workbench
