// Instructions of one core after the other, until it comes to something that the cores share at a
// time that others may not have reached.
#include <utility>

#include "core/error.h"
#include "sim/riscv/cluster.h"

namespace workbench::riscv {
namespace {

// Where a load or store goes; moves the register on.
template <Format kFormat>
inline Word address_of(std::array<Word, 33>& x, const Op& op) {
  const Word base = x[op.rs1];
  if constexpr (kFormat == Format::L || kFormat == Format::S) {
    return base + op.immediate;
  } else if constexpr (kFormat == Format::LR) {
    return base + x[op.rs2];
  } else if constexpr (kFormat == Format::SR) {
    return base + x[op.rd];
  } else {
    return base;
  }
}

template <Format kFormat>
inline void move_on(std::array<Word, 33>& x, const Op& op) {
  if constexpr (kFormat == Format::LPost || kFormat == Format::SPost) {
    x[op.rs1] += op.immediate;
    x[0] = 0;
  } else if constexpr (kFormat == Format::LPostR) {
    x[op.rs1] += x[op.rs2];
    x[0] = 0;
  } else if constexpr (kFormat == Format::SPostR) {
    x[op.rs1] += x[op.rd];
    x[0] = 0;
  }
}

template <unsigned kBytes, bool kSigned>
inline Word extended(Word value) {
  if constexpr (kBytes == 4) {
    return value;
  } else {
    return kSigned ? sign_extended(value, 8 * kBytes) : value & ((1U << 8 * kBytes) - 1);
  }
}

}  // namespace

template <bool kCached>
void Cluster::run_hart(Hart& hart) {
  const std::int64_t now = wheel_.now();
  const pulp::Machine::Core& core = machine_.core;
  std::array<Word, 33>& x = hart.x;
  std::uint64_t* const count = hart.count.data();
  const Op* const first = &code_[0];
  const Word l1_bytes = static_cast<Word>(memories_.l1.bytes.size()) - 3;
  std::uint8_t* const l1 = memories_.l1.bytes.data();
  const bool near_l1 = hart.l1_cycles == 0;
  std::int64_t time = hart.time;
  Op* op = hart.op;

  // Serves an access at its bank; `time` is when. What crosses the end of a word is two accesses,
  // each in its turn among the cores': false after the first, the instruction comes again at
  // `time`.
  const auto banks = [&](Word address, unsigned bytes) {
    Stalls& stalls = hart.stalls[static_cast<std::size_t>(op - first)];
    const bool second = std::exchange(hart.crosses, false);
    const std::int64_t waited = banks_.serve(second ? address + 4 : address, time) - time;
    if (waited != 0) {
      stalls.conflict += waited;
      hart.conflict += waited;
      time += waited;
    }
    if (second || (address & 3) + bytes <= 4 || core.misaligned == 0) return true;
    hart.crosses = true;
    stalls.misaligned += core.misaligned;
    time += core.misaligned;
    return false;
  };
  // The next instruction is `to`, behind a jump or branch.
  const auto go_to = [&](Op* to) {
    if (to->opcode == Op::kUndecoded) code_.decode(to);
    if ((to->flags & Op::kStraddles) != 0) {
      hart.stalls[static_cast<std::size_t>(op - first)].target += kStraddlingTarget;
      time += kStraddlingTarget;
    }
    ++count[op - first];
    op = to;
  };
  const auto taken = [&] {
    hart.stalls[static_cast<std::size_t>(op - first)].branch += core.taken_branch;
    time += 1 + core.taken_branch;
    go_to(op + code_.distance(op, op->immediate));
  };

  for (;;) {
    if constexpr (kCached) {
      const auto line = static_cast<std::int64_t>(code_.address(op)) / machine_.icache.line_bytes;
      if (line != hart.line) {
        if (time != now) return park(hart, op, time);
        time += fetch(hart, op);
      }
    }
    switch (op->opcode) {
#define ALU(id, text, match, mask, format, unit, result)                        \
  case static_cast<std::uint16_t>(Opcode::id): {                                \
    [[maybe_unused]] const Word a = x[op->rs1], b = x[op->rs2];                 \
    [[maybe_unused]] const Word d = x[op->rd], i = op->immediate;               \
    x[op->rd] = static_cast<Word>(result);                                      \
    if constexpr (Unit::unit == Unit::Divide) time += core.division;            \
    if constexpr (Unit::unit == Unit::Multiply) time += core.multiply;          \
    if constexpr (Unit::unit == Unit::MultiplyHigh) time += core.multiply_high; \
    break;                                                                      \
  }
#define LOAD(id, text, match, mask, format, bytes, is_signed)                  \
  case static_cast<std::uint16_t>(Opcode::id): {                               \
    if (time != now) return park(hart, op, time);                              \
    const Word address = address_of<Format::format>(x, *op);                   \
    Word value = 0;                                                            \
    if (const Word offset = address - kL1Base; offset < l1_bytes && near_l1) { \
      if (!banks(address, bytes)) return park(hart, op, time);                 \
      std::memcpy(&value, l1 + offset, bytes);                                 \
    } else if (load(hart, op, address, bytes, time, value) == Access::Retry) { \
      return park(hart, op, now + 1);                                          \
    }                                                                          \
    move_on<Format::format>(x, *op);                                           \
    x[op->rd] = extended<bytes, is_signed>(value);                             \
    break;                                                                     \
  }
#define STORE(id, text, match, mask, format, bytes)                              \
  case static_cast<std::uint16_t>(Opcode::id): {                                 \
    if (time != now) return park(hart, op, time);                                \
    const Word address = address_of<Format::format>(x, *op);                     \
    const Word value = x[op->rs2];                                               \
    if (const Word offset = address - kL1Base; offset < l1_bytes && near_l1) {   \
      if (!banks(address, bytes)) return park(hart, op, time);                   \
      if (standstill_.looks() && std::memcmp(l1 + offset, &value, bytes) != 0) { \
        standstill_.changed();                                                   \
      }                                                                          \
      std::memcpy(l1 + offset, &value, bytes);                                   \
    } else if (store(hart, op, address, bytes, time, value) == Access::Retry) {  \
      return park(hart, op, now + 1);                                            \
    }                                                                            \
    move_on<Format::format>(x, *op);                                             \
    break;                                                                       \
  }
#define MAC_LOAD(id, text, match, mask, product)                                 \
  case static_cast<std::uint16_t>(Opcode::id): {                                 \
    const MacLoadControl control = mac_load_control(op->immediate);              \
    const Word p = hart.activations[control.activations];                        \
    const Word w = hart.weights[control.weights];                                \
    if (control.loads()) {                                                       \
      if (time != now) return park(hart, op, time);                              \
      const Word address = hart.x[op->rs1];                                      \
      Word value = 0;                                                            \
      if (const Word offset = address - kL1Base; offset < l1_bytes && near_l1) { \
        if (!banks(address, 4)) return park(hart, op, time);                     \
        std::memcpy(&value, l1 + offset, 4);                                     \
      } else if (load(hart, op, address, 4, time, value) == Access::Retry) {     \
        return park(hart, op, now + 1);                                          \
      }                                                                          \
      (control.loads_weights ? hart.weights[control.weights]                     \
                             : hart.activations[control.activations]) = value;   \
      hart.x[op->rd] += product;                                                 \
      hart.x[op->rs1] = address + 4;                                             \
      hart.x[0] = 0;                                                             \
    } else {                                                                     \
      hart.x[op->rd] += product;                                                 \
    }                                                                            \
    break;                                                                       \
  }
#define BRANCH(id, text, match, mask, format, condition)                         \
  case static_cast<std::uint16_t>(Opcode::id): {                                 \
    [[maybe_unused]] const Word a = x[op->rs1];                                  \
    [[maybe_unused]] const Word b =                                              \
        Format::format == Format::BImm ? sign_extended(op->rs2, 5) : x[op->rs2]; \
    if (condition) {                                                             \
      taken();                                                                   \
      if (time - now >= Wheel::kHorizon) return park(hart, op, time);            \
      continue;                                                                  \
    }                                                                            \
    break;                                                                       \
  }
#define OTHER(id, ...)
#include "isa/riscv/instructions.inc"
#undef ALU
#undef LOAD
#undef STORE
#undef BRANCH
#undef OTHER
      case static_cast<std::uint16_t>(Opcode::auipc):
        x[op->rd] = code_.address(op) + op->immediate;
        break;
      case static_cast<std::uint16_t>(Opcode::jal):
      case static_cast<std::uint16_t>(Opcode::jalr): {
        const bool direct = op->opcode == static_cast<std::uint16_t>(Opcode::jal);
        Op* const to = direct ? op + code_.distance(op, op->immediate)
                              : target(hart, op, (x[op->rs1] + op->immediate) & ~1U);
        x[op->rd] = code_.address(op) + 2U * op->halfwords;
        time += 1 + core.jump;
        go_to(to);
        jumped(hart, to, time);
        if (time - now >= Wheel::kHorizon) return park(hart, op, time);
        continue;
      }
      case static_cast<std::uint16_t>(Opcode::lp_starti):
      case static_cast<std::uint16_t>(Opcode::lp_endi):
      case static_cast<std::uint16_t>(Opcode::lp_count):
      case static_cast<std::uint16_t>(Opcode::lp_counti):
      case static_cast<std::uint16_t>(Opcode::lp_setup):
      case static_cast<std::uint16_t>(Opcode::lp_setupi):
        set_loop(hart, op);
        break;
      case static_cast<std::uint16_t>(Opcode::fence):
      case static_cast<std::uint16_t>(Opcode::fence_i):
        break;
      case static_cast<std::uint16_t>(Opcode::csrrw):
      case static_cast<std::uint16_t>(Opcode::csrrs):
      case static_cast<std::uint16_t>(Opcode::csrrc):
      case static_cast<std::uint16_t>(Opcode::csrrwi):
      case static_cast<std::uint16_t>(Opcode::csrrsi):
      case static_cast<std::uint16_t>(Opcode::csrrci):
        csr(hart, op, time);
        break;
      case static_cast<std::uint16_t>(Opcode::p_elw): {
        if (time != now) return park(hart, op, time);
        Word value = 0;
        if (event_load(hart, op, x[op->rs1] + op->immediate, time, value) == Access::Asleep) return;
        x[op->rd] = value;
        break;
      }
      case static_cast<std::uint16_t>(Opcode::ecall):
      case static_cast<std::uint16_t>(Opcode::ebreak):
      case static_cast<std::uint16_t>(Opcode::wfi):
        if (time != now) return park(hart, op, time);
        if (system(hart, op, time) == Access::Asleep) return;
        break;
      case Op::kUndecoded:
        code_.decode(op);
        continue;
      default:
        program_fault(hart, op, "no instruction: " + code_.complaint(op));
    }
    ++count[op - first];
    time += 1 + op->stall;
    if ((op->flags & Op::kLoopEnd) == 0) {
      op += op->halfwords;
      continue;
    }
    op = end_of_body(hart, op, time);
    if (time - now >= Wheel::kHorizon) return park(hart, op, time);
  }
}

void Cluster::turn(unsigned actor) {
  if (actor < harts_.size()) {
    Hart& hart = harts_[actor];
    hart.time = wheel_.now();
    if (machine_.icache.ideal != 0) {
      run_hart<false>(hart);
    } else {
      run_hart<true>(hart);
    }
    return;
  }
  const unsigned lane = actor - static_cast<unsigned>(harts_.size());
  if (lane < Mchan::kLanes) {
    const auto next = dma_.run(lane, wheel_.now());
    if (next) wheel_.put(actor, *next);
  } else {
    events_.raise(l3_.finish(), EventUnit::kL3Event);
    if (const auto next = l3_.next()) wheel_.put(actor, *next);
  }
  after_registers();
}

}  // namespace workbench::riscv
