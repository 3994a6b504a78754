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

std::int64_t am_bytes(const AmTensor& tensor, const Machine& machine) {
  if (machine.width_aligned()) {  // a volume of its own: channels rounded up to even
    return machine.geometry().words(tensor.channels, tensor.height, tensor.width, {}) *
           machine.word_bytes();
  }
  return am_words(tensor, machine.geometry()) * machine.word_bytes();
}

}  // namespace

std::int64_t count_moveops(const Program& program, const Machine& machine) {
  const std::set<std::int64_t> inner = inner_tensors(program);
  std::int64_t bytes = 0;
  for (const Step& step : program.steps) {
    const Operands operands = am_operands(step, machine);
    if (const auto* gather = std::get_if<Gather>(&step.instruction)) {
      if (inner.contains(gather->ddr_address)) bytes += am_bytes(operands.results[0], machine);
    } else if (const auto* scatter = std::get_if<Scatter>(&step.instruction)) {
      if (inner.contains(scatter->ddr_address)) {
        bytes += machine.width_aligned() ? am_bytes(operands.sources[0], machine)
                                         : ddr_tensor_bytes(scatter->channels, scatter->height,
                                                            scatter->width, machine.geometry());
      }
    } else if (tail(step.instruction).source_in_ddr && !operands.results.empty()) {
      const auto* fused = std::get_if<ConvPool>(&step.instruction);
      const Conv& conv = fused != nullptr ? fused->conv : std::get<Conv>(step.instruction);
      if (!inner.contains(conv.inaddr)) continue;
      const AmTensor source{0, conv.in_ch, conv.in_h, conv.in_w, conv.tail.source};
      bytes += (am_bytes(source, machine) + am_bytes(operands.results[0], machine)) / 2;
    }
  }
  return bytes;
}

}  // namespace workbench::xdnn
