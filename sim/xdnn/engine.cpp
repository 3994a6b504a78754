#include "sim/xdnn/engine.h"

#include <algorithm>

#include "isa/xdnn/footprint.h"
#include "sim/xdnn/host.h"

namespace workbench::xdnn {

Engine::Engine(int n, const Program& p, const Machine& m, const SimulateOptions& o,
               sim::Arbiter& bank)
    : number(n),
      program(p),
      machine(m),
      options(o),
      ddr(bank),
      recorder(n == 0),
      probes_of_(p.steps.size()) {
  has_slice0 = std::any_of(p.steps.begin(), p.steps.end(),
                           [](const Step& step) { return tail(step.instruction).slice == 0; });
  if (number != 0) return;
  hazards = std::make_unique<HazardMonitor>(program, machine);
  memory.geometry = machine.geometry();
  memory.am.assign(static_cast<std::size_t>(machine.am_words() * machine.word_bytes()), 0);
  memory.ddr.reserve(static_cast<std::size_t>(program.ddr_bytes));
  memory.ddr.assign(program.constants.begin(), program.constants.end());
  memory.ddr.resize(static_cast<std::size_t>(program.ddr_bytes));
  for (std::size_t i = 0; i < program.probes.size(); ++i) {
    missing_writers_.push_back(program.probes[i].after.size());
    for (const std::int32_t writer : program.probes[i].after) {
      probes_of_[static_cast<std::size_t>(writer)].push_back(i);
    }
  }
}

namespace {

// Puts a piece where it belongs in the tensor, which the first piece makes.
void put_piece(const Probe& probe, const Tensor& piece, Tensor& whole) {
  const Shape shape{1, probe.value_channels, probe.value_height, probe.width};
  if (whole.shape() != shape) whole = Tensor::zeros(piece.type(), shape, Layout::Nchw);
  const std::int64_t code = element_bytes(piece.type());
  const std::byte* const from = piece.data();
  std::byte* const to = whole.mutable_data();
  const std::int64_t plane = probe.height * probe.width * code;
  for (std::int64_t c = 0; c < probe.channels; ++c) {
    const std::int64_t row = (probe.first_channel + c) * probe.value_height + probe.first_row;
    std::copy_n(from + c * plane, plane, to + row * probe.width * code);
  }
}

}  // namespace

void Engine::collect(std::int32_t instruction) {
  for (const std::size_t i : probes_of_[static_cast<std::size_t>(instruction)]) {
    if (--missing_writers_[i] > 0 || !options.collect) continue;
    const Probe& probe = program.probes[i];
    const AmTensor where{probe.address, probe.channels, probe.height,
                         probe.width,   probe.layout,   probe.start_channel};
    Tensor piece = nchw_from_am(memory, where);
    if (probe.value_channels == 0) {
      tensors[probe.value] = std::move(piece);
    } else {
      put_piece(probe, piece, tensors[probe.value]);
    }
  }
  // What streams to DDR has no place in the AM where a probe could find it.
  const Tail& t = tail(program.steps[static_cast<std::size_t>(instruction)].instruction);
  if (!t.destination_in_ddr || !options.collect) return;
  const DdrTensor whole = ddr_result(program.steps[static_cast<std::size_t>(instruction)]);
  for (const DdrTensor& d : program.ddr_tensors) {
    const bool same = d.address == whole.address && d.channels == whole.channels &&
                      d.height == whole.height && d.width == whole.width;
    if (!same) continue;
    tensors[d.value] = nchw_from_pixels(read_ddr(memory, d.address, d.channels, d.height, d.width),
                                        d.channels, d.height, d.width);
  }
}

}  // namespace workbench::xdnn
