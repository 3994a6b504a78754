// What the fabric controller computes before the layers, between two parts of them and behind them:
// the network's nodes that no kernel of the cluster can run, in src/fabric_NN.c. Element i of a
// tensor is the i-th in the order channel, row, column, or, of other tensors, in their row-major
// order. Numbers are float, sums are of double; compile without contractions of products and sums
// (-ffp-contract=off).
#pragma once

#include "layer.h"

// Codes of `bits` (8 or fewer lie packed in a pixel; 16; 32), or float where `is_real`.
typedef struct {
  uint8_t in_l3, bits, is_signed, is_real;
  int32_t address, channels, height, width, pixel_stride, row_stride;
} fabric_tensor_t;

// Before the first element of a turn, and behind its last.
void fabric_begin(const memories_t* memories);
void fabric_end(void);

int32_t fabric_code(const fabric_tensor_t* tensor, int32_t i);
float fabric_real(const fabric_tensor_t* tensor, int32_t i);
void fabric_put_code(const fabric_tensor_t* tensor, int32_t i, int32_t code);
void fabric_put_real(const fabric_tensor_t* tensor, int32_t i, float x);

// All elements of a tensor of bytes are those of another of its shape, by a table of 256 bytes
// whose first is of the least code.
void fabric_map(const fabric_tensor_t* from, const fabric_tensor_t* to, const void* table);
// The same with a table for each channel: `tables` are in L3.
void fabric_map_channels(const fabric_tensor_t* from, const fabric_tensor_t* to,
                         const fabric_tensor_t* tables);

typedef enum { kHalfUp, kHalfEven, kHalfAwayFromZero, kFloor, kTowardZero } fabric_rounding_t;

// clamp(round(x / step) + zero), to [low, high]; NaN becomes low.
int32_t fabric_quantize(float x, double step, int32_t zero, int32_t low, int32_t high,
                        fabric_rounding_t rounding);
double fabric_round(double x);                          // ties to even
float fabric_modulo(float a, float b);                  // of the divisor's sign
double fabric_clip(double x, double low, double high);  // NaN stays
double fabric_unit(double x);                           // to [0, 1]; NaN stays NaN
double fabric_softplus(double x);

// Fractions go, NaN is 0.
int32_t fabric_cast(float x, int32_t low, int32_t high);
int64_t fabric_integer_power(int64_t a, int64_t b);   // its low bits
int64_t fabric_integer_modulo(int64_t a, int64_t b);  // of the divisor's sign; of 0 it is 0

// Elements of a dimension around a position, with their weights (fabric_sample.c).
typedef struct {
  int32_t count, index[4];
  double weight[4];
} fabric_taps_t;
typedef enum { kLinear, kNearest, kCubic } fabric_sampling_t;
typedef enum { kZeros, kBorder, kReflection } fabric_outside_t;
// Of a coordinate in [-1, 1], as GridSample of ONNX has it.
void fabric_sample(fabric_taps_t* taps, float coordinate, int32_t size, fabric_sampling_t sampling,
                   fabric_outside_t outside, int align_corners);
