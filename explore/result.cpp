#include "explore/result.h"

namespace workbench {

std::vector<LayerSignalToNoise> failures(const RunResult& result) {
  std::vector<LayerSignalToNoise> failures;
  for (const LayerSignalToNoise& layer : result.signal_to_noise) {
    // Negated so that NaN fails too.
    if (!(layer.decibel >= kSignalToNoiseFloorDb)) failures.push_back(layer);
  }
  return failures;
}

bool passed(const RunResult& result) {
  return (!result.verdict || result.verdict->bit_exact()) && result.hazards.empty();
}

}  // namespace workbench
