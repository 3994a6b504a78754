// Matrix products of columns of activations, a byte each, with a core's share of the output
// channels: what convolutions and linear layers are made of.
#pragma once

#include "nn_core.h"

#ifdef NN_XPULP
// Blocks of 4 channels x 4 pixels: what the assembly reads, at the offsets that it names.
typedef struct {
  const uint8_t* weights;         // 0: of the next block
  int32_t row, row_back;          // 4, 8: to the next channel's; from the last to the next word
  const uint8_t* columns;         // 12
  int32_t column, column_back;    // 16, 20: as for weights
  int32_t words, left;            // 24, 28: of a column
  const uint8_t *kappa, *lambda;  // 32, 36: of the next channel
  int32_t norm_step, shift;       // 40, 44
  uint8_t* out;                   // 48: of the next channel
  int32_t pixel, pixel_back;      // 52, 56: to the next pixel's, from the last to the next channel
  int32_t blocks;                 // 60
  int32_t finish;                 // 64: what becomes of accumulators
  int32_t sums[4][4];             // 68: [pixel][channel]
  int32_t in_signed;              // 132
  const uint8_t* starts;          // 136: of the next block's accumulators; NULL: 0
  int32_t start;                  // 140: to the next pixel's
  // Where each product begins again.
  const uint8_t *first_weights, *first_kappa, *first_lambda, *first_starts;
  uint8_t* first_out;
  int32_t all_blocks, start_pixel;  // start_pixel: to the next pixel's starts of all channels
} nn_quads_t;
#endif

typedef struct {
  const nn_call_t* call;
  nn_share_t channels;
  int32_t depth;  // codes of a column
  int32_t row;    // bytes of a channel's weights
#ifdef NN_XPULP
  nn_quads_t* quads;  // of products of four columns
  // Of the first channel, and to the next one's; NN_FORM_OTHER with weights of less than 8 bits
  // and PULP-NN's bias, too.
  nn_form_t form;
  const uint8_t *weights, *kappa, *lambda;
  int32_t step;
#endif
} nn_matrix_t;

void nn_set_matrix(nn_matrix_t* matrix, const nn_call_t* call, nn_share_t channels, int32_t depth);

#ifdef NN_XPULP
// For columns that lie `bytes` apart.
void nn_set_quads(const nn_matrix_t* matrix, int32_t bytes);

// clang-format off
// A channel's products with a column, by words and by what is left of bytes.
#define NN_CHANNEL_DOT(dot)                                                                       \
  __asm__ volatile("beqz %[words], 1f\n" NN_LOOP("x0", "%[words]", "6") NN_LW("t0", "4", "%[w]")  \
                   NN_LW("t1", "4", "%[x]") dot("%[s]", "t1", "t0") NN_END_LOOP                   \
                   "1: beqz %[left], 2f\n" NN_LOOP("x0", "%[left]", "6")                          \
                   NN_LBU("t0", "1", "%[w]") NN_LBU("t1", "1", "%[x]") dot("%[s]", "t1", "t0")    \
                   NN_END_LOOP "2:\n"                                                             \
                   : [s] "+r"(sum), [w] "+r"(w), [x] "+r"(x)                                      \
                   : [words] "r"(words), [left] "r"(left)                                         \
                   : "memory", "t0", "t1")
// clang-format on

// Results [out, end) of 8 bits of one column of `depth` bytes. A channel's start, kappa and lambda
// are so many bytes behind those before. `form`: none of NN_FORM_OTHER.
static inline __attribute__((always_inline)) void nn_run_channels(
    nn_form_t form, const uint8_t* column, const uint8_t* w, int32_t depth, uint8_t* out,
    uint8_t* end, const uint8_t* start, int32_t start_step, const uint8_t* kappa,
    const uint8_t* lambda, int32_t step, int32_t shift, int in_signed, int out_signed) {
  const int32_t words = depth >> 2, left = depth & 3;
  for (; out < end; ++out, start += start_step, kappa += step, lambda += step) {
    const uint8_t* x = column;
    int32_t sum = (int32_t)nn_word(start), value;
    if (__builtin_expect(in_signed, 0)) {
      NN_CHANNEL_DOT(NN_SDOTSP);
    } else {
      NN_CHANNEL_DOT(NN_SDOTUSP);
    }
    if (__builtin_expect(form >= NN_FORM_CLAMPED, 0)) {
      value = nn_norm_clamped(kappa, lambda, sum, shift);
    } else if (__builtin_expect(form <= NN_FORM_NORM_64, 0)) {
      value = nn_norm_64(kappa, lambda, sum, shift);
    } else {
      value = nn_norm_32(kappa, lambda, sum, shift);
    }
    *out = (uint8_t)nn_clip_8(value, out_signed);
  }
}
#endif

// Where the accumulators of four channels from c on start, of pixel after pixel; and where they are
// left.
static inline void nn_four_starts(const nn_call_t* call, int32_t* sums, int32_t pixels,
                                  int32_t pixel, int32_t c) {
  if (!call->has_bias && !call->sums_in) {
    const int8_t* starts = call->bias8;
    for (int32_t i = 0; i < 4 * pixels; ++i) sums[i] = starts == NULL ? 0 : starts[c + (i & 3)];
    return;
  }
  const int32_t next = call->sums_in ? 4 * call->out_c : 0;
  const uint8_t* from = call->bias + (call->sums_in ? pixel * next : 0) + 4 * c;
  for (const int32_t* end = sums + 4 * pixels; sums < end; sums += 4, from += next) {
    const int32_t a = (int32_t)nn_word(from), b = (int32_t)nn_word(from + 4);
    sums[2] = (int32_t)nn_word(from + 8), sums[3] = (int32_t)nn_word(from + 12);
    sums[0] = a, sums[1] = b;
  }
}

static inline void nn_put_sums(const nn_call_t* call, const int32_t* sums, int32_t pixels,
                               int32_t pixel, int32_t c) {
  uint8_t* to = call->out + 4 * (pixel * call->out_c + c);
  for (const int32_t* end = sums + 4 * pixels; sums < end; sums += 4, to += 4 * call->out_c) {
    const int32_t a = sums[0], b = sums[1], d = sums[2], e = sums[3];
    nn_put_word(to, (uint32_t)a), nn_put_word(to + 4, (uint32_t)b);
    nn_put_word(to + 8, (uint32_t)d), nn_put_word(to + 12, (uint32_t)e);
  }
}

// Accumulators of channels, two at a time, that start at those of `starts` or, without, at 0.
void nn_run_sums(const uint8_t* column, const uint8_t* weights, const uint8_t* starts, uint8_t* out,
                 int32_t count, int32_t depth, int in_signed);

// `pixels` (1, 2 or 4) columns that lie `bytes` apart, to as many pixels of the result from `pixel`
// on. Four take weights of 8 bits.
void nn_product(const nn_matrix_t* matrix, int32_t pixels, const uint8_t* columns, int32_t bytes,
                int32_t pixel);
