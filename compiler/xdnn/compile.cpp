#include "compiler/xdnn/compile.h"

#include <algorithm>

#include "compiler/xdnn/emit.h"
#include "compiler/xdnn/minimum_memory.h"
#include "compiler/xdnn/placed.h"
#include "isa/host_time.h"

namespace workbench::xdnn {

namespace {

// Of what a unit could compute: quantization left it (compiler/quantize/integer_nodes.h,
// thresholds.h).
std::string reason_of_codes(const Node& node) {
  if (std::holds_alternative<Concat>(node.op)) {
    return "no layer reads what it joins: each part keeps its own scale";
  }
  if (std::holds_alternative<Binary>(node.op)) {
    return "its operands are on scales too far apart, or on the host already";
  }
  return "its operands are on the host already";
}

std::vector<HostStepInfo> host_steps(const Graph& quantized, const Machine& machine,
                                     const CompileOptions& options) {
  std::vector<HostStepInfo> steps;
  const auto reason = host_reasons(machine);
  for (const Node& node : quantized.nodes) {
    const bool real = quantized.value(node.outputs[0]).type == ElementType::Float32 ||
                      quantized.value(node.inputs[0]).type == ElementType::Float32;
    if (!real || traits(node.op).silent) continue;
    const auto no_unit = reason(quantized, node);
    const std::string why = no_unit.value_or(reason_of_codes(node));
    const bool ends = !no_unit && std::holds_alternative<Concat>(node.op);
    if (!options.allow_host && !host_by_design(node.op) && !ends) {
      fail("{}: node '{}' ({}) would run on the host, which --no-host forbids: {}", quantized.name,
           node.name, op_name(node.op), why);
    }
    steps.push_back(
        {node.name, op_name(node.op), why,
         host_milliseconds(quantized, node, machine.host.gflops, machine.host.gigabytes_per_second),
         macs(quantized, node)});
  }
  return steps;
}

}  // namespace

Program compile(const Graph& quantized, const Machine& machine, const CompileOptions& options) {
  std::vector<HostStepInfo> on_host = host_steps(quantized, machine, options);  // or refuses
  auto [lowered, placement, time] = place_fastest_order(quantized, machine, options.order);
  Program program = emit(lowered, machine, options.constants);
  if (static_cast<std::int64_t>(program.steps.size()) > machine.control.instructions_max) {
    fail("{}: {} instructions, the instruction memory of {} holds {}", quantized.name,
         program.steps.size(), machine.name, machine.control.instructions_max);
  }
  set_wait_bits(program, machine);
  const MovedBytes moved = moved_bytes(program, machine);
  program.info.moveops = moved.inside;
  program.info.io_bytes = moved.input_output;
  program.info.network = quantized.name;
  program.info.machine = machine.name;
  program.info.host_steps = std::move(on_host);
  const std::int64_t word = machine.word_bytes();
  program.info.peak_bytes = placement.peak_words * word;
  const MinimumMemory before = minimum_memory(quantized, machine, model_order(quantized));
  if (!before.live_bytes.empty()) {
    program.info.minimum_bytes = before.live_bytes[static_cast<std::size_t>(before.worst())];
  }
  program.info.extent_bytes = placement.extent_words * word;
  program.info.capacity_bytes = machine.am.size_bytes;
  return program;
}

}  // namespace workbench::xdnn
