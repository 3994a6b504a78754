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

class Drawing {
 public:
  Drawing(const Compiled& compiled, const std::vector<Cycles>& cycles, std::string_view counted_as)
      : compiled_(compiled), graph_(compiled.quantized), cycles_(cycles), counted_as_(counted_as) {
    const ProgramInfo& info = compiled.info();
    CHECK(cycles.size() == info.layers.size());
    looks_ = is_xdnn(compiled) ? looks_of(compiled.xdnn_program(), compiled.xdnn_machine())
                               : looks_of(compiled.pulp_program(), compiled.pulp_machine());
    for (std::size_t layer = 0; layer < info.layers.size(); ++layer) {
      for (const std::string& name : info.layers[layer].merged) layer_of_.emplace(name, layer);
    }
    for (const HostStepInfo& step : info.host_steps) {
      for (const HostNodeInfo& node : step.nodes) reason_.emplace(node.name, node.reason);
    }
  }

  std::string run() {
    text_ = fmt::format(
        "digraph \"{}\" {{\n  label=\"{} on {}\";\n  labelloc=t;\n"
        "  node [shape=box, style=filled, fontname=\"Helvetica\", fontsize=11];\n",
        escaped_for_dot(graph_.name), escaped_for_dot(graph_.name),
        escaped_for_dot(name(compiled_.machine)));
    for (const ValueId id : graph_.inputs) source_[id] = input(graph_.value(id));
    for (const Node& node : graph_.nodes) visit(node);
    for (const ValueId id : graph_.outputs) output(id);
    return std::move(text_) + "}\n";
  }

 private:
  // A vertex with these lines in it; its name.
  std::string vertex(const std::vector<std::string>& lines, std::string_view attributes) {
    std::string label;
    for (const std::string& line : lines) {
      label += label.empty() ? "" : "\\n";
      label += escaped_for_dot(line);
    }
    std::string name = fmt::format("v{}", vertices_++);
    text_ += fmt::format("  {} [label=\"{}\", {}];\n", name, label, attributes);
    return name;
  }

  void edge(const std::string& from, const std::string& to) {
    if (from == to || !edges_.emplace(from, to).second) return;
    text_ += fmt::format("  {} -> {};\n", from, to);
  }

  std::string input(const Value& value) {
    return vertex({value.name, sides(value.shape)}, "shape=ellipse, fillcolor=white");
  }

  void output(ValueId id) {
    const auto from = source_.find(id);
    if (from == source_.end()) return;
    const Value& value = graph_.value(id);
    const std::string to =
        vertex({value.name, sides(value.shape)}, "shape=ellipse, fillcolor=white, peripheries=2");
    edge(from->second, to);
  }

  void visit(const Node& node) {
    if (traits(node.op).silent) {
      const auto from = source_.find(node.inputs[0]);
      if (from != source_.end()) source_[node.outputs[0]] = from->second;
      return;
    }
    const std::string to = vertex_of(node);
    for (const ValueId id : node.inputs) {
      const auto from = source_.find(id);
      if (from != source_.end()) edge(from->second, to);
    }
    for (const ValueId id : node.outputs) {
      if (id != kNoValue) source_[id] = to;
    }
  }

  std::string vertex_of(const Node& node) {
    const std::string shape = sides(graph_.value(node.outputs[0]).shape);
    if (!on_machine(compiled_, node)) {
      const auto reason = reason_.find(node.name);
      return vertex({node.name, op_name(node.op), shape,
                     "host: " + (reason == reason_.end() ? "" : reason->second)},
                    "style=\"filled,dashed\", fillcolor=mistyrose");
    }
    const auto layer = layer_of_.find(node.name);
    if (layer == layer_of_.end()) {
      return vertex({node.name, op_name(node.op), shape, "no instruction"},
                    "shape=ellipse, fillcolor=whitesmoke");
    }
    std::string& name = drawn_[layer->second];
    if (name.empty()) name = layer_vertex(layer->second);
    return name;
  }

  std::string layer_vertex(std::size_t index) {
    const LayerInfo& layer = compiled_.info().layers[index];
    const Look& look = looks_[index];
    return vertex(
        {layer.name, layer.op, sides(layer.shape),
         fmt::format("{}: {} cycles {}", look.unit, thousands(cycles_[index].value), counted_as_),
         look.memory},
        fmt::format("fillcolor={}", look.colour));
  }

  const Compiled& compiled_;
  const Graph& graph_;
  const std::vector<Cycles>& cycles_;
  std::string_view counted_as_;
  std::vector<Look> looks_;                      // per layer
  std::map<std::string, std::size_t> layer_of_;  // node -> layer
  std::map<std::string, std::string> reason_;    // node on the host -> why
  std::map<ValueId, std::string> source_;        // value -> vertex that computes it
  std::map<std::size_t, std::string> drawn_;     // layer -> its vertex
  std::set<std::pair<std::string, std::string>> edges_;
  int vertices_ = 0;
  std::string text_;
};

}  // namespace

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
  return Drawing(compiled, layer_cycles, counted_as).run();
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
