// Instructions as the model of the cores runs them: decoded when a core first comes to them, one
// place per halfword.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "isa/pulp/machine.h"
#include "isa/riscv/instruction.h"

namespace workbench::riscv {

struct Op {
  static constexpr std::uint16_t kUndecoded = static_cast<std::uint16_t>(Opcode::kCount);
  static constexpr std::uint16_t kIllegal = kUndecoded + 1;
  // Of `flags`: a hardware loop may end here; 4 bytes that straddle a word.
  static constexpr std::uint8_t kLoopEnd = 1, kStraddles = 2;
  static constexpr std::uint8_t kNoRegister = 32;

  std::uint16_t opcode = kUndecoded;
  std::uint8_t rd = 0;  // kNoRegister: what is written to x0
  std::uint8_t rs1 = 0, rs2 = 0;
  std::uint8_t halfwords = 1;
  std::uint8_t stall = 0;  // cycles that the next instruction in the file waits for this one
  std::uint8_t flags = 0;
  Word immediate = 0;
  Word reads = 0;  // registers by bit
};
static_assert(sizeof(Op) == 16);

// docs/facts/riscv.md 2: a jump or branch to an instruction that straddles a word, and a jalr whose
// address the instruction before it makes.
inline constexpr std::int64_t kStraddlingTarget = 1;
inline constexpr std::uint8_t kJumpRegisterUse = 1;

class Code {
 public:
  // The bytes at `begin` of a memory that may change.
  Code(Word begin, std::span<const std::uint8_t> bytes, const pulp::Machine& machine);

  Op* at(Word address) {
    const Word offset = address - begin_;
    return (address & 1) == 0 && offset < bytes_.size() ? &ops_[offset / 2] : nullptr;
  }
  Word address(const Op* op) const { return begin_ + 2 * static_cast<Word>(index(op)); }
  std::size_t index(const Op* op) const { return static_cast<std::size_t>(op - ops_.data()); }
  std::size_t size() const { return ops_.size(); }
  const Op& operator[](std::size_t at) const { return ops_[at]; }

  void decode(Op* op);
  // What `after` waits when it follows `op` at once.
  std::uint8_t stall(const Op& op, const Op& after) const;
  // Bytes at an address have been written.
  void written(Word address, Word bytes);
  // A branch to it, in halfwords; out of the code: to the illegal instruction behind its end.
  std::ptrdiff_t distance(const Op* op, Word offset) const;
  // The four bytes at an instruction, 0 where they end.
  Word word(const Op* op) const;
  // Of what the cores cannot execute: the bytes, and what may be the reason.
  std::string complaint(const Op* op) const;

 private:
  bool has(Opcode opcode) const;
  Op translated(const Op* place) const;
  std::uint8_t result_use(const Op& op) const;

  Word begin_;
  std::span<const std::uint8_t> bytes_;
  pulp::Machine::Core core_;
  pulp::Machine::Isa isa_;
  std::vector<Op> ops_;  // one more than halfwords: no instruction
};

}  // namespace workbench::riscv
