// Kernels of our own for PULP clusters: all that a program of the workbench calls, in one
// description of a call. pulp_nn_kernels.h has those of them that are PULP-NN's under its
// signatures. Every core of the team calls a kernel with the same call; each does its share, and
// all leave together.
//
// Activations lie [H][W][C] (an input of nn_depthwise [C][H][W]), weights [Co][Kh][Kw][Ci]
// (depthwise [C][Kh][Kw]). Codes have 8, 4 or 2 bits, the first in the low bits; every pixel, every
// plane of a depthwise input and the weights of every output channel begin at a byte. Addresses
// need no alignment.
#pragma once

#include <stdint.h>

#ifndef NUM_CORES
#define NUM_CORES 8
#endif

// The numbers behind the addresses are in the order of the instruction's fields
// (isa/pulp/instructions.h), by which programs name them.
typedef struct {
  uint8_t *in, *in2, *weights, *bias, *kappa, *lambda, *out, *scratch;
  int32_t in_w, in_h, in_c, out_w, out_h, out_c;
  int32_t kernel_w, kernel_h, stride_x, stride_y, dilation_x, dilation_y;
  int32_t pad_top, pad_bottom, pad_left, pad_right;
  int32_t in_bits, weight_bits, out_bits;
  int32_t in_signed, in2_signed, out_signed;
  int32_t has_bias;           // int32 per output channel: where accumulators start
  int32_t sums_in, sums_out;  // accumulators start at, and are left as, int32 [pixel][channel]
  int32_t norm, norm_bits;    // kappa and lambda of each channel, int32 or int64
  int32_t clamped;            // accumulators, to bounds in the upper halves of kappa and lambda
  int32_t multiplier, offset, shift, divisor;
  int32_t multiplier1, offset1, shift1, multiplier2, offset2, shift2;  // operands of an addition
  int32_t clip_operands;
  int32_t cores;  // so many share the work; 0: all
  // PULP-NN's only:
  const int8_t* bias8;  // where accumulators start; NULL: has_bias tells
  int32_t narrow;       // without norm: the shifted product is cut to 16 bits
} nn_call_t;

enum { NN_ADDRESSES = 8, NN_NUMBERS = 40 };  // of the fields that programs name

// A result from an accumulator acc of channel c; everything wraps:
//   norm: (kappa[c] * acc + lambda[c]) >> shift in norm_bits, its lower 32 bits; clamped: in 32
//         bits of max(low, min(acc, high)), kappa[c] being int32 kappa, low and lambda[c] lambda,
//         high
//   else: (multiplier * acc + offset) >> shift in 32 bits
// clipped to out_bits, signed or not; with out_bits 32, kept.

void nn_conv_Ho(const nn_call_t* call);    // rows of the result over cores
void nn_conv_HoWo(const nn_call_t* call);  // halves of rows, where rows do not divide
void nn_conv_Co(const nn_call_t* call);    // output channels
// The same by blocks of four pixels, with weights of 8 bits.
void nn_conv_Ho_4x4(const nn_call_t* call);
void nn_conv_HoWo_4x4(const nn_call_t* call);
void nn_conv_Co_4x4(const nn_call_t* call);
void nn_linear(const nn_call_t* call);
void nn_linear_out_32(const nn_call_t* call);  // accumulators
// The same with instructions of XpulpNN (nn_packed.c): products of codes that stay packed, and with
// loads in the products. Codes are no wider than the weights, pixels are whole bytes.
void nn_conv_Ho_packed(const nn_call_t* call);
void nn_conv_HoWo_packed(const nn_call_t* call);
void nn_conv_Co_packed(const nn_call_t* call);
void nn_conv_Ho_packed_4x4(const nn_call_t* call);
void nn_conv_HoWo_packed_4x4(const nn_call_t* call);
void nn_conv_Co_packed_4x4(const nn_call_t* call);
void nn_conv_Ho_macload(const nn_call_t* call);
void nn_conv_HoWo_macload(const nn_call_t* call);
void nn_conv_Co_macload(const nn_call_t* call);
void nn_conv_Ho_macload_4x4(const nn_call_t* call);
void nn_conv_HoWo_macload_4x4(const nn_call_t* call);
void nn_conv_Co_macload_4x4(const nn_call_t* call);
void nn_linear_packed(const nn_call_t* call);
void nn_linear_out_32_packed(const nn_call_t* call);
void nn_linear_macload(const nn_call_t* call);
void nn_linear_out_32_macload(const nn_call_t* call);
void nn_depthwise(const nn_call_t* call);
void nn_depthwise_pixels(const nn_call_t* call);  // its input [H][W][C], codes of 8 bits
// clip((a' + b') * multiplier + offset) >> shift) of a' = (a * multiplier1 + offset1) >> shift1 and
// b' likewise, both clipped before where clip_operands says so.
void nn_add(const nn_call_t* call);
// (sum * multiplier / divisor + offset) >> shift over the window: in unsigned 32 bits where the
// input is unsigned.
void nn_avgpool(const nn_call_t* call);
void nn_avgpool_Co(const nn_call_t* call);  // channels over cores, codes of 8 bits
// Row maxima over the input, then their maxima: destroys the input. Where a window begins in the
// left padding it begins at its own column, as PULP-NN's does.
void nn_maxpool(const nn_call_t* call);
void nn_maxpool_direct(const nn_call_t* call);  // maxima whatever the window; keeps its input
void nn_requantize(const nn_call_t* call);      // code by code; reads int32 where in_bits is 32
