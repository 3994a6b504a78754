// One convolution on the array of xDNN V3, clock by clock at the level of processing elements: what
// the transaction tier claims about values and cycles is held against it. It shares nothing with
// isa/ and sim/; its structure is that of docs/facts/xdnn.md 1.1 to 1.6.
//
//   AM word -> rows, row r delayed by r clocks -> 96 x 16 cells, operands move right, sums move
//   down
//           -> accumulators of each column -> bias, scale, shift, clamp, ReLU -> result
//
// A cell is a DSP slice: it multiplies its operand with the weights of two output channels per DSP
// clock, of two more in the next one. A step, one AM word, is two DSP clocks. Filters of a pass are
// used once all of them have come; they follow the operands' delay through the array.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace workbench::reference {

struct ArrayShape {
  std::int64_t in_h = 1, in_w = 1, in_ch = 1, out_h = 1, out_w = 1, out_ch = 1;
  std::int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0;
  std::int64_t dilation_h = 1, dilation_w = 1;
  // Words of 96 channels, then `sections` words of `copies` times 96 / copies channels.
  std::int64_t full = 1, sections = 0, copies = 1;
  bool relu = false;
};

struct OutputChannel {
  std::int64_t bias = 0, scale = 1, shift = 0;
};

// Of one engine: DDR as a rate, for the filters alone.
struct FilterSupply {
  std::int64_t latency = 60;    // memory cycles until the first byte
  double bytes_per_cycle = 38;  // memory cycles
  std::int64_t buffers = 2, buffer_steps = 32;
};

struct ArrayRun {
  std::vector<std::int8_t> result;  // [out_h][out_w][out_ch]
  // Memory cycles from the command on: first operand of each pass enters, the last one has entered,
  // the last result of all has left.
  std::vector<std::int64_t> pass_begins, pass_ends;
  std::int64_t finished = 0;
};

// `input`: [in_h][in_w][in_ch], `weights`: [out_ch][in_ch][kernel_h][kernel_w].
ArrayRun run_array(const ArrayShape& shape, std::span<const std::int8_t> input,
                   std::span<const std::int8_t> weights, std::span<const OutputChannel> channels,
                   const FilterSupply& supply);

}  // namespace workbench::reference
