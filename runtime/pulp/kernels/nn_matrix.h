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

// `pixels` (1, 2 or 4) columns that lie `bytes` apart, to as many pixels of the result from `pixel`
// on. Four take weights of 8 bits.
void nn_product(const nn_matrix_t* matrix, int32_t pixels, const uint8_t* columns, int32_t bytes,
                int32_t pixel);
