// The transforms of Graffitist (docs/facts/quantization.md 1.6): read from text, checked, and the
// published lists.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace workbench::graffitist {

// One `name(arg=val, ...)` of the --transforms list, in order.
struct Transform {
  std::string name;
  std::vector<std::pair<std::string, std::string>> arguments;
};
// The transforms that a text names, as Graffitist's --transforms has them: separated by blanks,
// line ends or commas outside of brackets, each in quotes or not. A backslash ends a line that goes
// on; a # begins a comment. Throws Error for a quote or bracket that stays open.
std::vector<std::string> split_transforms(std::string_view text);
// Throws Error for an unknown transform or argument (nearest named) and for a broken order rule
// (1.6), naming the two transforms.
std::vector<Transform> parse_transforms(const std::vector<std::string>& texts);
// The published recipe of a network ("mobilenet_v1", "darknet19", ...) in static mode, 1.6; empty
// name: the common one. `weight_bits` -8 or -4. Throws Error naming the known ones.
std::vector<Transform> published_recipe(std::string_view network, int weight_bits = -8);

}  // namespace workbench::graffitist
