// Weights, kappa, lambda and bias of a layer as bytes.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "compiler/pulp/l2_plan.h"

namespace workbench::pulp {

// So many bytes of weights are worth a transfer of their own.
inline constexpr std::int64_t kPieceBytes = 16384;

std::int64_t weight_row_bytes(const Layer& layer);  // of one output channel; 0 without weights
// All constants of the layer in L2, whole.
std::int64_t constant_bytes(const Layer& layer);
// The parts, one per slice of output channels where the tiling has such, in L3 from `end` on in
// DORY's order or part by part; `end` becomes the first address behind them.
std::vector<ConstantPart> place_constants(const Layer& layer, const Tiling& tiling, Tiler tiler,
                                          std::int64_t& end);
// What L3 holds of the layers' constants.
std::string constants_image(const Network& network, const MemoryPlan& plan);
// Byte sum of weights, kappa and lambda, as DORY's report prints it.
std::int64_t weight_checksum(const Layer& layer);

}  // namespace workbench::pulp
