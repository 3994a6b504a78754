// What a program does that takes energy, counted from its instructions alone: the same in every
// tier, since waiting costs nothing here.
#pragma once

#include <cstdint>
#include <vector>

#include "core/fields.h"
#include "explore/flow/machine.h"

namespace workbench {

// Of one engine in one run, i.e. of xdnn::Machine::images() images.
struct XdnnAccesses {
  std::int64_t macs = 0;  // that the convolutions ask for, padding counted
  std::int64_t idle_slots =
      0;                      // of the array while it computes: edges, channels that are not there
  std::int64_t am_bytes = 0;  // read and written, whole words
  std::int64_t filter_bytes = 0;  // loaded, a slab per pass
  std::int64_t ddr_bytes = 0;     // filters, tensors and tiles
  std::int64_t instructions = 0;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("macs", self.macs);
    visit("idle_slots", self.idle_slots);
    visit("am_bytes", self.am_bytes);
    visit("filter_bytes", self.filter_bytes);
    visit("ddr_bytes", self.ddr_bytes);
    visit("instructions", self.instructions);
  }
};

struct PulpAccesses {
  std::int64_t core_cycles = 0;  // that cores work, over all cores; waiting not counted
  std::int64_t macs = 0;         // that the kernels execute
  std::int64_t l1_words = 0;     // loads and stores of the cores, and the DMA's
  std::int64_t l2_bytes = 0;     // moved by the DMA and the uDMA, loaded by the cores
  std::int64_t l3_bytes = 0;     // moved by the uDMA
  static constexpr void fields(auto& self, auto&& visit) {
    visit("core_cycles", self.core_cycles);
    visit("macs", self.macs);
    visit("l1_words", self.l1_words);
    visit("l2_bytes", self.l2_bytes);
    visit("l3_bytes", self.l3_bytes);
  }
};

// Per layer of the program's info. The program needs no constants.
std::vector<XdnnAccesses> accesses(const xdnn::Program& program, const xdnn::Machine& machine);
std::vector<PulpAccesses> accesses(const pulp::Program& program, const pulp::Machine& machine);

template <typename Accesses>
Accesses sum(const std::vector<Accesses>& layers);

extern template XdnnAccesses sum(const std::vector<XdnnAccesses>& layers);
extern template PulpAccesses sum(const std::vector<PulpAccesses>& layers);

}  // namespace workbench
