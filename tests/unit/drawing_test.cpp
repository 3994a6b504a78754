// The drawing of a compiled network: every layer is there, edges join vertices that exist, and no
// name, however hostile, ends a label.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <sstream>

#include "compiler/xdnn/compile.h"
#include "explore/report/graph_drawing.h"
#include "tests/support/graph_builder.h"
#include "tests/support/xdnn_program.h"

namespace workbench {
namespace {

Compiled compiled(const Graph& graph) {
  Compiled result;
  result.quantized = quantized_for(graph, result.xdnn_machine());
  result.program = xdnn::compile(result.quantized, result.xdnn_machine());
  return result;
}

std::string drawing(const Compiled& network) {
  return dot_drawing(network, cycles_alone(network), "alone");
}

// Per line, the text outside of quotes. A quote behind a backslash ends nothing.
std::vector<std::string> outside_of_quotes(const std::string& dot) {
  std::vector<std::string> lines;
  std::istringstream in(dot);
  for (std::string line; std::getline(in, line);) {
    std::string outside;
    bool quoted = false;
    for (std::size_t i = 0; i < line.size(); ++i) {
      if (quoted && line[i] == '\\') {
        ++i;
      } else if (line[i] == '"') {
        quoted = !quoted;
      } else if (!quoted) {
        outside += line[i];
      }
    }
    EXPECT_FALSE(quoted) << line;
    lines.push_back(outside);
  }
  return lines;
}

TEST(Drawing, names_are_escaped) {
  EXPECT_EQ(escaped_for_dot("conv1/7x7_s2"), "conv1/7x7_s2");
  EXPECT_EQ(escaped_for_dot("a\"b"), "a\\\"b");
  EXPECT_EQ(escaped_for_dot("a\\"), "a\\\\");
  EXPECT_EQ(escaped_for_dot("a\nb"), "a\\nb");
  EXPECT_EQ(escaped_for_dot("&lt;"), "&amp;lt;");
  EXPECT_EQ(escaped_for_dot(std::string("\0\x01\x7F", 3)), "???");
  EXPECT_EQ(escaped_for_dot("Schicht_\xC3\xBC"), "Schicht_\xC3\xBC");
  EXPECT_EQ(escaped_for_dot("\xFF"
                            "a\xC3"),
            "?a?");
}

TEST(Drawing, every_layer_and_host_step_is_a_vertex_and_edges_join_vertices) {
  const Compiled network = compiled(every_instruction());
  const std::string dot = drawing(network);
  for (const LayerInfo& layer : network.info().layers) {
    if (!layer.merged.empty()) {
      EXPECT_NE(dot.find("label=\"" + layer.name + "\\n"), dot.npos) << layer.name;
    }
  }
  for (const HostStepInfo& step : network.info().host_steps) {
    for (const HostNodeInfo& node : step.nodes) {
      EXPECT_NE(dot.find("host: " + node.reason), dot.npos) << node.name;
    }
  }
  std::set<std::string> vertices;
  int edges = 0;
  for (const std::string& line : outside_of_quotes(dot)) {
    std::istringstream words(line);
    std::string from, arrow, to;
    words >> from >> arrow >> to;
    if (arrow == "->") {
      ++edges;
      EXPECT_TRUE(vertices.contains(from)) << line;
      EXPECT_TRUE(vertices.contains(to.substr(0, to.find(';')))) << line;
    } else if (from.starts_with("v")) {
      vertices.insert(from);
    }
  }
  EXPECT_GE(edges, static_cast<int>(network.info().layers.size()) / 2);
}

TEST(Drawing, hostile_names_end_no_label) {
  GraphBuilder b;
  b.graph().name = "\"]; x [label=\"";
  const ValueId x = b.input("in\\", {1, 3, 8, 8});
  b.output(b.conv("\\\"];\nv9 -> v8 [label=\"", x, 4, square_window(1)));
  for (const std::string& line : outside_of_quotes(drawing(compiled(b.graph())))) {
    EXPECT_EQ(line.find("v9"), line.npos) << line;
  }
}

TEST(Drawing, a_fused_pool_is_in_the_box_of_its_convolution) {
  const std::string dot = drawing(compiled(every_instruction()));
  EXPECT_NE(dot.find("label=\"conv1\\nConv 3x3 +Relu +MaxPool"), dot.npos) << dot;
  EXPECT_EQ(dot.find("label=\"pool1\\n"), dot.npos);
}

}  // namespace
}  // namespace workbench
