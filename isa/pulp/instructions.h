// What a tile program consists of: the calls that a generated layer function makes
// (docs/facts/pulp.md 3.6), with every address and size resolved and tile loops unrolled. All cores
// run the program; where one core does something for all, the instruction says so.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "core/fields.h"

namespace workbench::pulp {

// Every core waits until all have come here. What each has waited for is known to all afterwards.
struct Barrier {
  static constexpr void fields(auto&, auto&&) {}
  friend bool operator==(const Barrier&, const Barrier&) = default;
};

// A block of lines between L2 and L1: planes x rows x lines of `length` contiguous bytes; strides
// in bytes. The hardware's commands are of one line (1-D) or of `lines` lines (2-D), the rest is a
// loop in software over rows and planes: as many commands as
//   two_d ? planes * rows : planes * rows * lines.
// `split`: rows (planes where rows is 1, lines where both are 1 and commands are 1-D) are dealt out
// to the cores in contiguous runs of ceil(n / cores), each of which issues its own; else core 0
// issues all.
struct Dma {
  bool to_l1 = true;  // L2 -> L1; false: L1 -> L2
  std::int64_t l2 = 0, l1 = 0;
  std::int64_t length = 0, lines = 1, rows = 1, planes = 1;
  std::int64_t l2_line_stride = 0, l2_row_stride = 0, l2_plane_stride = 0;
  std::int64_t l1_line_stride = 0, l1_row_stride = 0, l1_plane_stride = 0;
  bool two_d = false, split = true;
  std::int64_t id = 0;  // transfer counter; several transfers may share one

  std::int64_t bytes() const { return length * lines * rows * planes; }
  static constexpr void fields(auto& self, auto&& visit) {
    visit("to_l1", self.to_l1);
    visit("l2", self.l2);
    visit("l1", self.l1);
    visit("length", self.length);
    visit("lines", self.lines);
    visit("rows", self.rows);
    visit("planes", self.planes);
    visit("l2_line_stride", self.l2_line_stride);
    visit("l2_row_stride", self.l2_row_stride);
    visit("l2_plane_stride", self.l2_plane_stride);
    visit("l1_line_stride", self.l1_line_stride);
    visit("l1_row_stride", self.l1_row_stride);
    visit("l1_plane_stride", self.l1_plane_stride);
    visit("two_d", self.two_d);
    visit("split", self.split);
    visit("id", self.id);
  }
  friend bool operator==(const Dma&, const Dma&) = default;
};

// Each core waits until its own transfers under counter `id` are done.
struct DmaWait {
  std::int64_t id = 0;
  static constexpr void fields(auto& self, auto&& visit) { visit("id", self.id); }
  friend bool operator==(const DmaWait&, const DmaWait&) = default;
};

// `rows` rows of `length` bytes between L3 and L2, asked for by core 0, done by the fabric
// controller and the uDMA. One transfer of the uDMA per row; contiguous on both sides: one row.
struct L3Transfer {
  bool to_l2 = true;
  std::int64_t l3 = 0, l2 = 0, length = 0, rows = 1, l3_stride = 0, l2_stride = 0;
  std::int64_t id = 0;
  std::int64_t bytes() const { return length * rows; }
  static constexpr void fields(auto& self, auto&& visit) {
    visit("to_l2", self.to_l2);
    visit("l3", self.l3);
    visit("l2", self.l2);
    visit("length", self.length);
    visit("rows", self.rows);
    visit("l3_stride", self.l3_stride);
    visit("l2_stride", self.l2_stride);
    visit("id", self.id);
  }
  friend bool operator==(const L3Transfer&, const L3Transfer&) = default;
};

// Core 0 waits until all L3 transfers under `id` are done.
struct L3Wait {
  std::int64_t id = 0;
  static constexpr void fields(auto& self, auto&& visit) { visit("id", self.id); }
  friend bool operator==(const L3Wait&, const L3Wait&) = default;
};

// Bookkeeping in software, on every core: single-cycle instructions, divisions, loads from L2.
struct Code {
  std::int64_t instructions = 0, divisions = 0, l2_loads = 0;
  static constexpr void fields(auto& self, auto&& visit) {
    visit("instructions", self.instructions);
    visit("divisions", self.divisions);
    visit("l2_loads", self.l2_loads);
  }
  friend bool operator==(const Code&, const Code&) = default;
};

// Begin and end of what DORY's performance counter measures of a layer: the cycles between them.
struct CounterStart {
  static constexpr void fields(auto&, auto&&) {}
  friend bool operator==(const CounterStart&, const CounterStart&) = default;
};
struct CounterStop {
  static constexpr void fields(auto&, auto&&) {}
  friend bool operator==(const CounterStop&, const CounterStop&) = default;
};

// The library's kernels by their split over cores (docs/facts/pulp.md 2.4), and one of our own.
enum class KernelKind : std::int64_t {
  ConvHo,       // im2col, rows over cores
  ConvHoWo,     // im2col, rows and halves of rows
  ConvCo,       // im2col, output channels over cores
  PointwiseHo,  // 1x1, no padding
  PointwiseHoWo,
  PointwiseCo,
  Depthwise3x3s1,  // channels over cores; input [C][H][W]
  DepthwiseGeneric,
  DepthwiseLess4,  // fewer than 4 weights per channel
  Linear,          // 8-bit result
  Linear32,        // int32 accumulators
  Add,
  AveragePool,
  MaxPool,     // destroys its input; maxima only where pools_exactly() (semantics.h)
  Requantize,  // element by element; also plain copies
  // Ours, PULP-NN has none like it: its MaxPool is wrong for windows that begin left of their
  // result, such as 3x3, stride 1, padding 1 (Inception). Rows over cores, four channels of a pixel
  // at a time; leaves its input as it is.
  MaxPoolDirect,
  // Ours, with the same results: 4 channels x 4 pixels in registers instead of 4 x 2.
  ConvHoQuads,
  ConvHoWoQuads,
  ConvCoQuads,
  PointwiseHoQuads,
  PointwiseHoWoQuads,
  PointwiseCoQuads,
  DepthwisePixels,  // ours: 3x3 from input [H][W][C], fours of channels over cores
  AveragePoolCo,    // ours: channels over cores
  // Of cores with more instructions (Machine::Isa): products of codes that stay packed, in blocks
  // of 4 channels x 2 and x 4 pixels, and the same with loads in the products.
  ConvHoPacked,
  ConvHoWoPacked,
  ConvCoPacked,
  PointwiseHoPacked,
  PointwiseHoWoPacked,
  PointwiseCoPacked,
  ConvHoPackedQuads,
  ConvHoWoPackedQuads,
  ConvCoPackedQuads,
  PointwiseHoPackedQuads,
  PointwiseHoWoPackedQuads,
  PointwiseCoPackedQuads,
  ConvHoMacLoad,
  ConvHoWoMacLoad,
  ConvCoMacLoad,
  PointwiseHoMacLoad,
  PointwiseHoWoMacLoad,
  PointwiseCoMacLoad,
  ConvHoMacLoadQuads,
  ConvHoWoMacLoadQuads,
  ConvCoMacLoadQuads,
  PointwiseHoMacLoadQuads,
  PointwiseHoWoMacLoadQuads,
  PointwiseCoMacLoadQuads,
  LinearPacked,
  Linear32Packed,
  LinearMacLoad,
  Linear32MacLoad,
};
std::string_view to_string(KernelKind kind);
constexpr KernelKind last(KernelKind) { return KernelKind::Linear32MacLoad; }  // all dense from 0

// One call of a kernel by all cores, everything in L1. Activations [H][W][C] (depthwise input
// [C][H][W]) of in_bits (8, 4, 2; signed or not), weights [Co][Kh][Kw][Ci] (depthwise [C][Kh][Kw],
// linear [No][Ni]) of weight_bits, signed. Sub-byte codes are packed, first in the low bits; every
// pixel, every plane of a depthwise input and all weights of one output channel begin at a byte.
//
// Result of an accumulator acc (int32, wraps), c = output channel (docs/facts/pulp.md 2.2):
//   norm:   clip((kappa[c] * acc + lambda[c]) >> shift), product and sum wrap at norm_bits (32, 64)
//   norm, clamped (ours): the same in 32 bits of max(low[c], min(acc, high[c])); an entry of kappa
//           is the int32 pair kappa, low, one of lambda the pair lambda, high: norm_bits 64 in all
//   else:   clip((multiplier * acc + offset) >> shift), in 32 bits
//   Add:    per operand a: clip?((a * multiplier_a + offset_a) >> shift_a), then their sum with
//           multiplier, offset, shift as above
//   AveragePool: (sum * multiplier / divisor + offset) >> shift
// clip: to out_bits, signed or not. Linear32 stores acc. Every kernel ends with a barrier.
//
// Ours, the library has none like it: a call may compute some terms only of each result, a piece of
// the input channels or of a pool's window. `sums_in`: accumulators start at what `bias` has of
// each, int32 [pixel][channel]. `sums_out`: they are left so at `out`, to be gone on with. Both may
// be the same place. And where out_bits is 32, products leave their accumulators and Add its result
// unclipped, as int32; where in_bits is, Requantize reads int32.
//
// `cores`: so many take part, the first ones, among which the work is dealt out as among all of so
// small a cluster; the others go to the barrier at once. 0: all. Results do not depend on it; what
// each core needs of the scratch buffer is needed by so many only.
struct Kernel {
  KernelKind kind = KernelKind::ConvHo;
  std::int64_t in = 0, in2 = 0, weights = 0, bias = 0, kappa = 0, lambda = 0, out = 0, scratch = 0;
  std::int64_t in_w = 1, in_h = 1, in_c = 1, out_w = 1, out_h = 1, out_c = 1;
  std::int64_t kernel_w = 1, kernel_h = 1, stride_x = 1, stride_y = 1;
  std::int64_t dilation_x = 1, dilation_y = 1;
  std::int64_t pad_top = 0, pad_bottom = 0, pad_left = 0, pad_right = 0;
  std::int64_t in_bits = 8, weight_bits = 8, out_bits = 8;
  bool in_signed = false, in2_signed = false, out_signed = false;
  bool has_bias = false;  // int32 per output channel, start value of the accumulator
  bool sums_in = false, sums_out = false;
  bool norm = false;
  std::int64_t norm_bits = 32;  // of kappa, lambda and what is computed with them
  bool clamped = false;         // accumulators, before they are multiplied
  std::int64_t multiplier = 1, offset = 0, shift = 0, divisor = 1;
  std::int64_t multiplier1 = 1, offset1 = 0, shift1 = 0;  // Add, first operand ...
  std::int64_t multiplier2 = 1, offset2 = 0, shift2 = 0;  // ... and second
  bool clip_operands = false;  // Add: operands to out_bits before the sum
  std::int64_t cores = 0;

  std::int64_t active_cores(std::int64_t of_cluster) const {
    return cores == 0 ? of_cluster : cores;
  }

  static constexpr void fields(auto& self, auto&& visit) {
    visit("kind", self.kind);
    visit("in", self.in);
    visit("in2", self.in2);
    visit("weights", self.weights);
    visit("bias", self.bias);
    visit("kappa", self.kappa);
    visit("lambda", self.lambda);
    visit("out", self.out);
    visit("scratch", self.scratch);
    visit("in_w", self.in_w);
    visit("in_h", self.in_h);
    visit("in_c", self.in_c);
    visit("out_w", self.out_w);
    visit("out_h", self.out_h);
    visit("out_c", self.out_c);
    visit("kernel_w", self.kernel_w);
    visit("kernel_h", self.kernel_h);
    visit("stride_x", self.stride_x);
    visit("stride_y", self.stride_y);
    visit("dilation_x", self.dilation_x);
    visit("dilation_y", self.dilation_y);
    visit("pad_top", self.pad_top);
    visit("pad_bottom", self.pad_bottom);
    visit("pad_left", self.pad_left);
    visit("pad_right", self.pad_right);
    visit("in_bits", self.in_bits);
    visit("weight_bits", self.weight_bits);
    visit("out_bits", self.out_bits);
    visit("in_signed", self.in_signed);
    visit("in2_signed", self.in2_signed);
    visit("out_signed", self.out_signed);
    visit("has_bias", self.has_bias);
    visit("sums_in", self.sums_in);
    visit("sums_out", self.sums_out);
    visit("norm", self.norm);
    visit("norm_bits", self.norm_bits);
    visit("clamped", self.clamped);
    visit("multiplier", self.multiplier);
    visit("offset", self.offset);
    visit("shift", self.shift);
    visit("divisor", self.divisor);
    visit("multiplier1", self.multiplier1);
    visit("offset1", self.offset1);
    visit("shift1", self.shift1);
    visit("multiplier2", self.multiplier2);
    visit("offset2", self.offset2);
    visit("shift2", self.shift2);
    visit("clip_operands", self.clip_operands);
    visit("cores", self.cores);
  }
  friend bool operator==(const Kernel&, const Kernel&) = default;
};

using Instruction = std::variant<Barrier, Dma, DmaWait, L3Transfer, L3Wait, Code, CounterStart,
                                 CounterStop, Kernel>;

std::string_view opcode(const Instruction& instruction);  // "barrier", "dma", "kernel", ...
// The instruction of that opcode with its fields as declared; none for an unknown opcode.
std::optional<Instruction> blank_instruction(std::string_view opcode);

}  // namespace workbench::pulp
