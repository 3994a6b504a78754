#include "sim/pulp/tcdm.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <map>
#include <unordered_map>
#include <utility>

#include "core/error.h"
#include "isa/pulp/alike.h"
#include "isa/pulp/cost.h"
#include "sim/pulp/access_stream.h"

namespace workbench::pulp {

namespace {

// Accesses of all cores that are simulated; of a longer kernel, the second half of them says how
// the rest goes on. With all of them no published tile takes more than 1.6 % more or less.
constexpr std::int64_t kAccesses = 60'000;

struct Progress {
  std::int64_t cycles = 0, waited = 0;  // without the waits; the waits
};

// One phase of a kernel call: all cores begin together. Accesses come in order of time, then of
// cores; those of the DMA last (pulp.md 1.3).
class Phase {
 public:
  Phase(const std::vector<CoreCode>& code, const Machine& machine, double dma_bytes_per_cycle)
      : bank_mask_(static_cast<std::uint32_t>(machine.l1.banks - 1)),
        free_(static_cast<std::size_t>(machine.l1.banks), 0),
        due_(kHorizon, 0) {
    CHECK(code.size() <= 32, "{} cores", code.size());
    const double words = dma_bytes_per_cycle / 4;
    ports_.resize(static_cast<std::size_t>(std::ceil(words)));
    if (!ports_.empty()) port_period_ = static_cast<double>(ports_.size()) / words;
    for (std::size_t port = 0; port < ports_.size(); ++port) {
      ports_[port].word = static_cast<std::uint32_t>(port);
    }
    for (const CoreCode& core : code) cores_.emplace_back(core, machine);
    left_ = cores_.size();
    for (std::size_t core = 0; core < cores_.size(); ++core) resume(core, 0);
    now_due_ = std::exchange(due_[0], 0);
  }

  // Until the cores have had `accesses` more. False: they are done.
  bool run(std::int64_t accesses) {
    while (accesses > 0 && left_ > 0) {
      if (now_due_ == 0) {
        next_cycle();
        continue;
      }
      const auto core = static_cast<std::size_t>(std::countr_zero(now_due_));
      now_due_ &= now_due_ - 1;
      Core& it = cores_[core];
      if (it.time > now_) {
        put_down(core);
        continue;
      }
      --accesses;
      const std::int64_t start = served(it.word);
      it.waited += start - now_;
      resume(core, start + 1);
    }
    return left_ > 0;
  }

  Progress progress(std::size_t core) const {
    const Core& it = cores_[core];
    return {it.time - it.waited, it.waited};
  }

 private:
  // So many cycles from now each has a mask of the cores that come then; who comes later comes in
  // the last of them, to be put down again.
  static constexpr std::int64_t kHorizon = 256;

  struct Core {
    Core(const CoreCode& code, const Machine& machine) : stream(code, machine) {}
    std::int64_t time = 0;   // of its next access; of its end
    std::uint32_t word = 0;  // of its next access
    std::int64_t waited = 0;
    std::size_t next = 0, known = 0;  // of `coming`
    std::array<WordAccess, 128> coming;
    AccessStream stream;
  };
  struct Port {
    std::uint32_t word = 0;
    std::int64_t time = 0, accesses = 0;
  };

  void put_down(std::size_t core) {
    const std::int64_t time = std::min(cores_[core].time, now_ + kHorizon - 1);
    due_[static_cast<std::size_t>(time % kHorizon)] |= std::uint32_t{1} << core;
  }

  void next_cycle() {
    for (Port& port : ports_) {
      if (port.time <= now_) serve(port);
    }
    ++now_;
    now_due_ = std::exchange(due_[static_cast<std::size_t>(now_ % kHorizon)], 0);
  }

  // When the bank serves whom comes now.
  std::int64_t served(std::uint32_t word) {
    std::int64_t& free = free_[word & bank_mask_];
    const std::int64_t start = std::max(now_, free);
    free = start + 1;
    return start;
  }

  // A core goes on at `time`, up to its next access.
  void resume(std::size_t core, std::int64_t time) {
    Core& it = cores_[core];
    if (it.next == it.known) {
      it.known = it.stream.take(it.coming);
      it.next = 0;
      if (it.known == 0) {
        it.time = time + it.stream.work_left();
        --left_;
        return;
      }
    }
    const WordAccess& access = it.coming[it.next++];
    it.time = time + access.work;
    it.word = access.word;
    put_down(core);
  }

  void serve(Port& port) {
    const std::int64_t start = served(port.word);
    port.word += static_cast<std::uint32_t>(ports_.size());
    const double due = port_period_ * static_cast<double>(++port.accesses);
    port.time = std::max(start + 1, static_cast<std::int64_t>(due));
  }

  std::uint32_t bank_mask_;
  std::vector<std::int64_t> free_;  // of each bank: its first cycle without work
  std::vector<Core> cores_;
  std::vector<Port> ports_;         // of the DMA
  double port_period_ = 1;          // cycles between the accesses of a port
  std::size_t left_ = 0;            // cores that are not done
  std::vector<std::uint32_t> due_;  // by cycle modulo the horizon
  std::int64_t now_ = 0;
  std::uint32_t now_due_ = 0;  // of those that come now, who has not been served
};

// What core waits in all, having waited `half` after a half of the accesses, `now` by their end:
// from there on as in the second half.
std::int64_t waited_in_all(const Progress& half, const Progress& now, std::int64_t cycles) {
  const std::int64_t seen = now.cycles - half.cycles, left = cycles - now.cycles;
  if (seen <= 0 || left <= 0) return now.waited;
  const double rate = static_cast<double>(now.waited - half.waited) / static_cast<double>(seen);
  return now.waited + std::llround(rate * static_cast<double>(left));
}

}  // namespace

std::vector<std::int64_t> contended_cycles(const std::vector<CoreCode>& code,
                                           const Machine& machine, double dma_bytes_per_cycle) {
  Phase phase(code, machine, dma_bytes_per_cycle);
  std::vector<Progress> half(code.size());
  bool more = phase.run(kAccesses / 2);
  for (std::size_t core = 0; core < code.size(); ++core) half[core] = phase.progress(core);
  more = more && phase.run(kAccesses / 2);
  std::vector<std::int64_t> result;
  for (std::size_t core = 0; core < code.size(); ++core) {
    const Progress now = phase.progress(core);
    const std::int64_t cycles = more ? code_cost(code[core], machine).cycles : now.cycles;
    result.push_back(cycles + waited_in_all(half[core], now, cycles));
  }
  return result;
}

struct Tcdm::Memo {
  using ByRate = std::map<double, std::vector<std::int64_t>>;  // bytes of the DMA per cycle
  std::unordered_map<Kernel, ByRate, KernelHash> cycles;
};

Tcdm::Tcdm(const Machine& machine) : machine_(machine), memo_(std::make_unique<Memo>()) {}
Tcdm::~Tcdm() = default;

std::vector<std::int64_t> Tcdm::core_cycles(const Kernel& kernel, double dma_bytes_per_cycle) {
  const double share = conflict_share(kernel, machine_);
  if (share == 0) return pulp::core_cycles(kernel, machine_);
  const auto [entry, is_new] = memo_->cycles[alike(kernel)].try_emplace(dma_bytes_per_cycle);
  std::vector<std::int64_t>& total = entry->second;
  if (!is_new) return total;
  for (const std::vector<CoreCode>& phase : kernel_code(kernel, machine_).phases) {
    std::vector<std::int64_t> cycles = contended_cycles(phase, machine_, dma_bytes_per_cycle);
    for (std::size_t core = 0; core < cycles.size() && share < 1; ++core) {
      const std::int64_t alone = code_cost(phase[core], machine_).cycles;
      cycles[core] = alone + std::llround(share * static_cast<double>(cycles[core] - alone));
    }
    append_phase(total, cycles, machine_);
  }
  return total;
}

}  // namespace workbench::pulp
