// What the arithmetic instructions of Xpulpv2 compute, from the word of the instruction on, bit by
// bit in 64-bit integers: slow and plain, and it shares nothing with isa/riscv. Its structure is
// that of docs/facts/riscv.md 1.
#pragma once

#include <cstdint>
#include <optional>

namespace workbench::reference {

// rd after the instruction, of rs1, rs2 and rd before; nothing: it is none of these.
std::optional<std::uint32_t> xpulp(std::uint32_t word, std::uint32_t rs1, std::uint32_t rs2,
                                   std::uint32_t rd);

}  // namespace workbench::reference
