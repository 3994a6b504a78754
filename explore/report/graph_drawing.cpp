#include "explore/report/graph_drawing.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "compiler/xdnn/lower.h"
#include "explore/report/text.h"
#include "isa/pulp/cost.h"
#include "isa/xdnn/cost.h"

namespace workbench {

namespace {

// Length of the UTF-8 sequence at the start of `text`; 0: it is none.
std::size_t utf8_length(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const std::size_t length = byte(0) < 0x80               ? 1
                             : (byte(0) & 0xE0U) == 0xC0U ? 2
                             : (byte(0) & 0xF0U) == 0xE0U ? 3
                             : (byte(0) & 0xF8U) == 0xF0U ? 4
                                                          : 0;
  if (length > text.size()) return 0;
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0U) != 0x80U) return 0;
  }
  return length;
}

// How a layer is drawn: what runs it, a light colour of Graphviz's own names, the memory it takes.
struct Look {
  std::string unit;
  std::string_view colour;
  std::string memory;
};

std::string_view colour_of(xdnn::Unit unit) {
  switch (unit) {
    case xdnn::Unit::Conv:
      return "lightskyblue";
    case xdnn::Unit::Pool:
      return "palegreen";
    case xdnn::Unit::Eltwise:
      return "khaki";
    case xdnn::Unit::Upsample:
      return "plum";
    case xdnn::Unit::Download:
    case xdnn::Unit::Upload:
      return "lightgrey";
  }
  CHECK(false, "unit {}", static_cast<int>(unit));
}

std::vector<Look> looks_of(const xdnn::Program& program, const xdnn::Machine& machine) {
  std::vector<Look> looks;
  for (const LayerInfo& layer : program.info.layers) {
    looks.push_back({.unit = {},
                     .colour = {},
                     .memory = "AM " + byte_text(layer.result_words * machine.word_bytes())});
  }
  for (std::size_t i = program.info.instruction_layer.size(); i-- > 0;) {
    Look& look = looks[static_cast<std::size_t>(program.info.instruction_layer[i])];
    const xdnn::Unit unit = xdnn::unit_of(program.steps[i].instruction);
    look.unit = xdnn::to_string(unit);
    look.colour = colour_of(unit);
  }
  return looks;
}

std::string_view colour_of_kernel(std::string_view kernel) {
  if (kernel.ends_with("pool")) return "palegreen";
  if (kernel == "add" || kernel == "requantize") return "khaki";
  return kernel.starts_with("depthwise") ? "plum" : "lightskyblue";
}

std::vector<Look> looks_of(const pulp::Program& program, const pulp::Machine&) {
  std::vector<Look> looks(program.info.layers.size(), Look{"no kernel", "whitesmoke", ""});
  for (const pulp::LayerTiling& tiling : program.tilings) {
    looks.at(static_cast<std::size_t>(tiling.layer)) = {
        .unit = tiling.kernel,
        .colour = colour_of_kernel(tiling.kernel),
        .memory =
            fmt::format("L1 {}, L2 {}", byte_text(tiling.l1_bytes), byte_text(tiling.l2_bytes))};
  }
  return looks;
}

// The machine's own units compute the node, whether or not it takes an instruction.
bool on_machine(const Compiled& compiled, const Node& node) {
  if (is_xdnn(compiled)) return xdnn::on_accelerator(compiled.quantized, node);
  return node.affine.has_value() ||
         compiled.quantized.value(node.outputs[0]).type != ElementType::Float32;
}

struct Alone {
  const pulp::Machine& machine;
  Cycles operator()(const pulp::Kernel& kernel) const { return kernel_cycles(kernel, machine); }
  Cycles operator()(const pulp::Code& code) const { return code_cycles(code, machine); }
  Cycles operator()(const pulp::Dma& transfer) const { return dma_cycles(transfer, machine); }
  Cycles operator()(const pulp::L3Transfer& transfer) const { return l3_cycles(transfer, machine); }
  Cycles operator()(const pulp::Barrier&) const { return {machine.cluster.barrier_cycles}; }
  Cycles operator()(const pulp::DmaWait&) const { return {}; }
  Cycles operator()(const pulp::L3Wait&) const { return {}; }
  Cycles operator()(const pulp::CounterStart&) const { return {}; }
  Cycles operator()(const pulp::CounterStop&) const { return {}; }
};

Cycles alone(const pulp::Instruction& instruction, const pulp::Machine& machine) {
  return std::visit(Alone{machine}, instruction);
}

std::string sides(const Shape& shape) {
  return fmt::format("{}",
                     fmt::join(shape.begin() + (shape.size() == 4 ? 1 : 0), shape.end(), "x"));
}

// Follows values from node to node; what needs no vertex of its own is passed through.
class Drawing {
 public:
  explicit Drawing(const Compiled& compiled) : compiled_(compiled), graph_(compiled.quantized) {
    const ProgramInfo& info = compiled.info();
    looks_ = is_xdnn(compiled) ? looks_of(compiled.xdnn_program(), compiled.xdnn_machine())
                               : looks_of(compiled.pulp_program(), compiled.pulp_machine());
    for (std::size_t layer = 0; layer < info.layers.size(); ++layer) {
      for (const std::string& name : info.layers[layer].merged) layer_of_.emplace(name, layer);
    }
    for (const HostStepInfo& step : info.host_steps) {
      for (const HostNodeInfo& node : step.nodes) reason_.emplace(node.name, node.reason);
    }
  }

  DrawnNetwork run() {
    for (const ValueId id : graph_.inputs) {
      source_[id] = vertex(end_of(graph_.value(id), DrawnVertex::Kind::Input));
    }
    for (const Node& node : graph_.nodes) visit(node);
    for (const ValueId id : graph_.outputs) {
      const auto from = source_.find(id);
      if (from == source_.end()) continue;
      edge(from->second, vertex(end_of(graph_.value(id), DrawnVertex::Kind::Output)));
    }
    return std::move(drawn_);
  }

 private:
  std::size_t vertex(DrawnVertex vertex) {
    drawn_.vertices.push_back(std::move(vertex));
    return drawn_.vertices.size() - 1;
  }

  void edge(std::size_t from, std::size_t to) {
    if (from != to && edges_.emplace(from, to).second) drawn_.edges.emplace_back(from, to);
  }

  static DrawnVertex end_of(const Value& value, DrawnVertex::Kind kind) {
    return {.kind = kind, .name = value.name, .shape = sides(value.shape)};
  }

  void visit(const Node& node) {
    if (traits(node.op).silent) {
      const auto from = source_.find(node.inputs[0]);
      if (from != source_.end()) source_[node.outputs[0]] = from->second;
      return;
    }
    const std::size_t to = vertex_of(node);
    for (const ValueId id : node.inputs) {
      const auto from = source_.find(id);
      if (from != source_.end()) edge(from->second, to);
    }
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) source_[id] = to;
    }
  }

  std::size_t vertex_of(const Node& node) {
    DrawnVertex plain{.kind = DrawnVertex::Kind::Silent,
                      .name = node.name,
                      .op = std::string(op_name(node.op)),
                      .shape = sides(graph_.value(node.outputs[0]).shape)};
    if (!on_machine(compiled_, node)) {
      const auto reason = reason_.find(node.name);
      plain.kind = DrawnVertex::Kind::Host;
      plain.reason = reason == reason_.end() ? "" : reason->second;
      return vertex(std::move(plain));
    }
    const auto layer = layer_of_.find(node.name);
    if (layer == layer_of_.end()) return vertex(std::move(plain));
    const auto [drawn, is_new] = layers_.try_emplace(layer->second, 0);
    if (is_new) drawn->second = vertex(layer_vertex(layer->second, node));
    return drawn->second;
  }

  DrawnVertex layer_vertex(std::size_t index, const Node& node) const {
    const LayerInfo& layer = compiled_.info().layers[index];
    const Look& look = looks_[index];
    return {.kind = DrawnVertex::Kind::Layer,
            .name = layer.name,
            .op = layer.op,
            .shape = sides(layer.shape),
            .layer = static_cast<std::int32_t>(index),
            .unit = look.unit,
            .memory = look.memory,
            .colour = look.colour,
            .bits = code_bits(node)};
  }

  // "w4 a8": of the weights, as far as it has any, and of the codes that it reads.
  std::string code_bits(const Node& node) const {
    std::string text;
    for (std::size_t i = 0; i < node.inputs.size() && i < 2; ++i) {
      if (node.inputs[i] == kNoValue) continue;
      const Value& value = graph_.value(node.inputs[i]);
      if (!value.quantization) continue;
      const std::string_view what = value.constant ? "w" : "a";
      text += fmt::format("{}{}{}", text.empty() ? "" : " ", what, value.quantization->bits);
    }
    return text;
  }

  const Compiled& compiled_;
  const Graph& graph_;
  std::vector<Look> looks_;                      // per layer
  std::map<std::string, std::size_t> layer_of_;  // node -> layer
  std::map<std::string, std::string> reason_;    // node on the host -> why
  std::map<ValueId, std::size_t> source_;        // value -> vertex that computes it
  std::map<std::size_t, std::size_t> layers_;    // layer -> its vertex
  std::set<std::pair<std::size_t, std::size_t>> edges_;
  DrawnNetwork drawn_;
};

// The lines of a vertex's label, and how Graphviz draws it.
struct Label {
  std::vector<std::string> lines;
  std::string attributes;
};

Label label_of(const DrawnVertex& vertex, const std::vector<Cycles>& cycles,
               std::string_view counted_as) {
  switch (vertex.kind) {
    case DrawnVertex::Kind::Input:
      return {{vertex.name, vertex.shape}, "shape=ellipse, fillcolor=white"};
    case DrawnVertex::Kind::Output:
      return {{vertex.name, vertex.shape}, "shape=ellipse, fillcolor=white, peripheries=2"};
    case DrawnVertex::Kind::Host:
      return {{vertex.name, vertex.op, vertex.shape, "host: " + vertex.reason},
              "style=\"filled,dashed\", fillcolor=mistyrose"};
    case DrawnVertex::Kind::Silent:
      return {{vertex.name, vertex.op, vertex.shape, "no instruction"},
              "shape=ellipse, fillcolor=whitesmoke"};
    case DrawnVertex::Kind::Layer: {
      const Cycles own = cycles[static_cast<std::size_t>(vertex.layer)];
      return {{vertex.name, vertex.op, vertex.shape,
               fmt::format("{}: {} cycles {}", vertex.unit, thousands(own.value), counted_as),
               vertex.memory},
              fmt::format("fillcolor={}", vertex.colour)};
    }
  }
  CHECK(false, "vertex of kind {}", static_cast<int>(vertex.kind));
}

}  // namespace

DrawnNetwork drawn_network(const Compiled& compiled) { return Drawing(compiled).run(); }

std::vector<Cycles> cycles_alone(const Compiled& compiled) {
  const ProgramInfo& info = compiled.info();
  std::vector<Cycles> cycles(info.layers.size());
  for (std::size_t i = 0; i < info.instruction_layer.size(); ++i) {
    if (info.instruction_layer[i] < 0) continue;
    cycles[static_cast<std::size_t>(info.instruction_layer[i])] +=
        is_xdnn(compiled)
            ? xdnn::duration(compiled.xdnn_program().steps[i], compiled.xdnn_machine())
            : alone(compiled.pulp_program().instructions[i], compiled.pulp_machine());
  }
  return cycles;
}

std::string dot_drawing(const Compiled& compiled, const std::vector<Cycles>& layer_cycles,
                        std::string_view counted_as) {
  CHECK(layer_cycles.size() == compiled.info().layers.size());
  const DrawnNetwork drawn = drawn_network(compiled);
  const std::string network = escaped_for_dot(compiled.quantized.name);
  std::string text = fmt::format(
      "digraph \"{}\" {{\n  label=\"{} on {}\";\n  labelloc=t;\n"
      "  node [shape=box, style=filled, fontname=\"Helvetica\", fontsize=11];\n",
      network, network, escaped_for_dot(name(compiled.machine)));
  for (std::size_t v = 0; v < drawn.vertices.size(); ++v) {
    const Label label = label_of(drawn.vertices[v], layer_cycles, counted_as);
    std::string lines;
    for (const std::string& line : label.lines) {
      lines += (lines.empty() ? "" : "\\n") + escaped_for_dot(line);
    }
    text += fmt::format("  v{} [label=\"{}\", {}];\n", v, lines, label.attributes);
  }
  for (const auto& [from, to] : drawn.edges) text += fmt::format("  v{} -> v{};\n", from, to);
  return text + "}\n";
}

std::string escaped_for_dot(std::string_view text) {
  std::string escaped;
  while (!text.empty()) {
    const std::size_t length = utf8_length(text);
    const char c = text[0];
    if (length > 1) {
      escaped += text.substr(0, length);
    } else if (c == '"' || c == '\\') {
      escaped += {'\\', c};
    } else if (c == '\n') {
      escaped += "\\n";
    } else if (c == '&') {
      escaped += "&amp;";
    } else if (length == 0 || static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
      escaped += '?';
    } else {
      escaped += c;
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return escaped;
}

}  // namespace workbench
