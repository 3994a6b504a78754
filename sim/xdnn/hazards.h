// Watches the memories while instructions run: reads of what was never written, addresses outside,
// two instructions in flight that get in each other's way, those that would if timing had not kept
// them apart, and whatever is not as the program's memory map says. Never looks at values.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "core/zeroed.h"
#include "isa/program_info.h"
#include "isa/xdnn/footprint.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"
#include "isa/xdnn/races.h"
#include "isa/xdnn/well_formed.h"

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
  // Its filters say that one of its channels is off (docs/facts/xdnn.md 1.6): nothing would leave
  // the array.
  void channel_off(std::int32_t instruction, std::int64_t time);
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
  bool check_live(std::int32_t instruction, const std::vector<AmRegion>& writes, bool scratch,
                  std::int64_t time);
  void check_flights(const Flight& flight, std::int64_t time);
  template <typename Region>
  void check_pair(const Flight& earlier, const Flight& later, const std::vector<Region>& first,
                  const std::vector<Region>& second, Hazard::Kind kind, std::int64_t time);
  // The memory map, where the program has one: which tensor each word holds. -1: none.
  std::int32_t volume_of(std::int32_t instruction, const AmRegion& region) const;
  bool holds(std::int32_t volume, const AmRegion& region) const;
  void check_reads(std::int32_t instruction, const Footprint& footprint, std::int64_t time);
  void check_results(std::int32_t instruction, const std::vector<AmRegion>& writes,
                     std::int64_t time);
  void check_concat(std::int32_t instruction, std::int64_t time);
  void check_ddr(std::int32_t instruction, const Footprint& footprint, std::int64_t time);
  void check_buffers(std::int32_t instruction, const std::vector<AmRegion>& buffers,
                     std::int64_t time);
  void mark_written(std::int32_t instruction, const AmRegion& region);

  void check_races(std::int32_t instruction, std::int64_t time);
  void raise(Hazard::Kind kind, std::int32_t instruction, std::int32_t other, MemorySpace space,
             std::int64_t address, std::int64_t time);
  const std::string& layer(std::int32_t instruction) const;

  const Program& program_;
  const Machine& machine_;
  MachineOfSlice slice0_;
  Zeroed<std::uint8_t> am_written_;  // per byte of the AM: 1
  Zeroed<std::int32_t> am_volume_;   // per byte: 1 + index in the map of whose data it holds
  std::vector<std::int64_t> volume_channels_;  // per volume, as its writers have it; 0: none yet
  std::vector<DdrRegion> ddr_written_;
  std::vector<Flight> flights_;
  std::vector<Race> races_;  // by instruction
  std::vector<Hazard> hazards_;
};

}  // namespace workbench::xdnn
