// What the arithmetic instructions of Xpulpv2 and XpulpNN compute, from the word of the instruction
// on, bit by bit in 64-bit integers: slow and plain, and it shares nothing with isa/riscv. Its
// structure is that of docs/facts/riscv.md 1.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

namespace workbench::reference {

// rd after the instruction, of rs1, rs2 and rd before; nothing: it is none of these.
std::optional<std::uint32_t> xpulp(std::uint32_t word, std::uint32_t rs1, std::uint32_t rs2,
                                   std::uint32_t rd);

// The registers that mac-loads multiply, and a word of memory.
struct MacLoadRegisters {
  std::uint32_t weights[4] = {}, activations[2] = {};
};
using MacLoadMemory = std::function<std::uint32_t(std::uint32_t address)>;
// What a mac-load does to them, to rd and to rs1, another register; false: it is none.
bool mac_load(std::uint32_t word, const MacLoadMemory& memory, MacLoadRegisters& registers,
              std::uint32_t& rd, std::uint32_t& rs1);

}  // namespace workbench::reference
