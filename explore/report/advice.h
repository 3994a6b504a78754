// What would help: how the time of an image changes when one knob of the machine is doubled or
// halved (sweep/knob_steps.h computes it), in words.
#pragma once

#include <string>
#include <vector>

namespace workbench {

struct KnobStep {
  std::string knob;      // in words: "L2", "cores"
  std::string from, to;  // with unit
  bool up = true;
  double change = 0;  // of the time of an image, as a fraction: -0.19
};

// One to five lines: the steps up that save most, then those down that cost next to nothing.
std::vector<std::string> advice_lines(std::vector<KnobStep> steps);

}  // namespace workbench
