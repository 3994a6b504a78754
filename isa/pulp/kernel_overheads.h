// What compiled code takes around the loops of convolutions and pointwise kernels, of which there
// are two: the library's blocks of 4 channels x 2 pixels, as measured on its compiled code, and our
// kernels' of 4 x 4, with what the library has not, as the detailed tier executes
// runtime/pulp/kernels compiled by gcc 12.2 at -O2 (bench/pulp_calls.sh shows both beside the
// model).
#pragma once

#include "isa/pulp/kernel_code.h"

namespace workbench::pulp {

// Of the product of so many columns with all channels, in blocks of four and one by one.
struct ProductOverheads {
  Straight call, blocks;  // where there are blocks
  Straight block_begin, block_end;
  // Of a block, beside that: whose accumulators start at 0; elsewhere; elsewhere and are left as
  // they are; with signed codes; clamped (of one pixel, a channel); with 64 bits.
  Straight zeros, starts, sums, signed_codes, clamped, wide;
  Straight call_starts;       // of codes that start at partial sums, beyond the call
  Straight call_wide;         // with 64 bits, beyond the call
  Straight left, left_value;  // of columns that are no whole words: a block, a value
  Straight channels;          // where channels are left over of fours
  Straight channel_begin, channel_end;
};

struct MatrixOverheads {
  // Whether the numbers of a requantization are loaded where all channels have the same, too.
  bool loads_numbers = false;
  bool sums_by_pairs = false;       // of a pixel, by two channels
  bool in_place = false;            // whether 1x1 windows without padding are read where they are
  Straight wide_shift;              // of 64 bits by a variable
  Straight half_rows, by_channels;  // beyond dealing out rows
  // A convolution; its rows; a pixel whose window lies inside the map, a row of that, a byte that
  // is no word's.
  Straight conv_call, conv_row, pixel, window_row, byte;
  Straight pointwise_call, pointwise_row;
  ProductOverheads four, two, one;
  const ProductOverheads& of(int pixels) const {
    return pixels == 4 ? four : pixels == 2 ? two : one;
  }
  // A window with padding or dilation tap by tap: the pixel, its rows, a tap inside the map and one
  // outside, a byte of zeros that is no word's.
  Straight tapped_pixel, tapped_row, tap, outer_tap, zero_byte;
  // One with padding alone, where it is copied row by row, of which bytes are cleared on the left
  // and on the right, or all; and where some of those are no whole words.
  bool by_rows = false;
  Straight padded_pixel, padded_row, outer_row, left_part, right_part, clear_bytes;
};

const MatrixOverheads& overheads(const Kernel& kernel);
// Dealing the work of a call out to the cores, beyond what the call takes. (A division, where
// neither all of them nor half of them take part, is left out: calls by some cores are calls of a
// smaller cluster.)
void share(CodeBuilder& builder, const Kernel& kernel, const Machine& machine);

}  // namespace workbench::pulp
