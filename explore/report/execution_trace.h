// What each core of a program called and waited for, over time (docs/detailed-tier.md).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "sim/riscv/cluster.h"

namespace workbench {

// Observes a cluster whose calls are all watched (ClusterOptions::watch_all). A long program has
// more calls than a trace can hold: then the shortest are left out.
class CallRecorder {
 public:
  CallRecorder(const riscv::Elf& program, const pulp::Machine& machine,
               std::size_t most_slices = 500'000);

  void operator()(const riscv::CoreEvent& event);

  // After the program's end: a track per core, the fabric controller's last, one per direction of
  // the DMA, one of L3.
  std::string trace(const riscv::Cluster& cluster, const std::string& name);

  std::int64_t shortest_cycles() const { return shortest_; }  // of what is kept

 private:
  struct Slice {
    std::int64_t begin = 0, end = 0;
    std::int32_t function = 0;  // into Elf::functions; or -1 - EventUnit::Wait
    std::uint32_t core = 0;
  };
  struct Open {
    std::size_t function = 0;
    std::int64_t begin = 0;
  };

  void keep(const Slice& slice);
  std::string name_of(const Slice& slice) const;

  const riscv::Elf& program_;
  const pulp::Machine& machine_;
  std::size_t most_slices_;
  std::int64_t shortest_ = 1;
  std::vector<std::vector<Open>> open_;  // by core: calls that have not returned
  std::vector<Slice> slices_;
};

}  // namespace workbench
