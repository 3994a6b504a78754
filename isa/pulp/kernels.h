// The kernels: a row each with what sets it apart, by families that compute the same. The file of a
// family (kernel_*.cpp) has its rows, what the kernels compute and the code that the cores run;
// whatever depends on the kernel elsewhere asks the row.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "isa/pulp/codes.h"
#include "isa/pulp/instructions.h"
#include "isa/pulp/kernel_code.h"
#include "isa/pulp/machine.h"

namespace workbench::pulp {

enum class Family { Conv, Pointwise, Depthwise, Linear, Add, AveragePool, MaxPool, Requantize };
std::string_view to_string(Family family);
constexpr Family last(Family) { return Family::Requantize; }  // all dense from 0

// How the work of a call is dealt out to the cores.
enum class Split {
  Rows,      // of the result
  HalfRows,  // rows and halves of rows: two cores share each group of rows
  Channels,  // of the result
};

using CodeOf = CoreCode (*)(const Kernel&, const Machine&, std::int64_t core);

struct KernelTraits {
  KernelKind kind = KernelKind::ConvHo;
  std::string_view name;  // in files and listings
  Family family = Family::Conv;
  Split split = Split::Rows;

  // Operands.
  std::int64_t operands = 1;  // activations read: in, and in2
  bool weights = false;       // and a bias where has_bias
  bool norm = false;          // may have kappa and lambda
  bool by_channel = true;     // every output channel reads its own input channel only
  bool planes = false;        // input [C][H][W]
  bool words = false;         // result: int32 accumulators
  bool divides = false;       // by Kernel::divisor
  bool partial = false;       // may begin and end with partial sums
  bool wide_in = false;       // reads int32 where in_bits is 32
  bool wide_out = false;      // leaves int32 where out_bits is 32
  bool vector = false;        // one pixel of all input channels
  std::int64_t pixels = 2;    // a matrix product computes at once
  bool window = true;         // false: 1x1, stride 1, no padding
  bool dilation = false;
  bool fewer_rows = false;  // makes as many rows as it is told, not all that there could be
  // Products of codes as wide as the weights, which stay packed; false: of bytes.
  bool packed = false;
  bool mac_load = false;        // products load the next operands
  bool in_place = false;        // the result may lie where an operand does
  bool destroys_input = false;  // leaves intermediate results in it

  // What the kernel cannot do though the row allows it; empty: the call is fine. Null: nothing.
  std::string (*limit)(const Kernel& call) = nullptr;
  // Whether it is the one of its family for a layer of this shape; null: always. Of several that
  // are, the first is the library's choice (docs/facts/pulp.md 2.4, 3.3).
  bool (*serves)(const Kernel& layer) = nullptr;
  // Bytes of the scratch buffer for so many cores; null: none.
  std::int64_t (*scratch_bytes)(const Kernel& call, std::int64_t cores) = nullptr;

  // What a call does to L1, bit for bit (semantics.h).
  void (*execute)(const Kernel& call, Bytes8& l1, int threads) = nullptr;
  // What each core runs, phase by phase with a barrier between; null: one phase less.
  std::array<CodeOf, 2> code{};
  // Equal for cores whose code takes the same: as much work, at addresses that are alike modulo a
  // word. Null: no two cores are known to.
  std::vector<std::int64_t> (*likeness)(const Kernel& call, const Machine&,
                                        std::int64_t core) = nullptr;
  // Of the stalls that a replay of the accesses finds, the share that the machine shows; null: all.
  double (*conflict_share)(const Machine&) = nullptr;
};

const KernelTraits& traits(KernelKind kind);
// In the order in which the library prefers them.
std::span<const KernelTraits> kernels_of(Family family);
// Whether a call's results are int32 accumulators.
inline bool leaves_words(const Kernel& call) {
  return call.sums_out || call.out_bits == 32 || traits(call.kind).words;
}
// Whether a call's results are scaled in 64 bits.
inline bool is_wide(const Kernel& call) {
  return call.norm && call.norm_bits == 64 && !call.clamped;
}
// The same where they are words, as far as the code goes: with results of 32 bits.
inline Kernel with_word_results(Kernel call) {
  if (leaves_words(call)) call.out_bits = 32;
  return call;
}
// Of the codes that a matrix product multiplies, to which narrower ones are widened.
inline std::int64_t product_bits(const Kernel& call) {
  return traits(call.kind).packed ? call.weight_bits : 8;
}
// Which of the machine's extensions the call needs and the cores do not have; empty: none.
std::string missing_extension(const Kernel& call, const Machine& machine);
// The kernel of a vector that leaves accumulators where this one may leave codes.
KernelKind leaving_words(KernelKind linear);
// What all kernels of the family have in common.
inline const KernelTraits& traits(Family family) { return kernels_of(family).front(); }

// Whether the results of a max pool are the maxima of its windows whatever the input. Those of
// MaxPoolDirect always are, those of MaxPool where out_w is 1 or pad_left < stride_x. Beyond that
// they are only by luck. The library writes the maximum of a row's window x over column x, its
// first column before it compares the others (docs/facts/pulp.md 2.4): a window that begins left of
// x loses what was at x and sees maxima of others, and one that begins in the padding begins at x
// instead of at 0.
bool pools_exactly(const Kernel& max_pool);

// --- for the families' own files

std::span<const KernelTraits> conv_kernels();
std::span<const KernelTraits> pointwise_kernels();
std::span<const KernelTraits> depthwise_kernels();
std::span<const KernelTraits> linear_kernels();
std::span<const KernelTraits> add_kernels();
std::span<const KernelTraits> average_pool_kernels();
std::span<const KernelTraits> max_pool_kernels();
std::span<const KernelTraits> requantize_kernels();

// KernelTraits::limit of what keeps its channels.
std::string channels_limit(const Kernel& call);
// Convolution, pointwise and linear kernels are one matrix product.
void multiply(const Kernel& call, Bytes8& l1, int threads);
std::vector<std::int64_t> matrix_likeness(const Kernel& call, const Machine& machine,
                                          std::int64_t core);
// KernelTraits::limit and serves of kernels that multiply packed codes.
std::string packed_limit(const Kernel& call);
bool serves_packed(const Kernel& call);
// Of those with mac-load, which multiply bytes as well.
std::string mac_load_limit(const Kernel& call);
bool serves_mac_load(const Kernel& call);
// Of a kernel of the library or of ours, the one that multiplies packed codes.
constexpr KernelTraits packed_kernel(KernelTraits row, bool mac_load) {
  row.packed = true;
  row.mac_load = mac_load;
  row.limit = mac_load ? mac_load_limit : packed_limit;
  row.serves = mac_load ? serves_mac_load : serves_packed;
  return row;
}

// Whether blocks of 4 channels x 4 pixels can compute it.
bool has_quads(const Kernel& call);
// Columns of im2col, as many pixels a core as a product takes, of codes of product_bits()
// (docs/facts/pulp.md 2.4).
std::int64_t columns_bytes(const Kernel& call, std::int64_t cores);
// Also of pointwise kernels whose input has to be unpacked.
CoreCode conv_code(const Kernel& call, const Machine& machine, std::int64_t core);
CoreCode pointwise_code(const Kernel& call, const Machine& machine, std::int64_t core);

}  // namespace workbench::pulp
