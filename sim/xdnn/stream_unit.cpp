#include "sim/xdnn/stream_unit.h"

#include "sim/common/clock.h"

namespace workbench::xdnn {

using sim::now;

StreamUnit::StreamUnit(sc_core::sc_module_name name, Overlay& overlay, Unit unit, Client client)
    : sc_module(name),
      overlay_(overlay),
      unit_(unit),
      client_(client),
      resource_(overlay.resources.unit[static_cast<std::size_t>(unit)]) {
  SC_HAS_PROCESS(StreamUnit);
  SC_THREAD(run);
  set_stack_size(1 << 20);
}

void StreamUnit::run() {
  const auto unit = static_cast<std::size_t>(unit_);
  auto& queue = overlay_.queue[unit];
  while (true) {
    while (queue.empty()) wait(overlay_.given[unit]);
    const std::int32_t instruction = queue.front();
    queue.pop_front();
    overlay_.take(unit_);
    const StreamCost cost = stream_cost(overlay_.step(instruction).instruction, overlay_.machine);
    const Result result = overlay_.start(instruction);
    if (cost.ddr.value > 0) {
      const std::int64_t begin = now();
      sim::wait_until(begin + overlay_.machine.ddr.latency_cycles);
      overlay_.recorder.record(resource_, instruction, begin, begin, now(), Cause::DdrStall, 0,
                               overlay_.resources.ddr);
    }
    std::int64_t moved = 0;
    for (std::int64_t row = 0; row < cost.rows; ++row) {
      if (cost.ddr.value == 0) {
        stream_row(instruction, cost);
      } else {
        transfer_row(instruction, cost,
                     cost.ddr.value * (row + 1) / cost.rows - cost.ddr.value * row / cost.rows,
                     moved);
      }
    }
    overlay_.finish(instruction, result);
  }
}

void StreamUnit::stream_row(std::int32_t instruction, const StreamCost& cost) {
  const std::int64_t asked = now();
  const auto client = static_cast<int>(client_);
  overlay_.read_ports.acquire(client, cost.read_ports, cost.row_cycles.value);
  const std::int64_t begin =
      overlay_.write_ports.acquire(client, cost.write_ports, cost.row_cycles.value);
  overlay_.recorder.record(resource_, instruction, asked, asked, begin, Cause::PortStall);
  sim::wait_until(begin + cost.row_cycles.value);
  overlay_.recorder.record(resource_, instruction, asked, begin, now(), Cause::Work);
}

// A row between DDR and AM: the port is held while the words pass, which takes as long as the
// slower side.
void StreamUnit::transfer_row(std::int32_t instruction, const StreamCost& cost, std::int64_t bytes,
                              std::int64_t& moved) {
  const std::int64_t asked = now();
  auto& ports = cost.read_ports > 0 ? overlay_.read_ports : overlay_.write_ports;
  const std::int64_t begin = ports.acquire(static_cast<int>(client_), 1, cost.row_cycles.value);
  overlay_.recorder.record(resource_, instruction, asked, asked, begin, Cause::PortStall);
  overlay_.transfer(instruction, client_, bytes, moved);
  sim::wait_until(begin + cost.row_cycles.value);
  overlay_.recorder.record(resource_, instruction, asked, begin, now(), Cause::Work);
}

}  // namespace workbench::xdnn
