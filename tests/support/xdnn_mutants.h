// Mutants of xDNN programs: one field of one instruction changed, each change one that a compiler
// with a small bug could make. What they are for: a simulator that lets one pass is blind there.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench {

enum class MutantKind { WaitBit, Address, TileSize, WeightOffset, Replication, Geometry };
inline constexpr int kMutantKinds = 6;
std::string_view to_string(MutantKind kind);

struct Mutant {
  MutantKind kind = MutantKind::Address;
  std::size_t instruction = 0;
  std::string field;  // as the vendor calls it; "filters": the address of the filter slabs
  std::int64_t value = 0;
};

// Every mutant of a program, in order:
// - wait bits: each one that is set, cleared. None on machines without wait bits, which ignore
//   them.
// - addresses of AM and DDR operands, results and tile buffers: moved by the smallest step that is
//   an address (a word; 64 bytes in DDR) either way, and to a random word of the memory.
// - tile sizes of tiled convolutions: one more, one less, twice, half.
// - weight offsets: the filters 64 bytes earlier and later, and at a random multiple of 64.
// - replication and concat fields (channel-aligned machines): one more, one less; booleans flipped.
// - what is computed of what: kernels, strides, padding, dilation, sizes, channels, rows and ReLU,
// one
//   more and one less; booleans flipped.
// Left out, as no part of what an instruction does: dst_* of concat parts (their layout is that of
// the volume), concat_* but concat_i_am_your_father of what is no part, src_* of downloads, dst_*
// of uploads, DEST_AM-Buffer_Offset (-1 on all that stream to DDR; the vendor's tiles in the AM
// have no counterpart), and numbers below 0 where no listing could be parsed.
std::vector<Mutant> all_mutants(const xdnn::Program& program, const xdnn::Machine& machine,
                                std::mt19937_64& random);

// For failures: every field that is not 0, as " NAME VALUE".
std::string fields_text(xdnn::Instruction instruction);

xdnn::Program mutated(const xdnn::Program& program, const Mutant& mutant);

// Why the mutant does what the program does, whatever the operands; empty when that is not known.
// From footprints and layouts alone, not from values.
std::string equivalent(const xdnn::Program& program, const Mutant& mutant,
                       const xdnn::Machine& machine);

}  // namespace workbench
