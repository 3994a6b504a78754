// Watches the memories while instructions run: reads of what nobody wrote, addresses outside, and
// two instructions in flight that get in each other's way. Never looks at values.
#pragma once

#include <cstdint>
#include <vector>

#include "isa/program_info.h"
#include "isa/xdnn/footprint.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"
#include "isa/xdnn/slice.h"

namespace workbench::xdnn {

class HazardMonitor {
 public:
  HazardMonitor(const Program& program, const Machine& machine);

  // The instruction starts to read and write at `time`. False when an address is outside the
  // memories: it must not be executed.
  bool begin(std::int32_t instruction, std::int64_t time);
  // A tiled convolution starts to fill its input buffers, before begin().
  void begin_tiles(std::int32_t instruction, std::int64_t time);
  // It has read its last operand; results may still be on their way.
  void reads_done(std::int32_t instruction);
  // Its results are in memory.
  void end(std::int32_t instruction);
  // The host wrote DDR bytes [begin, end).
  void host_wrote(std::int64_t begin, std::int64_t end);
  void deadlock(std::int32_t instruction, std::int64_t time);

  const std::vector<Hazard>& hazards() const { return hazards_; }

 private:
  struct Flight {
    std::int32_t instruction;
    bool reading, writing;
    std::vector<AmRegion> am_reads, am_writes;
    std::vector<DdrRegion> ddr_reads, ddr_writes;
  };

  bool in_range(std::int32_t instruction, const Footprint& footprint, std::int64_t time);
  void check_written(std::int32_t instruction, const Footprint& footprint, std::int64_t time);
  void check_live(std::int32_t instruction, const std::vector<AmRegion>& writes, bool scratch,
                  std::int64_t time);
  void check_flights(const Flight& flight, std::int64_t time);
  template <typename Region>
  void check_pair(const Flight& earlier, const Flight& later, const std::vector<Region>& first,
                  const std::vector<Region>& second, Hazard::Kind kind, std::int64_t time);
  void raise(Hazard::Kind kind, std::int32_t instruction, std::int32_t other, const char* space,
             std::int64_t address, std::int64_t time);
  const std::string& layer(std::int32_t instruction) const;

  const Program& program_;
  const Machine& machine_;
  MachineOfSlice slice0_;
  std::vector<std::uint8_t> am_written_;  // per byte of the AM
  std::vector<DdrRegion> ddr_written_;    // disjoint, ascending
  std::vector<Flight> flights_;
  std::vector<Hazard> hazards_;
};

}  // namespace workbench::xdnn
