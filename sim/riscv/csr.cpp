// Control and status registers: which core this is, cycles, RI5CY's counters (docs/facts/riscv.md
// 3.4), hardware loops. Those of traps only keep what is written to them: there are no traps.
#include <algorithm>

#include "core/error.h"
#include "sim/riscv/cluster.h"

namespace workbench::riscv {
namespace {

constexpr Word kHartId = 0xf14, kCycle = 0xb00, kCycleHigh = 0xb80, kInstret = 0xb02,
               kInstretHigh = 0xb82, kUserCycle = 0xc00, kUserCycleHigh = 0xc80,
               kUserInstret = 0xc02, kUserInstretHigh = 0xc82, kPccr = 0x780, kPccrAll = 0x79f,
               kPcer = 0x7a0, kPcmr = 0x7a1, kLoops = 0x7b0;
constexpr Word kKept[] = {0x300, 0x301, 0x304, 0x305, 0x306, 0x340, 0x341,
                          0x342, 0x343, 0x344, 0xf11, 0xf12, 0xf13};

}  // namespace

// In the order of RI5CY's events; a load-use stall is one of loads, a taken branch one of branches.
std::array<std::uint64_t, kCounters> Cluster::counts(const Hart& hart, std::int64_t time) const {
  std::array<std::uint64_t, kCounters> n{};
  std::uint64_t asleep = 0;
  const auto load_use = static_cast<std::uint64_t>(machine_.core.load_use);
  for (std::size_t k = 0; k + 1 < code_.size(); ++k) {
    const std::uint64_t times = hart.count[k];
    const Stalls& stalls = hart.stalls[k];
    if (times == 0) continue;
    const Op& op = code_[k];
    n[1] += times;
    n[4] += static_cast<std::uint64_t>(stalls.fetch);
    n[16] += static_cast<std::uint64_t>(stalls.conflict);
    asleep += static_cast<std::uint64_t>(stalls.event + stalls.barrier);
    if (op.halfwords == 1) n[10] += times;
    if (op.opcode >= Op::kUndecoded) continue;  // overwritten since
    const bool jump_follows =
        code_[k + op.halfwords].opcode == static_cast<std::uint16_t>(Opcode::jalr);
    if (jump_follows && op.stall > 0) n[3] += times * kJumpRegisterUse;
    const auto memory = static_cast<std::uint64_t>(stalls.memory);
    switch (row(static_cast<Opcode>(op.opcode)).unit) {
      case Unit::Load:
      case Unit::EventLoad:
        n[2] += times * std::min<std::uint64_t>(op.stall, load_use);
        n[5] += times;
        n[14] += memory;
        if (memory > 0) n[12] += times;
        break;
      case Unit::MacLoad:
        if (!mac_load_control(op.immediate).loads()) break;
        n[2] += times * std::min<std::uint64_t>(op.stall, load_use);
        n[5] += times;
        n[14] += memory;
        if (memory > 0) n[12] += times;
        break;
      case Unit::Store:
        n[6] += times;
        n[15] += memory;
        if (memory > 0) n[13] += times;
        break;
      case Unit::Jump:
      case Unit::JumpRegister:
        n[7] += times;
        break;
      case Unit::Branch:
        n[8] += times;
        n[9] += static_cast<std::uint64_t>(stalls.branch /
                                           std::max<std::int64_t>(1, machine_.core.taken_branch));
        break;
      default:
        break;
    }
  }
  n[17] = static_cast<std::uint64_t>(time);
  n[0] = n[17] - std::min(n[17], asleep);
  return n;
}

void Cluster::set_counting(Hart& hart, bool counting, std::int64_t time) {
  if (hart.counting == counting) return;
  const auto all = counts(hart, time);
  for (std::size_t k = 0; k < kCounters && !counting; ++k) {
    hart.counters[k] += all[k] - hart.started[k];
  }
  hart.started = all;
  hart.counting = counting;
}

Word Cluster::read_csr(Hart& hart, Word number, std::int64_t time) {
  if (number == kHartId) return hart.id;
  if (number == kCycle || number == kUserCycle) return static_cast<Word>(time);
  if (number == kCycleHigh || number == kUserCycleHigh) return static_cast<Word>(time >> 32);
  if (number == kInstret || number == kUserInstret) return static_cast<Word>(counts(hart, time)[1]);
  if (number == kInstretHigh || number == kUserInstretHigh) {
    return static_cast<Word>(counts(hart, time)[1] >> 32);
  }
  if (number - kPccr < kCounters) {
    const std::size_t k = number - kPccr;
    const std::uint64_t running = hart.counting ? counts(hart, time)[k] - hart.started[k] : 0;
    return static_cast<Word>(hart.counters[k] + running);
  }
  if (number == kPcmr) return hart.counting ? 1 : 0;
  if (number - kLoops < 8 && (number - kLoops) % 4 < 3) {
    const Loop& loop = hart.loops[(number - kLoops) / 4];
    if ((number - kLoops) % 4 == 2) return loop.count;
    const Op* const op = (number - kLoops) % 4 == 0 ? loop.start : loop.end;
    return op == nullptr ? 0 : code_.address(op);
  }
  const bool kept = std::find(std::begin(kKept), std::end(kKept), number) != std::end(kKept);
  if (!kept && number != kPcer && number != kPccrAll) {
    program_fault(hart, hart.op, fmt::format("there is no register 0x{:x}", number));
  }
  return hart.csrs[number];
}

void Cluster::write_csr(Hart& hart, Word number, Word value, std::int64_t time) {
  if (number == kPcmr) {
    set_counting(hart, (value & 1) != 0, time);
  } else if (number - kPccr < kCounters || number == kPccrAll) {
    for (std::size_t k = 0; k < kCounters; ++k) {
      if (number == kPccrAll || number - kPccr == k) hart.counters[k] = value;
    }
    if (hart.counting) hart.started = counts(hart, time);
  } else {
    hart.csrs[number] = value;
  }
}

void Cluster::csr(Hart& hart, const Op* op, std::int64_t time) {
  hart.op = const_cast<Op*>(op);  // for messages
  const auto opcode = static_cast<Opcode>(op->opcode);
  const bool immediate = row(opcode).format == Format::CsrI;
  const Word source = immediate ? op->rs1 : hart.x[op->rs1], number = op->immediate;
  if (number != kHartId) standstill_.changed();
  const Word old = read_csr(hart, number, time);
  const bool writes = opcode == Opcode::csrrw || opcode == Opcode::csrrwi || op->rs1 != 0;
  if (writes) {
    const bool sets = opcode == Opcode::csrrs || opcode == Opcode::csrrsi;
    const bool clears = opcode == Opcode::csrrc || opcode == Opcode::csrrci;
    write_csr(hart, number, sets ? old | source : clears ? old & ~source : source, time);
  }
  hart.x[op->rd] = old;
}

}  // namespace workbench::riscv
