// Codes of 4 and 2 bits by Xpulp instructions, which have none for them: they are extracted and
// packed to bytes, activations while they are copied, weights in the loop of the products (as in
// PULP-NN mixed, github.com/pulp-platform/pulp-nn-mixed).
#pragma once

#include "nn_matrix.h"

#if defined(NN_XPULP) && !defined(NN_BYTES_ONLY)
#define NN_MIXED

// Whether weights or results are such codes.
static inline int nn_is_mixed(const nn_call_t* call) {
  return call->weight_bits != 8 || (call->out_bits != 8 && !nn_words_out(call));
}

// Codes of 4 or 2 bits, from the first of a byte on, to bytes.
void nn_unpack_codes(const uint8_t* from, uint8_t* to, int32_t codes, int32_t bits, int is_signed);
// One or two columns, as nn_product().
void nn_mixed_product(const nn_matrix_t* matrix, int32_t pixels, const uint8_t* columns,
                      int32_t bytes, int32_t pixel);
void nn_mixed_linear(const nn_call_t* call, nn_share_t channels);
// Channels of a depthwise convolution whose windows are 2 to 4 columns wide and of 64 taps at most,
// without dilation.
void nn_mixed_depthwise(const nn_call_t* call, nn_share_t channels, uint8_t* column);
static inline int nn_is_mixed_depthwise(const nn_call_t* call) {
  return (call->in_bits != 8 || nn_is_mixed(call)) && call->kernel_w >= 2 && call->kernel_w <= 4 &&
         call->kernel_w * call->kernel_h <= 64 && (call->dilation_x | call->dilation_y) == 1 &&
         call->pad_left < call->kernel_w;
}
#endif
