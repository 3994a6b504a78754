// What all engines of one overlay share: memories, ports, DDR, the commands in flight, the record.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <systemc>
#include <vector>

#include "isa/xdnn/cost.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/memory.h"
#include "isa/xdnn/program.h"
#include "isa/xdnn/semantics.h"
#include "sim/common/arbiter.h"
#include "sim/common/recorder.h"
#include "sim/xdnn/hazards.h"
#include "sim/xdnn/simulate.h"

namespace workbench::xdnn {

// Who asks for ports and DDR; also the order of service among requests of the same moment.
enum class Client { ConvFilters, ConvArray, ConvTiles, Pool, Eltwise, Upsample, Download, Upload };

struct Overlay {
  Overlay(const Program& program, const Machine& machine, const SimulateOptions& options);

  const Program& program;
  const Machine& machine;
  const SimulateOptions& options;
  Memory memory;
  HazardMonitor hazards;
  sim::Arbiter read_ports, write_ports, ddr;
  sim::Recorder recorder;
  struct Resources {
    int dispatch, filters, tiles, conv, ddr;
    std::array<int, kUnits> unit;
  } resources;

  const Step& step(std::int32_t instruction) const {
    return program.steps[static_cast<std::size_t>(instruction)];
  }
  // The unit takes its oldest waiting command: there is room in its queue again.
  void take(Unit unit);
  // The command reads its operands and computes. An empty result after an address hazard.
  Result start(std::int32_t instruction);
  // Writes the result, collects the tensors that are complete now, and tells everybody.
  void finish(std::int32_t instruction, const Result& result);
  // Moves `bytes` between DDR and the chip in bursts; blocks until done. `moved` counts bytes of
  // the stream so far, so that bursts do not each round up. Returns the cycles spent waiting for
  // other clients.
  std::int64_t transfer(std::int32_t instruction, Client client, std::int64_t bytes,
                        std::int64_t& moved);

  // Per unit: commands given and not finished; of these, those not yet taken.
  std::array<std::int64_t, kUnits> outstanding{}, waiting{};
  std::array<std::deque<std::int32_t>, kUnits> queue;
  std::array<sc_core::sc_event, kUnits> given, taken, done;

  std::map<std::string, Tensor> tensors;                  // collected
  std::map<std::string, std::int64_t> wide_accumulators;  // by layer
  bool broken = false;  // an address was out of range: values mean nothing any more

 private:
  void collect(std::int32_t instruction);

  std::vector<std::vector<std::size_t>> probes_of_;  // instruction -> probes it helps to complete
  std::vector<std::size_t> missing_writers_;         // per probe
};

}  // namespace workbench::xdnn
