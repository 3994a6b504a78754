#include "sim/riscv/code.h"

#include <algorithm>

namespace workbench::riscv {

Code::Code(Word begin, std::span<const std::uint8_t> bytes, const pulp::Machine& machine)
    : begin_(begin),
      bytes_(bytes),
      core_(machine.core),
      isa_(machine.isa),
      ops_(bytes.size() / 2 + 1) {
  ops_.back().opcode = Op::kIllegal;
}

Word Code::word(const Op* op) const {
  const std::size_t at = 2 * index(op);
  Word value = 0;
  for (std::size_t k = 0; k < 4 && at + k < bytes_.size(); ++k) {
    value |= static_cast<Word>(bytes_[at + k]) << 8 * k;
  }
  return value;
}

// Whether the cores have it.
bool Code::has(Opcode opcode) const {
  const Extension extension = extension_of(opcode);
  if (extension.mac_load && isa_.mac_load == 0) return false;
  return extension.bits == 0 || (extension.bits == 4 ? isa_.dot_4bit : isa_.dot_2bit) != 0;
}

// But for its stall.
Op Code::translated(const Op* place) const {
  Op op = *place;
  const std::optional<Instruction> found = riscv::decode(word(place));
  if (!found || !has(found->opcode) || 2 * index(place) + found->bytes > bytes_.size()) {
    op.opcode = Op::kIllegal;
    return op;
  }
  const Registers used = registers(*found);
  op.opcode = static_cast<std::uint16_t>(found->opcode);
  const bool writes = (used.written >> found->rd & 1) != 0;
  const Unit unit = row(found->opcode).unit;
  const bool rd_is_source = unit == Unit::Store || unit == Unit::HardwareLoop;
  op.rd = writes || rd_is_source ? found->rd : Op::kNoRegister;
  op.rs1 = found->rs1;
  op.rs2 = found->rs2;
  op.halfwords = found->bytes / 2;
  const bool straddles = op.halfwords == 2 && (address(place) & 2) != 0;
  op.flags =
      static_cast<std::uint8_t>((op.flags & Op::kLoopEnd) | (straddles ? Op::kStraddles : 0));
  op.immediate = found->immediate;
  op.reads = used.read;
  return op;
}

void Code::decode(Op* op) {
  *op = translated(op);
  if (op->opcode == Op::kIllegal) return;
  const Op* const place = op + op->halfwords;
  const Op after = place->opcode == Op::kUndecoded ? translated(place) : *place;
  op->stall = after.opcode == Op::kIllegal ? 0 : stall(*op, after);
}

namespace {

// Whether a mac-load multiplies by what the one before it has loaded.
bool multiplies_loaded(const Op& op, const Op& after) {
  const auto is_mac_load = [](const Op& one) {
    return one.opcode < Op::kUndecoded &&
           row(static_cast<Opcode>(one.opcode)).unit == Unit::MacLoad;
  };
  if (!is_mac_load(op) || !is_mac_load(after)) return false;
  const MacLoadControl loaded = mac_load_control(op.immediate);
  const MacLoadControl used = mac_load_control(after.immediate);
  return (loaded.loads_weights && loaded.weights == used.weights) ||
         (loaded.loads_activations && loaded.activations == used.activations);
}

}  // namespace

std::uint8_t Code::stall(const Op& op, const Op& after) const {
  if (multiplies_loaded(op, after)) return static_cast<std::uint8_t>(core_.load_use);
  if (op.rd >= Op::kNoRegister || (after.reads >> op.rd & 1) == 0) return 0;
  const bool jumps = after.opcode == static_cast<std::uint16_t>(Opcode::jalr);
  return static_cast<std::uint8_t>(result_use(op) + (jumps ? kJumpRegisterUse : 0));
}

// What an instruction waits that wants the result of the one before it.
std::uint8_t Code::result_use(const Op& op) const {
  switch (row(static_cast<Opcode>(op.opcode)).unit) {
    case Unit::Load:
      return static_cast<std::uint8_t>(core_.load_use);
    case Unit::Multiply:
      return static_cast<std::uint8_t>(core_.multiply_use);
    case Unit::Alu:
    case Unit::MultiplyHigh:
    case Unit::Divide:
    case Unit::Pc:
    case Unit::Store:
    case Unit::EventLoad:
    case Unit::MacLoad:
    case Unit::Branch:
    case Unit::Jump:
    case Unit::JumpRegister:
    case Unit::HardwareLoop:
    case Unit::Csr:
    case Unit::System:
    case Unit::Nothing:
      return 0;
  }
  return 0;
}

void Code::written(Word address, Word bytes) {
  const Word offset = address - begin_;
  if (offset >= bytes_.size() && offset < ~0U - 3) return;
  const std::int64_t first = static_cast<std::int64_t>(as_signed(offset)) / 2;
  // An instruction of 4 bytes may begin a halfword before, and one before it looks at it.
  for (std::int64_t k = first - 3; k <= first + bytes / 2; ++k) {
    if (k < 0 || k >= std::ssize(ops_) - 1) continue;
    ops_[static_cast<std::size_t>(k)].opcode = Op::kUndecoded;
  }
}

std::ptrdiff_t Code::distance(const Op* op, Word offset) const {
  const std::ptrdiff_t halfwords = as_signed(offset) / 2;
  const auto at = static_cast<std::ptrdiff_t>(index(op));
  const std::ptrdiff_t target = at + halfwords;
  if (target >= 0 && target < std::ssize(ops_)) return halfwords;
  return std::ssize(ops_) - 1 - at;
}

}  // namespace workbench::riscv
