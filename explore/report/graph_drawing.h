// The network as it was compiled, as a picture: text for Graphviz (https://graphviz.org). One box
// per layer of the program, with all nodes that were fused into it; what runs on the host is
// dashed, what needs no instruction is round.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "core/units.h"
#include "explore/flow/pipeline.h"

namespace workbench {

// Per layer of the program: the cycles of its instructions, each alone on the machine.
std::vector<Cycles> cycles_alone(const Compiled& compiled);

// `layer_cycles`: one per layer of the program; `counted_as` says what they are ("alone").
std::string dot_drawing(const Compiled& compiled, const std::vector<Cycles>& layer_cycles,
                        std::string_view counted_as);

// As it stands between the quotes of a label: quotes, backslashes, line ends, ampersands (Graphviz
// reads HTML entities) and control characters taken care of, and bytes that are not UTF-8.
std::string escaped_for_dot(std::string_view text);

}  // namespace workbench
