#include "isa/pulp/kernel_overheads.h"

#include "isa/pulp/kernels.h"

namespace workbench::pulp {

namespace {

constexpr Straight kHalves{.instructions = 5};  // two cores share rows ([4,4,512,4])
// RV32 has no shift of 64 bits by a variable: the compiler's library computes it (__ashrdi3). Three
// moves for operands and result; call; test for 0, 32 less the shift, test for 32 or more, two
// shifts and their sum, one shift; return (docs/facts/pulp.md 2.3).
constexpr Straight kShift64{.instructions = 13, .jumps = 2};

constexpr MatrixOverheads kLibrary{
    .wide_shift = kShift64,
    .conv_call = {.instructions = 112, .stack = 40},
    .conv_row = {.instructions = 14, .stack = 5, .taken_branches = 1},
    // The tiles of 3x3, 3 channels determine what one pixel takes, not all of its parts (fit within
    // 0.05 %): of an inner pixel 15 + 3 rows of 22 + 3 a word + 6 a byte, of a padded one 15 + 9
    // taps of 17 + 6 a byte, 5 a byte of zeros.
    .pixel = {.instructions = 11, .stack = 4, .taken_branches = 2},
    .window_row = {.instructions = 18, .stack = 6, .taken_branches = 1, .jumps = 2},
    .byte = {.instructions = 1, .load_uses = 1, .taken_branches = 1},
    // A pointwise kernel: 27 arguments, registers, the core's share; the row loop.
    .pointwise_call = {.instructions = 94, .stack = 40},
    .pointwise_row = {.instructions = 8, .stack = 3, .taken_branches = 1},
    .two =
        {// A call: 6 of 14 arguments over the stack, 13 registers saved and restored, jump there
         // and back (120 = [10,8,32,64] less [4,8,32,64] by pairs of pixels).
         .call = {.instructions = 114, .stack = 40, .taken_branches = 2, .jumps = 2},
         // Around the loops of a block: 109 with 8 requantized outputs ([2,8,256,co] by blocks):
         // pointers to rows and columns, 8 accumulators, tests for bias, left-over and flags.
         .block_begin = {.instructions = 45, .stack = 15},
         .block_end = {.instructions = 6, .stack = 2, .taken_branches = 1},
         // Counter and branch back (18 for 4 x 2, as DORY's own estimate has it,
         // docs/facts/pulp.md 2.3).
         .left_value = {.instructions = 2, .taken_branches = 1},
         // A left-over channel x 2 pixels: 30 with both outputs (docs/facts/pulp.md 2.3).
         .channel_begin = {.instructions = 10, .stack = 3},
         .channel_end = {.instructions = 4, .taken_branches = 1}},
    // A single pixel: 13 and 27 for each channel ([1,4,1024,2]: the two not separable, split as
    // counted).
    .one = {.call = {.instructions = 13},
            .left_value = {.instructions = 2, .taken_branches = 1},
            .channel_begin = {.instructions = 14, .stack = 4},
            .channel_end = {.instructions = 4, .taken_branches = 1}},
    .tapped_pixel = {.instructions = 11, .stack = 4, .taken_branches = 2},
    .tap = {.instructions = 13, .stack = 4, .taken_branches = 1, .jumps = 2},
    .outer_tap = {.instructions = 13, .stack = 4, .taken_branches = 1, .jumps = 2},
    .zero_byte = {.instructions = 2, .taken_branches = 1}};

// Blocks of 4 x 4 have 28 registers in the inner loop: 16 accumulators, 4 words of weights, 2 of
// activations, for either a pointer and two steps (p.lw advances by a register: three times a row
// on, then three rows back and a word on).
constexpr MatrixOverheads kOurs{
    .loads_numbers = true,
    .sums_by_pairs = true,
    .in_place = true,
    .wide_shift = {.instructions = 9, .jumps = 1},
    .half_rows = {.instructions = 7, .taken_branches = 1},
    .by_channels = {.instructions = 16, .load_uses = 2, .taken_branches = 1},
    .conv_call =
        {.instructions = 306, .stack = 110, .load_uses = 6, .taken_branches = 12, .jumps = 16},
    .conv_row = {.instructions = 35, .stack = 12, .taken_branches = 4, .jumps = 3},
    .pixel = {.instructions = 50, .stack = 18, .load_uses = 2, .taken_branches = 1, .jumps = 4},
    .window_row = {.instructions = 9, .load_uses = 1, .taken_branches = 1},
    .byte = {.load_uses = 1},
    .pointwise_call =
        {.instructions = 290, .stack = 100, .load_uses = 6, .taken_branches = 11, .jumps = 14},
    .pointwise_row =
        {.instructions = 32, .stack = 10, .load_uses = 1, .taken_branches = 4, .jumps = 2},
    .four = {.call = {.instructions = 66, .stack = 30, .load_uses = 1, .jumps = 6},
             .blocks =
                 {.instructions = 40, .stack = 26, .load_uses = 1, .taken_branches = 3, .jumps = 2},
             .block_begin = {.instructions = 38, .stack = 4},
             .block_end = {.instructions = 6, .taken_branches = 1},
             .zeros = {.instructions = 16},
             .starts = {.instructions = 7, .taken_branches = 1, .jumps = 1},
             .sums = {.instructions = 13, .taken_branches = 1, .jumps = 1},
             .signed_codes = {.instructions = 6, .taken_branches = 2, .jumps = 1},
             .clamped = {.instructions = 3, .taken_branches = 1, .jumps = 1},
             .wide = {.instructions = 43, .stack = 16},
             .call_wide = {.instructions = 22},
             .left = {.instructions = 9, .taken_branches = 3}},
    .two = {.call =
                {.instructions = 150, .stack = 60, .load_uses = 4, .taken_branches = 6, .jumps = 6},
            .block_begin = {.instructions = 44, .stack = 15},
            .block_end = {.instructions = 6, .stack = 2, .taken_branches = 1},
            .starts = {.instructions = 41, .stack = 16, .load_uses = 2, .taken_branches = 2},
            .clamped = {.instructions = 5},
            .wide = {.instructions = 24, .stack = 16, .load_uses = 1, .jumps = 2},
            .call_starts =
                {.instructions = 62, .stack = 30, .load_uses = 1, .taken_branches = 3, .jumps = 4},
            .channels =
                {.instructions = 66, .stack = 30, .load_uses = 4, .taken_branches = 4, .jumps = 6},
            .channel_begin = {.instructions = 17, .stack = 3, .load_uses = 2},
            .channel_end = {.instructions = 4, .taken_branches = 1}},
    .one =
        {.call = {.instructions = 96, .stack = 40, .load_uses = 4, .taken_branches = 7, .jumps = 6},
         .clamped = {.instructions = 3},
         .channel_begin = {.instructions = 15, .stack = 4},
         .channel_end = {.instructions = 4, .taken_branches = 1}},
    .tapped_pixel =
        {.instructions = 84, .stack = 30, .load_uses = 3, .taken_branches = 4, .jumps = 6},
    .tapped_row = {.instructions = 12, .stack = 3, .taken_branches = 2},
    .tap = {.instructions = 11, .stack = 2, .taken_branches = 2, .jumps = 1},
    .outer_tap = {.instructions = 15, .stack = 2, .taken_branches = 3, .jumps = 1},
    .by_rows = true,
    .padded_pixel =
        {.instructions = 92, .stack = 30, .load_uses = 3, .taken_branches = 4, .jumps = 5},
    .padded_row = {.instructions = 13, .taken_branches = 2},
    .outer_row = {.instructions = 13, .taken_branches = 2, .jumps = 1},
    .left_part = {.instructions = 8, .taken_branches = 1},
    .right_part = {.instructions = 11, .taken_branches = 1},
    .clear_bytes = {.instructions = 6}};

// Products of codes that stay packed (nn_packed.c), with and without loads in them. Results that no
// block has come one by one, whatever the number of pixels.
constexpr MatrixOverheads kPacked{
    .wide_shift = {.instructions = 9, .jumps = 1},
    .conv_call =
        {.instructions = 185, .stack = 60, .load_uses = 6, .taken_branches = 8, .jumps = 10},
    .conv_row = {.instructions = 36, .stack = 12, .taken_branches = 4, .jumps = 2},
    .pixel = {.instructions = 76, .stack = 30, .load_uses = 2, .taken_branches = 4, .jumps = 4},
    .window_row =
        {.instructions = 32, .stack = 10, .load_uses = 2, .taken_branches = 3, .jumps = 2},
    .byte = {.load_uses = 1},
    .pointwise_call =
        {.instructions = 161, .stack = 60, .load_uses = 6, .taken_branches = 8, .jumps = 10},
    .pointwise_row =
        {.instructions = 28, .stack = 8, .load_uses = 1, .taken_branches = 3, .jumps = 2},
    .four =
        {.call =
             {.instructions = 225, .stack = 90, .load_uses = 8, .taken_branches = 8, .jumps = 10},
         .block_begin =
             {.instructions = 160, .stack = 70, .load_uses = 6, .taken_branches = 6, .jumps = 8},
         .block_end = {.instructions = 5, .taken_branches = 2},
         .clamped = {.instructions = 52},
         .left =
             {.instructions = 110, .stack = 40, .load_uses = 3, .taken_branches = 6, .jumps = 8},
         .channels =
             {.instructions = 75, .stack = 30, .load_uses = 2, .taken_branches = 4, .jumps = 6},
         .channel_begin =
             {.instructions = 330, .stack = 80, .load_uses = 12, .taken_branches = 16, .jumps = 16},
         .channel_end = {.instructions = 4, .taken_branches = 1}},
    .two =
        {.call =
             {.instructions = 213, .stack = 90, .load_uses = 8, .taken_branches = 8, .jumps = 10},
         .block_begin =
             {.instructions = 111, .stack = 50, .load_uses = 4, .taken_branches = 5, .jumps = 8},
         .block_end = {.instructions = 6, .stack = 2, .taken_branches = 1},
         .clamped = {.instructions = 26},
         .left = {.instructions = 66, .stack = 26, .load_uses = 2, .taken_branches = 5, .jumps = 6},
         .channels =
             {.instructions = 89, .stack = 36, .load_uses = 2, .taken_branches = 4, .jumps = 6},
         .channel_begin =
             {.instructions = 174, .stack = 40, .load_uses = 6, .taken_branches = 6, .jumps = 8},
         .channel_end = {.instructions = 4, .taken_branches = 1}},
    .one = {.call = {.instructions = 255,
                     .stack = 100,
                     .load_uses = 8,
                     .taken_branches = 10,
                     .jumps = 10},
            .left_value = {.instructions = 2, .taken_branches = 1},
            .channel_begin =
                {.instructions = 97, .stack = 24, .load_uses = 2, .taken_branches = 4, .jumps = 4},
            .channel_end = {.instructions = 4, .taken_branches = 1}},
    .tapped_pixel =
        {.instructions = 76, .stack = 30, .load_uses = 2, .taken_branches = 4, .jumps = 4},
    .tap = {.instructions = 32, .stack = 10, .load_uses = 2, .taken_branches = 4, .jumps = 3},
    .outer_tap = {.instructions = 34, .stack = 8, .taken_branches = 4, .jumps = 1}};

}  // namespace

const MatrixOverheads& overheads(const Kernel& kernel) {
  const KernelTraits& row = traits(kernel.kind);
  // The library has neither the first two, and its linear kernels have not been measured.
  const bool ours = row.pixels == 4 || kernel.sums_in || kernel.sums_out || row.vector;
  return row.packed ? kPacked : ours ? kOurs : kLibrary;
}

void share(CodeBuilder& b, const Kernel& kernel, const Machine& machine) {
  const MatrixOverheads& around = overheads(kernel);
  const KernelTraits& row = traits(kernel.kind);
  if (row.vector) return;
  if (row.split == Split::Channels) b.work(around.by_channels);
  if (row.split != Split::HalfRows) return;
  b.work(around.half_rows);
  if (pixels(kernel, machine, 0).halves) b.work(kHalves);
}

}  // namespace workbench::pulp
