// Watches the memories while a program runs, in program order: transfers that something gets in the
// way of because nothing has waited for them, reads of what was never written, addresses outside,
// and whatever is not as the program's memory map says. Of L1 it knows whose bytes they are: a
// buffer that is filled again holds nothing of the tile before, even where the bytes happen to be
// equal. What is ordered follows from the program alone (waits, barriers), never from the timing.
// Never looks at values.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "isa/program_info.h"
#include "isa/pulp/footprint.h"
#include "isa/pulp/machine.h"
#include "isa/pulp/program.h"

namespace workbench::pulp {

inline constexpr std::size_t kSpaces = 3;

// The least interval around the regions of a space; empty: begin >= end.
struct Box {
  std::int64_t begin = 0, end = 0;
};
using Boxes = std::array<Box, kSpaces>;
Boxes boxes(const std::vector<Region>& regions);

class HazardMonitor {
 public:
  // `sizes`: of what is modelled of each space, in bytes.
  HazardMonitor(const Program& program, const Machine& machine,
                const std::array<std::int64_t, kSpaces>& sizes);

  // The instruction is issued at `time`. False when an address is outside the memories: it must not
  // be executed. Barriers and waits go through here, too.
  bool issue(std::int32_t instruction, std::int64_t time);
  // A tensor is read from outside after `instruction`: a core must have waited for it.
  void result_read(const TensorPlace& place, std::int32_t instruction, std::int64_t time);
  void host_wrote(const TensorPlace& place);
  // The host has had its turn, for which the cluster stood still: all transfers are done, and every
  // core knows.
  void host_returned() { open_.clear(); }

  const std::vector<Hazard>& hazards() const { return hazards_; }

 private:
  // A transfer that not every core knows to be done.
  struct Open {
    std::int32_t instruction = -1;
    bool waited = false;  // by the core that issued it
    Footprint touched;
    Boxes reads, writes;
  };

  bool in_range(std::int32_t instruction, const Footprint& touched, std::int64_t time);
  void note_wait(const Instruction& op);
  void check_pair(const Open& earlier, const Open& later, std::int64_t time);
  bool kept_apart_by_core(std::int32_t earlier, std::int32_t later) const;
  void check_written(std::int32_t instruction, const std::vector<Region>& reads, std::int64_t time);
  void begin_volumes(std::int32_t instruction);
  void check_map(std::int32_t instruction, const Footprint& touched, std::int64_t time);
  bool mapped(std::int32_t instruction, const Region& region, bool write, std::int64_t time);
  void mark_written(const std::vector<Region>& writes);
  void mark_read(const std::vector<Region>& reads);
  void begin_refills(const std::vector<Region>& writes);
  void forget(const Volume& volume, bool all);
  void all_know_what_was_waited_for();
  void raise(Hazard::Kind kind, std::int32_t instruction, std::int32_t other, Space space,
             std::int64_t address, std::int64_t time);
  const std::string& layer(std::int32_t instruction) const;

  const Program& program_;
  const Machine& machine_;
  enum Byte : std::uint8_t { Unwritten, Written, Used };    // Used: and read since, in L1
  std::array<std::vector<std::uint8_t>, kSpaces> written_;  // per byte: Byte
  std::vector<bool> used_;                                  // per volume: some of its bytes
  std::vector<std::size_t> by_first_;  // volumes, in order of their first instruction
  std::size_t next_volume_ = 0;
  std::vector<std::size_t> alive_;  // volumes alive at the last instruction asked for
  std::array<bool, kSpaces> has_map_{};
  std::vector<Open> open_;
  std::vector<Hazard> hazards_;
};

// The bytes of a tensor.
std::vector<Region> regions(const TensorPlace& place);

}  // namespace workbench::pulp
