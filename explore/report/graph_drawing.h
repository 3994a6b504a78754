// The network as it was compiled, as a picture: a vertex per layer of the program, with all nodes
// that were fused into it; for pages, and as text for Graphviz (https://graphviz.org), where what
// runs on the host is dashed and what needs no instruction is round.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/units.h"
#include "explore/flow/pipeline.h"

namespace workbench {

// Per layer of the program: the cycles of its instructions, each alone on the machine.
std::vector<Cycles> cycles_alone(const Compiled& compiled);

struct DrawnVertex {
  enum class Kind { Input, Output, Layer, Host, Silent };  // Silent: it needs no instruction
  Kind kind = Kind::Layer;
  std::string name, op, shape;
  std::int32_t layer = -1;   // of the program, where it is one
  std::string unit, memory;  // of a layer: what runs it, what it takes
  std::string_view colour;   // of a layer, as Graphviz calls it
  std::string bits;          // of a layer's codes: "a8 w4"
  std::string reason;        // why it runs on the host
};

// Vertices in the order of the network. An edge may lead back where several nodes are one layer.
struct DrawnNetwork {
  std::vector<DrawnVertex> vertices;
  std::vector<std::pair<std::size_t, std::size_t>> edges;  // from, to
};
DrawnNetwork drawn_network(const Compiled& compiled);

// `layer_cycles`: one per layer of the program; `counted_as` says what they are ("alone").
std::string dot_drawing(const Compiled& compiled, const std::vector<Cycles>& layer_cycles,
                        std::string_view counted_as);

// As it stands between the quotes of a label: quotes, backslashes, line ends, ampersands (Graphviz
// reads HTML entities) and control characters taken care of, and bytes that are not UTF-8.
std::string escaped_for_dot(std::string_view text);

}  // namespace workbench
