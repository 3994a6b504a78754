// One engine of the card: what its two slices share. Slice 1 is the main array with all its units;
// slice 0, if the program uses it, the dedicated block for the first layer
// (docs/facts/xdnn.md 1.7), which works on the next image meanwhile. Each slice is an Overlay.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <systemc>
#include <vector>

#include "isa/xdnn/cost.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/memory.h"
#include "isa/xdnn/program.h"
#include "isa/xdnn/semantics.h"
#include "isa/xdnn/well_formed.h"
#include "sim/common/arbiter.h"
#include "sim/common/recorder.h"
#include "sim/xdnn/hazards.h"
#include "sim/xdnn/simulate.h"

namespace workbench::xdnn {

// --- engine --------------------------------------------------------------------------------------

// Buffers between slice 0 and slice 1: one is filled while the other is read
// (docs/facts/xdnn.md 1.7).
inline constexpr std::int64_t kSliceBuffers = 2;

struct Engine {
  // `number`: on the card. Only engine 0 has memories and computes; the others take time. `ddr`:
  // the bank it shares with others, served in bursts.
  Engine(int number, const Program& program, const Machine& machine, const SimulateOptions& options,
         sim::Arbiter& ddr);

  const int number;
  const Program& program;
  const Machine& machine;
  const SimulateOptions& options;
  Memory memory;
  std::unique_ptr<HazardMonitor> hazards;  // engine 0 only
  sim::Arbiter& ddr;
  sim::Recorder recorder;
  int ddr_resource = -1;  // the first slice adds it, behind its own

  std::map<std::string, Tensor> tensors;                  // collected
  std::map<std::string, std::int64_t> wide_accumulators;  // by layer
  bool broken = false;          // an address was out of range: values are undefined from here on
  std::int64_t ddr_waited = 0;  // cycles its requests waited for the bank

  bool has_slice0 = false;
  // Per slice, when each image was finished, and the event of one more.
  std::array<std::vector<std::int64_t>, 2> finished;
  std::array<sc_core::sc_event, 2> image_done;

  // Keeps what `instruction` has completed of the tensors wanted.
  void collect(std::int32_t instruction);

 private:
  std::vector<std::vector<std::size_t>> probes_of_;  // instruction -> probes it helps to complete
  std::vector<std::size_t> missing_writers_;         // per probe
};

// --- slice ---------------------------------------------------------------------------------------

// One slice of an engine: an array with its ports, the commands in flight, and access to what the
// engine shares.

// Clients of ports and DDR; also their priority among simultaneous requests.
enum class Client {
  ConvFilters,
  ConvArray,
  ConvTiles,
  ConvResults,
  Pool,
  Eltwise,
  Upsample,
  Download,
  Upload,
  PoolTiles,
  PoolResults,
  EltwiseTiles,
  EltwiseResults
};
inline constexpr int kClients = 13;

struct Overlay {
  Overlay(Engine& engine, int slice);

  Engine& engine;
  const int slice;
  const std::string name;  // prefix of its modules: "engine0_slice1"
  const Program& program;
  const MachineOfSlice own_machine;
  const Machine& machine;
  const SimulateOptions& options;
  sim::Arbiter read_ports, write_ports;
  sim::Recorder& recorder;
  struct Resources {
    int dispatch, filters, tiles, conv, ddr;
    int results = -1;  // of convolutions that stream to DDR; -1: the program has none
    std::array<int, kUnits> unit;
  } resources;
  std::vector<std::int32_t> instructions;  // of this slice, in order
  std::int64_t image = 0;                  // the one being worked on

  const Step& step(std::int32_t instruction) const {
    return program.steps[static_cast<std::size_t>(instruction)];
  }
  // Whether values are computed and accesses checked: for the first image on the first engine. The
  // others are timed only.
  bool computing() const { return engine.number == 0 && image == 0; }
  // The unit takes its oldest waiting command: there is room in its queue again.
  void take(Unit unit);
  // A tiled convolution starts to fill its input buffers.
  void begin_tiles(std::int32_t instruction);
  // The command reads its operands and computes. An empty result after an address hazard.
  Result start(std::int32_t instruction);
  // It has read its last operand.
  void reads_done(std::int32_t instruction);
  // Writes the result, collects the tensors that are complete now, and notifies all that wait.
  void finish(std::int32_t instruction, const Result& result);
  // Moves `bytes` between DDR and the chip in bursts; blocks until done. `moved` counts bytes of
  // the stream so far, so that bursts do not each round up. Returns the cycles spent waiting for
  // other clients of the bank, those of other engines included.
  std::int64_t transfer(std::int32_t instruction, Client client, std::int64_t bytes,
                        std::int64_t& moved);

  // Per unit: commands given and not finished; of these, those not yet taken.
  std::array<std::int64_t, kUnits> outstanding{}, waiting{};
  std::array<std::deque<std::int32_t>, kUnits> queue;
  std::array<sc_core::sc_event, kUnits> given, taken, done;
};

}  // namespace workbench::xdnn
