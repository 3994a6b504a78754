// One engine of the card: what its two slices share. Slice 1 is the main array with all its units;
// slice 0, if the program uses it, the dedicated block for the first layer (xdnn.md 1.7), which
// works on the next image meanwhile. Each slice is an Overlay.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <systemc>
#include <vector>

#include "isa/xdnn/machine.h"
#include "isa/xdnn/memory.h"
#include "isa/xdnn/program.h"
#include "sim/common/arbiter.h"
#include "sim/common/recorder.h"
#include "sim/xdnn/hazards.h"
#include "sim/xdnn/simulate.h"

namespace workbench::xdnn {

// Buffers between slice 0 and slice 1: one is filled while the other is read (xdnn.md 1.7).
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
  bool broken = false;          // an address was out of range: values mean nothing any more
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

}  // namespace workbench::xdnn
