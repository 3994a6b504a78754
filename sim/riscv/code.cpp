#include "sim/riscv/code.h"

#include <fmt/format.h>

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

namespace {

// What compilers make for other cores, by the major opcode of the base ISA.
std::string_view foreign(Word word) {
  if ((word & 3) != 3) {
    const Word major = (word >> 13 & 7) << 2 | (word & 3);
    const bool floats = major == 0b00100 || major == 0b00110 || major == 0b01100 ||
                        major == 0b01110 || major == 0b10100 || major == 0b10110 ||
                        major == 0b11100 || major == 0b11110;
    return floats ? "a load or store of floats" : "";
  }
  switch (word & 0x7f) {
    case 0x07:
    case 0x27:
    case 0x43:
    case 0x47:
    case 0x4b:
    case 0x4f:
    case 0x53:
      return "of floats";
    case 0x2f:
      return "atomic";
    case 0x1b:
    case 0x3b:
      return "of 64 bits";
    default:
      return "";
  }
}

}  // namespace

std::string Code::complaint(const Op* op) const {
  const Word bits = word(op);
  const bool is_short = (bits & 3) != 3;
  const std::string found =
      is_short ? fmt::format("0x{:04x}", bits & 0xffff) : fmt::format("0x{:08x}", bits);
  if (const auto known = riscv::decode(bits); known && !has(known->opcode)) {
    const Extension extension = extension_of(known->opcode);
    return fmt::format("{} ({}), which these cores have not: expected a machine with isa.{}: 1",
                       found, disassemble(*known, address(op)),
                       extension.mac_load && isa_.mac_load == 0 ? "mac_load"
                       : extension.bits == 4                    ? "dot_4bit"
                                                                : "dot_2bit");
  }
  if ((bits & 0xffff) == 0) return found + ": data, or memory that nothing has written";
  const std::string_view kind = foreign(bits);
  if (kind.empty()) return found + ": data, or an instruction beyond RV32IMC and Xpulpv2";
  return fmt::format("{} ({}): build it with -march=rv32imc -mabi=ilp32", found, kind);
}

void Code::written(Word address, Word bytes) {
  const std::int64_t begin = std::int64_t{address} - begin_, end = begin + bytes;
  if (end <= 0 || begin >= std::ssize(bytes_)) return;
  // An instruction of 4 bytes may begin a halfword before, and one before it looks at it.
  const std::int64_t first = std::max<std::int64_t>(0, begin / 2 - 3);
  const std::int64_t last = std::min(std::ssize(ops_) - 2, (end - 1) / 2);
  for (std::int64_t k = first; k <= last; ++k) {
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
