#include "sim/pulp/tcdm.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <string_view>

#include "isa/pulp/cost.h"

namespace workbench::pulp {

namespace {

constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

// Accesses of all cores that are simulated; of a longer kernel, the second half of them says how
// the rest goes on. With all of them no published tile takes more than 1.6 % more or less.
constexpr std::int64_t kAccesses = 60'000;

// Of one core, the loads and stores one after the other.
class Stream {
 public:
  explicit Stream(const CoreCode& code) : code_(&code) {}

  std::int64_t address = 0;
  int bytes = 4;
  std::int64_t work = 0;  // cycles between the access before (the start) and this (the end)

  // To the next access; false at the end.
  bool advance() {
    work = 0;
    for (;;) {
      while (!loops_.empty() && at_ == end_of(loops_.back())) close_iteration();
      if (at_ == code_->size()) return false;
      const CodeNode& node = (*code_)[at_++];
      switch (node.kind) {
        case CodeNode::Kind::Work:
          work += node.cycles;
          break;
        case CodeNode::Kind::Loop:
          loops_.push_back(at_ - 1);
          work += node.entry_cycles + node.iteration_cycles;
          break;
        case CodeNode::Kind::Access:
          locate(node);
          return true;
      }
    }
  }

 private:
  std::size_t end_of(std::size_t loop) const {
    return static_cast<std::size_t>((*code_)[loop].end);
  }
  void close_iteration() {
    const CodeNode& loop = (*code_)[loops_.back()];
    std::int64_t& counter = counters_[static_cast<std::size_t>(loop.depth)];
    if (++counter < loop.trips) {
      at_ = loops_.back() + 1;
      work += loop.iteration_cycles;
    } else {
      counter = 0;
      loops_.pop_back();
    }
  }
  void locate(const CodeNode& node) {
    bytes = node.access_bytes;
    address = node.address.base;
    for (std::size_t depth = 0; depth < kLoopDepth; ++depth) {
      address += node.address.step[depth] * counters_[depth];
    }
  }

  const CoreCode* code_;
  std::size_t at_ = 0;
  std::vector<std::size_t> loops_;
  std::array<std::int64_t, kLoopDepth> counters_{};
};

// Who asks banks for words: cores, each waiting for its word, and ports of the DMA.
struct Client {
  std::int64_t word = 0;   // of its next access
  bool crossing = false;   // into the word after, which is a second access
  std::int64_t extra = 0;  // what a crossing costs beyond its second access
  std::int64_t waited = 0;
};

struct Progress {
  std::int64_t cycles = 0, waited = 0;  // without the waits; the waits
};

// One phase of a kernel call: all cores begin together.
class Phase {
 public:
  Phase(const std::vector<CoreCode>& code, const Machine& machine, double dma_bytes_per_cycle)
      : machine_(machine), free_(static_cast<std::size_t>(machine.l1.banks), 0) {
    const double words = dma_bytes_per_cycle / 4;
    const auto ports = static_cast<std::size_t>(std::ceil(words));
    if (ports > 0) port_period_ = static_cast<double>(ports) / words;
    port_accesses_.resize(ports, 0);
    clients_.resize(code.size() + ports);
    times_.resize(clients_.size(), 0);
    ends_.resize(code.size(), 0);
    for (const CoreCode& core : code) streams_.emplace_back(core);
    left_ = streams_.size();
    for (std::size_t core = 0; core < code.size(); ++core) resume(core, 0);
    for (std::size_t port = 0; port < ports; ++port) {
      clients_[code.size() + port].word = static_cast<std::int64_t>(port);
    }
  }

  // Until the cores have had `accesses` more. False: they are done.
  bool run(std::int64_t accesses) {
    while (accesses > 0 && left_ > 0) {
      // In order of time, then of cores; the DMA last (pulp.md 1.3).
      const auto next =
          static_cast<std::size_t>(std::min_element(times_.begin(), times_.end()) - times_.begin());
      if (next < streams_.size()) --accesses;
      serve(next);
    }
    return left_ > 0;
  }

  Progress progress(std::size_t core) const {
    const std::int64_t time = times_[core] == kNever ? ends_[core] : times_[core];
    return {time - clients_[core].waited, clients_[core].waited};
  }

 private:
  void serve(std::size_t who) {
    Client& client = clients_[who];
    std::int64_t& free = free_[static_cast<std::size_t>(client.word % machine_.l1.banks)];
    const std::int64_t start = std::max(times_[who], free);
    free = start + 1;
    client.waited += start - times_[who];
    if (who >= streams_.size()) {
      next_of_port(who, start + 1);
    } else if (client.crossing) {
      client.crossing = false;
      client.word += 1;
      times_[who] = start + 1;
    } else {
      resume(who, start + 1 + client.extra);
    }
  }

  // A core goes on at `time`, up to its next access.
  void resume(std::size_t core, std::int64_t time) {
    Stream& stream = streams_[core];
    const bool more = stream.advance();
    if (!more) {
      ends_[core] = time + stream.work;
      times_[core] = kNever;
      --left_;
      return;
    }
    Client& client = clients_[core];
    client.word = stream.address >> 2;
    client.crossing = machine_.core.misaligned > 0 && (stream.address & 3) + stream.bytes > 4;
    client.extra = client.crossing ? machine_.core.misaligned - 1 : 0;
    times_[core] = time + stream.work;
  }

  void next_of_port(std::size_t who, std::int64_t earliest) {
    const std::size_t port = who - streams_.size();
    clients_[who].word += static_cast<std::int64_t>(port_accesses_.size());
    const double due = port_period_ * static_cast<double>(++port_accesses_[port]);
    times_[who] = std::max(earliest, static_cast<std::int64_t>(due));
  }

  const Machine& machine_;
  std::vector<std::int64_t> free_;   // of each bank: its first cycle without work
  std::vector<Stream> streams_;      // of each core
  std::vector<Client> clients_;      // cores, then ports of the DMA
  std::vector<std::int64_t> times_;  // of each client's next access; kNever: it has none
  std::vector<std::int64_t> ends_;   // of each core that is done
  std::size_t left_ = 0;             // cores that are not
  double port_period_ = 1;           // cycles between the accesses of a port
  std::vector<std::int64_t> port_accesses_;
};

// What core waits in all, having waited `half` after a half of the accesses, `now` by their end:
// from there on as in the second half.
std::int64_t waited_in_all(const Progress& half, const Progress& now, std::int64_t cycles) {
  const std::int64_t seen = now.cycles - half.cycles, left = cycles - now.cycles;
  if (seen <= 0 || left <= 0) return now.waited;
  const double rate = static_cast<double>(now.waited - half.waited) / static_cast<double>(seen);
  return now.waited + std::llround(rate * static_cast<double>(left));
}

// Equal for calls whose banks are the same.
std::vector<std::int64_t> key_of(Kernel kernel, const Machine& machine,
                                 double dma_bytes_per_cycle) {
  for (std::int64_t* address : {&kernel.in, &kernel.in2, &kernel.weights, &kernel.bias,
                                &kernel.kappa, &kernel.lambda, &kernel.out, &kernel.scratch}) {
    *address %= 4 * machine.l1.banks;
  }
  std::vector<std::int64_t> key{std::llround(dma_bytes_per_cycle * 1024)};
  Kernel::fields(kernel, [&](std::string_view, const auto& value) {
    key.push_back(static_cast<std::int64_t>(value));
  });
  return key;
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
  std::map<std::vector<std::int64_t>, std::vector<std::int64_t>> cycles;
};

Tcdm::Tcdm(const Machine& machine) : machine_(machine), memo_(std::make_unique<Memo>()) {}
Tcdm::~Tcdm() = default;

std::vector<std::int64_t> Tcdm::core_cycles(const Kernel& kernel, double dma_bytes_per_cycle) {
  const double share = conflict_share(kernel, machine_);
  if (share == 0) return pulp::core_cycles(kernel, machine_);
  const auto [entry, is_new] = memo_->cycles.try_emplace(
      key_of(kernel, machine_, dma_bytes_per_cycle), std::vector<std::int64_t>{});
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
