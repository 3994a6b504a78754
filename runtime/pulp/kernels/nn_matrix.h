// Matrix products of columns of activations, a byte each, with a core's share of the output
// channels: what convolutions and linear layers are made of.
#pragma once

#include "nn_core.h"

typedef struct {
  const nn_call_t* call;
  nn_share_t channels;
  int32_t depth;  // codes of a column
  int32_t row;    // bytes of a channel's weights
} nn_matrix_t;

#ifdef NN_XPULP
// Weights of one column's channels and where their results go; `step`: bytes of a channel's kappa,
// and lambda.
typedef struct {
  const uint8_t *weights, *kappa, *lambda;
  uint8_t *out, *end;
  int32_t depth, step, shift;
  int32_t in_signed, out_signed;
} nn_channels_t;

// Results of 8 bits, of accumulators that start at 0. `form`: not NN_FORM_OTHER.
void nn_run_channels(const nn_channels_t* channels, nn_form_t form, const uint8_t* column);
#endif
// Accumulators of channels, two at a time.
void nn_run_sums(const uint8_t* column, const uint8_t* weights, uint8_t* out, int32_t count,
                 int32_t depth, int in_signed);

// `pixels` (1, 2 or 4) columns that lie `bytes` apart, to as many pixels of the result from `pixel`
// on. Four take weights of 8 bits.
void nn_product(const nn_matrix_t* matrix, int32_t pixels, const uint8_t* columns, int32_t bytes,
                int32_t pixel);
