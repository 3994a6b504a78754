#include "compiler/pulp/idle_barriers.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "isa/pulp/footprint.h"
#include "isa/pulp/mchan.h"
#include "isa/pulp/program.h"

namespace workbench::pulp {
namespace {

bool meet(const std::vector<Region>& a, const std::vector<Region>& b) {
  return std::any_of(a.begin(), a.end(), [&](const Region& left) {
    return std::any_of(b.begin(), b.end(),
                       [&](const Region& right) { return overlap(left, right); });
  });
}

bool conflict(const Footprint& a, const Footprint& b) {
  return meet(a.writes, b.reads) || meet(a.reads, b.writes) || meet(a.writes, b.writes);
}

// Redundant barriers: emitters put one wherever a core may wait for data that other cores read;
// which core reads what depends on how the cores share each transfer.
class IdleBarriers {
 public:
  IdleBarriers(const Program& program, const Machine& machine)
      : program_(program), machine_(machine), touched_(program.instructions.size()) {
    for (const HostStep& step : program.host_steps) quiet_.insert(step.before);
  }

  // Their numbers, ascending.
  std::vector<std::size_t> run() {
    for (at_ = 0; at_ < touched_.size(); ++at_) {
      if (is_quiet(at_)) asked_.clear(), waited_.clear(), together_ = true;
      std::visit([this](const auto& op) { pass(op); }, program_.instructions[at_]);
    }
    return std::move(idle_);
  }

 private:
  // The host has its turn before instruction `i`: everything asked for is done then.
  bool is_quiet(std::size_t i) const { return quiet_.contains(static_cast<std::int32_t>(i)); }

  // One behind the host's turn is what results that the host has completed are there after.
  void pass(const Barrier&) {
    if (is_quiet(at_) || (counts_next() ? !together_ : needed())) {
      meet();
    } else {
      idle_.push_back(at_);
    }
  }
  void pass(const Kernel&) { meet(); }  // ends with a barrier
  void pass(const Dma&) { ask(); }
  void pass(const L3Transfer&) { ask(); }
  void pass(const DmaWait& op) { wait<Dma>(op.id); }
  void pass(const L3Wait& op) { wait<L3Transfer>(op.id); }
  template <typename Op>
  void pass(const Op&) {}

  void meet() {
    waited_.clear();
    together_ = true;
  }

  void ask() {
    asked_.push_back(at_);
    together_ = false;
  }

  template <typename Transfer>
  void wait(std::int64_t id) {
    together_ = false;
    const auto arrived = [&](std::size_t i) {
      const auto* transfer = std::get_if<Transfer>(&program_.instructions[i]);
      return transfer != nullptr && transfer->id == id;
    };
    std::copy_if(asked_.begin(), asked_.end(), std::back_inserter(waited_), arrived);
    std::erase_if(asked_, arrived);
  }

  bool counts_next() const {
    if (at_ + 1 == touched_.size()) return false;
    const Instruction& next = program_.instructions[at_ + 1];
    return std::holds_alternative<CounterStart>(next) || std::holds_alternative<CounterStop>(next);
  }

  const Footprint& touched(std::size_t i) {
    if (!touched_[i]) touched_[i] = footprint(program_.instructions[i], machine_);
    return *touched_[i];
  }

  bool needed() {
    for (std::size_t i = at_ + 1; i < touched_.size() && !is_quiet(i); ++i) {
      const Instruction& next = program_.instructions[i];
      if (std::holds_alternative<Barrier>(next)) return false;
      for (const std::size_t earlier : waited_) {
        if (conflict(touched(earlier), touched(i)) && !same_cores(earlier, i)) return true;
      }
      if (std::holds_alternative<Kernel>(next)) return false;
    }
    return false;
  }

  Footprint of_core(std::size_t i, std::int64_t core) {
    const auto* dma = std::get_if<Dma>(&program_.instructions[i]);
    if (dma == nullptr) return core == 0 ? touched(i) : Footprint{};
    const auto part = share_of_core(*dma, core, machine_.cluster.cores);
    return part ? footprint(*part, machine_) : Footprint{};
  }

  // Where both touch the same bytes, it is the same core's part of either.
  bool same_cores(std::size_t earlier, std::size_t later) {
    if (std::holds_alternative<Kernel>(program_.instructions[later])) return false;
    for (std::int64_t a = 0; a < machine_.cluster.cores; ++a) {
      const Footprint first = of_core(earlier, a);
      for (std::int64_t b = 0; b < machine_.cluster.cores; ++b) {
        if (a != b && conflict(first, of_core(later, b))) return false;
      }
    }
    return true;
  }

  const Program& program_;
  const Machine& machine_;
  std::vector<std::optional<Footprint>> touched_;  // computed on first use
  std::set<std::int32_t> quiet_;
  std::size_t at_ = 0;
  std::vector<std::size_t> asked_;   // transfers without a wait so far
  std::vector<std::size_t> waited_;  // known to be done to the issuing cores alone
  bool together_ = true;             // the cores, since a barrier or the program's begin
  std::vector<std::size_t> idle_;
};

// Numbers of instructions without those of `gone`.
class Renumbering {
 public:
  Renumbering(const std::vector<std::size_t>& gone, std::size_t count) : kept_before_(count + 1) {
    auto next = gone.begin();
    for (std::size_t i = 0; i < count; ++i) {
      const bool kept = next == gone.end() || *next != i;
      kept_before_[i + 1] = kept_before_[i] + (kept ? 1 : 0);
      if (!kept) ++next;
    }
  }
  bool kept(std::size_t i) const { return kept_before_[i + 1] > kept_before_[i]; }
  // The first that is kept from `i` on; the last up to `i`.
  void from(std::int32_t& i) const { i = kept_before_[static_cast<std::size_t>(i)]; }
  void up_to(std::int32_t& i) const {
    i = std::max(0, kept_before_[static_cast<std::size_t>(i) + 1] - 1);
  }

 private:
  std::vector<std::int32_t> kept_before_;
};

template <typename T>
void keep(std::vector<T>& list, const Renumbering& numbers) {
  std::size_t to = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (!numbers.kept(i)) continue;
    if (to != i) list[to] = std::move(list[i]);
    ++to;
  }
  list.resize(to);
}

}  // namespace

void drop_idle_barriers(LoopedProgram& looped, const Machine& machine) {
  Program& program = looped.program;
  const Renumbering numbers(IdleBarriers(program, machine).run(), program.instructions.size());
  keep(program.instructions, numbers);
  keep(program.info.instruction_layer, numbers);
  keep(program.info.instruction_text, numbers);
  keep(program.text_numbers, numbers);
  for (TileLoop& loop : looped.loops) {
    for (std::int32_t& at : loop.at) numbers.from(at);
  }
  for (Probe& probe : program.probes) numbers.up_to(probe.after);
  for (HostStep& step : program.host_steps) numbers.from(step.before);
  for (Volume& volume : program.memory_map) {
    numbers.from(volume.first);
    numbers.up_to(volume.last);
  }
}

}  // namespace workbench::pulp
