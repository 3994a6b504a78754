#include "compiler/xdnn/moveops.h"

#include <algorithm>
#include <set>

#include "isa/xdnn/footprint.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

namespace {

// Host values that depend on `start`, itself included.
std::set<ValueId> reached_from(const Graph& host, std::set<ValueId> values) {
  for (const Node& node : host.nodes) {  // topological order: one sweep is enough
    const bool reads = std::any_of(node.inputs.begin(), node.inputs.end(),
                                   [&](ValueId id) { return values.contains(id); });
    if (reads) values.insert(node.outputs.begin(), node.outputs.end());
  }
  return values;
}

// DDR addresses of tensors inside the network: uploaded and, after host steps, read again; or read
// and themselves made of uploaded ones.
std::set<std::int64_t> inner_tensors(const Program& program) {
  std::set<std::int64_t> uploaded, inner;
  for (const Step& step : program.steps) {
    if (const auto* scatter = std::get_if<Scatter>(&step.instruction)) {
      uploaded.insert(scatter->ddr_address);
    }
  }
  const auto ids = values_by_name(program.host);
  for (const DdrTensor& from : program.ddr_tensors) {
    if (!uploaded.contains(from.address) || !ids.contains(from.value)) continue;
    const auto reached = reached_from(program.host, {ids.at(from.value)});
    for (const DdrTensor& to : program.ddr_tensors) {
      const auto id = ids.find(to.value);  // none: a tensor that the host never sees
      if (id == ids.end() || to.address == from.address || !reached.contains(id->second)) continue;
      inner.insert(from.address);
      inner.insert(to.address);
    }
  }
  return inner;
}

// The tensor of the program that an address lies in; null: none.
const DdrTensor* tensor_at(const Program& program, std::int64_t address, const Machine& machine) {
  for (const DdrTensor& t : program.ddr_tensors) {
    const std::int64_t bytes = ddr_tensor_bytes(t.channels, t.height, t.width, machine.geometry());
    if (t.address <= address && address < t.address + bytes) return &t;
  }
  return nullptr;
}

std::int64_t am_bytes(const AmTensor& tensor, const Machine& machine) {
  if (machine.width_aligned()) {  // a volume of its own: channels rounded up to even
    return machine.geometry().words(tensor.channels, tensor.height, tensor.width, {}) *
           machine.word_bytes();
  }
  return am_words(tensor, machine.geometry()) * machine.word_bytes();
}

}  // namespace

MovedBytes moved_bytes(const Program& program, const Machine& machine) {
  const std::set<std::int64_t> inner = inner_tensors(program);
  const auto ids = values_by_name(program.host);
  MovedBytes moved;
  // What the host never sees was spilled; what it sees once is input or output of the network.
  const auto add = [&](std::int64_t address, std::int64_t bytes) {
    const DdrTensor* tensor = tensor_at(program, address, machine);
    const bool spilled = tensor != nullptr && !ids.contains(tensor->value);
    const bool inside = spilled || (tensor != nullptr && inner.contains(tensor->address));
    (inside ? moved.inside : moved.input_output) += bytes;
  };
  for (const Step& step : program.steps) {
    const Operands operands = am_operands(step, machine);
    if (const auto* gather = std::get_if<Gather>(&step.instruction)) {
      add(gather->ddr_address, am_bytes(operands.results[0], machine));
    } else if (const auto* scatter = std::get_if<Scatter>(&step.instruction)) {
      const std::int64_t rows = scatter->end_row - scatter->start_row + 1;
      add(scatter->ddr_address,
          machine.width_aligned()
              ? am_bytes(operands.sources[0], machine)
              : ddr_tensor_bytes(scatter->channels, rows, scatter->width, machine.geometry()));
    } else if (tail(step.instruction).source_in_ddr && !operands.results.empty()) {
      const auto* fused = std::get_if<ConvPool>(&step.instruction);
      const Conv& conv = fused != nullptr ? fused->conv : std::get<Conv>(step.instruction);
      const AmTensor source{0, conv.in_ch, conv.in_h, conv.in_w, conv.tail.source};
      add(conv.inaddr, (am_bytes(source, machine) + am_bytes(operands.results[0], machine)) / 2);
    }
  }
  return moved;
}

}  // namespace workbench::xdnn
