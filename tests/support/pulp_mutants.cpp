#include "tests/support/pulp_mutants.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "isa/pulp/kernels.h"
#include "tests/support/pulp_dataflow.h"

namespace workbench {

namespace {

using namespace pulp;  // NOLINT(google-build-using-namespace)

class Enumeration {
 public:
  Enumeration(const Program& program, const Machine& machine, std::mt19937_64& random)
      : program_(program), machine_(machine), random_(random) {}

  std::vector<PulpMutant> run() {
    for (at_ = 0; at_ < program_.instructions.size(); ++at_) {
      std::visit([this](const auto& op) { mutants_of(op); }, program_.instructions[at_]);
    }
    return std::move(mutants_);
  }

 private:
  void mutants_of(const Barrier&) {
    if (waited_ && !followed_by_barrier()) {
      const auto kind = counts_next() ? PulpMutantKind::CounterBarrier : PulpMutantKind::Barrier;
      mutants_.push_back({kind, at_, "", 0});
    }
    waited_ = false;
  }
  void mutants_of(const DmaWait& op) { wait({false, op.id}); }
  void mutants_of(const L3Wait& op) { wait({true, op.id}); }
  void mutants_of(const Dma& op) {
    asked_.insert({false, op.id});
    move("l2", Space::L2, op.l2, 1);
    move("l1", Space::L1, op.l1, 1);
  }
  void mutants_of(const L3Transfer& op) {
    asked_.insert({true, op.id});
    move("l3", Space::L3, op.l3, 1);
    move("l2", Space::L2, op.l2, 1);
  }
  void mutants_of(const Kernel& op) {
    const bool words = leaves_words(op);
    move("in", Space::L1, op.in, 1);
    if (second_input_bytes(op) > 0) move("in2", Space::L1, op.in2, 1);
    if (weight_bytes(op) > 0) move("weights", Space::L1, op.weights, 1);
    if (bias_bytes(op) > 0) move("bias", Space::L1, op.bias, 4);
    if (norm_bytes(op) > 0) move("kappa", Space::L1, op.kappa, 4);
    if (norm_bytes(op) > 0) move("lambda", Space::L1, op.lambda, 4);
    move("out", Space::L1, op.out, words ? 4 : 1);
    if (scratch_bytes(op, machine_) > 0) move("scratch", Space::L1, op.scratch, 1);
    waited_ = false;
  }
  template <typename Op>
  void mutants_of(const Op&) {}

  using Counter = std::pair<bool, std::int64_t>;  // of L3, id

  void wait(const Counter& counter) {
    if (asked_.erase(counter) == 0) return;
    mutants_.push_back({PulpMutantKind::Wait, at_, "", 0});
    waited_ = true;
  }
  bool counts_next() const {
    if (at_ + 1 == program_.instructions.size()) return false;
    const Instruction& next = program_.instructions[at_ + 1];
    return std::holds_alternative<CounterStart>(next) || std::holds_alternative<CounterStop>(next);
  }
  // Before anything that could find what the barrier kept apart.
  bool followed_by_barrier() const {
    for (std::size_t i = at_ + 1; i < program_.instructions.size(); ++i) {
      const Instruction& next = program_.instructions[i];
      if (std::holds_alternative<Barrier>(next)) return true;
      if (std::holds_alternative<Kernel>(next) || std::holds_alternative<Dma>(next) ||
          std::holds_alternative<L3Transfer>(next)) {
        return false;
      }
    }
    return true;
  }

  void move(const char* field, Space space, std::int64_t value, std::int64_t step) {
    const std::int64_t extent = space == Space::L1   ? program_.l1_bytes
                                : space == Space::L2 ? program_.l2_bytes
                                                     : program_.l3_bytes;
    const auto places = static_cast<std::uint64_t>(std::max<std::int64_t>(1, extent / step));
    const std::int64_t anywhere = step * static_cast<std::int64_t>(random_() % places);
    for (const std::int64_t moved : std::set<std::int64_t>{value + step, value - step, anywhere}) {
      if (moved < 0 || moved == value) continue;
      const auto kind = static_cast<int>(PulpMutantKind::L1Address) + static_cast<int>(space);
      mutants_.push_back({static_cast<PulpMutantKind>(kind), at_, field, moved});
    }
  }

  const Program& program_;
  const Machine& machine_;
  std::mt19937_64& random_;
  std::vector<PulpMutant> mutants_;
  std::size_t at_ = 0;
  std::set<Counter> asked_;  // without a wait so far
  bool waited_ = false;      // since the last barrier
};

}  // namespace

std::string_view to_string(PulpMutantKind kind) {
  switch (kind) {
    case PulpMutantKind::Wait:
      return "wait";
    case PulpMutantKind::Barrier:
      return "barrier";
    case PulpMutantKind::L1Address:
      return "L1 address";
    case PulpMutantKind::L2Address:
      return "L2 address";
    case PulpMutantKind::L3Address:
      return "L3 address";
    case PulpMutantKind::CounterBarrier:
      return "counter barrier";
  }
  return "";
}

std::vector<PulpMutant> all_mutants(const Program& program, const Machine& machine,
                                    std::mt19937_64& random) {
  return Enumeration(program, machine, random).run();
}

Program mutated(const Program& program, const PulpMutant& mutant) {
  Program result = program;
  Instruction& instruction = result.instructions.at(mutant.instruction);
  if (mutant.field.empty()) {
    instruction = Code{};
    return result;
  }
  std::visit(
      [&](auto& op) {
        for_each_field(op, [&](std::string_view field, auto& member) {
          using Member = std::remove_cvref_t<decltype(member)>;
          if (field == mutant.field) member = static_cast<Member>(mutant.value);
        });
      },
      instruction);
  return result;
}

namespace {

// What L2 holds of the constants before an instruction; nothing where a byte is another's.
class ConstantsInL2 {
 public:
  ConstantsInL2(const Program& program, const Machine& machine, std::size_t before)
      : bytes_(static_cast<std::size_t>(program.l2_bytes)) {
    for (std::size_t i = 0; i < before; ++i) {
      const Instruction& instruction = program.instructions[i];
      for (const Region& region : footprint(instruction, machine).writes) forget(region);
      if (const auto* load = std::get_if<L3Transfer>(&instruction)) fetch(*load, program.constants);
    }
  }

  // In the order of the regions; none where one of them is no constant.
  std::optional<std::string> read_by(const Instruction& instruction, const Machine& machine) const {
    std::string read;
    for (const Region& region : footprint(instruction, machine).reads) {
      for (std::int64_t i = 0; i < region.count * region.length; ++i) {
        const std::int64_t at =
            region.address + i / region.length * region.stride + i % region.length;
        if (region.space != Space::L2 || at < 0 || at >= std::ssize(bytes_)) return std::nullopt;
        const auto byte = bytes_[static_cast<std::size_t>(at)];
        if (!byte) return std::nullopt;
        read += *byte;
      }
    }
    return read;
  }

 private:
  void forget(const Region& region) {
    if (region.space != Space::L2) return;
    for (std::int64_t i = 0; i < region.count * region.length; ++i) {
      const std::int64_t at =
          region.address + i / region.length * region.stride + i % region.length;
      bytes_[static_cast<std::size_t>(at)].reset();
    }
  }
  void fetch(const L3Transfer& load, const std::string& constants) {
    if (!load.to_l2 || load.rows != 1 || load.l3 + load.length > std::ssize(constants)) return;
    for (std::int64_t i = 0; i < load.length; ++i) {
      bytes_[static_cast<std::size_t>(load.l2 + i)] =
          constants[static_cast<std::size_t>(load.l3 + i)];
    }
  }

  std::vector<std::optional<char>> bytes_;
};

// Moved to where the same numbers lie: lambdas that are all 0, a byte further.
bool reads_same_constants(const Program& program, const Program& changed, std::size_t at,
                          const Machine& machine) {
  if (!std::holds_alternative<Dma>(program.instructions[at])) return false;
  const ConstantsInL2 constants(program, machine, at);
  const auto before = constants.read_by(program.instructions[at], machine);
  return before && before == constants.read_by(changed.instructions[at], machine);
}

}  // namespace

std::string equivalent(const Program& program, const PulpMutant& mutant, const Machine& machine) {
  const Program changed = mutated(program, mutant);
  if (!depends_on_timing(changed, machine).empty()) return "";
  if (mutant.field.empty()) return "everything is ordered without it";
  if (mutant.field == "l2" && reads_same_constants(program, changed, mutant.instruction, machine)) {
    return "the same constants lie there";
  }
  const auto before = provenance(program, machine), after = provenance(changed, machine);
  return !before.empty() && before == after ? "all that is looked at comes from the same bytes"
                                            : "";
}

}  // namespace workbench
