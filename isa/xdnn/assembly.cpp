// Programs as text (xdnn.md 2.4): one line per instruction, the vendor's fields in the vendor's
// order, hexadecimal where an address stands; comments start with '#'.
#include <fmt/format.h>

#include "isa/xdnn/program.h"

namespace workbench::xdnn {

namespace {

bool is_address(std::string_view field) {
  return field.find("addr") != std::string_view::npos || field.starts_with("uram_") ||
         field.starts_with("ddr_");
}

std::string line(std::size_t id, const Step& step, const ProgramInfo& info) {
  const auto layer = static_cast<std::size_t>(info.instruction_layer[id]);
  std::string text = fmt::format("{} {} {}", id, opcode(step.instruction), info.layers[layer].name);
  std::visit(
      [&](const auto& op) {
        for_each_field(op, [&](std::string_view name, const auto& member) {
          const auto value = static_cast<std::int64_t>(member);
          text += is_address(name) ? fmt::format(" {:#x}", value) : fmt::format(" {}", value);
        });
      },
      step.instruction);
  const Unit unit = unit_of(step.instruction);
  if (unit == Unit::Conv) text += fmt::format(" # filters {:#x}", step.filter_address);
  if (step.rescale != Rescale{}) {
    text += fmt::format(" # scale {} shift {}", step.rescale.scale, step.rescale.shift);
  }
  return text + "\n";
}

// The field names of each opcode in use, as the vendor's files carry them.
std::string templates(const Program& program) {
  std::string text;
  std::string seen;
  for (const Step& step : program.steps) {
    const std::string name(opcode(step.instruction));
    if (seen.find(" " + name + " ") != std::string::npos) continue;
    seen += " " + name + " ";
    text += fmt::format("# template id {} name", name);
    std::visit(
        [&](const auto& op) {
          for_each_field(
              op, [&](std::string_view field, const auto&) { text += fmt::format(" {}", field); });
        },
        step.instruction);
    text += "\n";
  }
  return text;
}

}  // namespace

std::string disassemble(const Program& program) {
  std::string text = fmt::format("# {} for {}: {} instructions, {} bytes of filters, {} of DDR\n",
                                 program.info.network, program.info.machine, program.steps.size(),
                                 program.constants.size(), program.ddr_bytes);
  for (const DdrTensor& t : program.ddr_tensors) {
    text +=
        fmt::format("# ddr {:#x} {} {}x{}x{}\n", t.address, t.value, t.channels, t.height, t.width);
  }
  for (const Volume& v : program.memory_map) {
    text += fmt::format("# am [{:#x}, {:#x}) {} instructions {}..{}\n", v.address,
                        v.address + v.words, v.name, v.first, v.last);
  }
  text += templates(program);
  std::size_t next = 0;
  const auto host_lines = [&](std::int32_t before) {
    while (next < program.host_steps.size() && program.host_steps[next].before <= before) {
      for (const std::size_t n : program.host_steps[next].nodes) {
        const Node& node = program.host.nodes[n];
        text += fmt::format("# host {} {}\n", op_name(node.op), node.name);
      }
      ++next;
    }
  };
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    host_lines(static_cast<std::int32_t>(i));
    text += line(i, program.steps[i], program.info);
  }
  host_lines(static_cast<std::int32_t>(program.steps.size()));
  return text;
}

}  // namespace workbench::xdnn
