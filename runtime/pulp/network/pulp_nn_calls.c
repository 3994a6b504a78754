// Calls of PULP-NN's kernels (pulp_nn_calls.h). Without kappa and lambda no flag is set: a result is
// the shifted accumulator.
#include "pulp_nn_calls.h"

#ifdef PULP_NN_CALLS
#include "pulp_nn_kernels.h"

#define CONVOLUTION(name, kernel, norm_t)                                                         \
  void name(const nn_call_t* c) {                                                                 \
    kernel(c->in, c->scratch, NULL, c->out, (const int8_t*)c->weights, (norm_t*)(void*)c->kappa,  \
           (norm_t*)(void*)c->lambda, 1, (uint16_t)c->shift, (uint16_t)c->in_w,                   \
           (uint16_t)c->in_h, (uint16_t)c->in_c, (uint16_t)c->out_w, (uint16_t)c->out_h,          \
           (uint16_t)c->out_c, (uint16_t)c->kernel_w, (uint16_t)c->kernel_h,                      \
           (uint16_t)c->pad_top, (uint16_t)c->pad_bottom, (uint16_t)c->pad_left,                  \
           (uint16_t)c->pad_right, (uint16_t)c->stride_x, (uint16_t)c->stride_y, c->norm,         \
           c->norm);                                                                              \
  }

CONVOLUTION(call_conv_Ho, pulp_nn_conv_Ho_parallel, int32_t)
CONVOLUTION(call_conv_HoWo, pulp_nn_conv_HoWo_parallel, int32_t)
CONVOLUTION(call_conv_Co, pulp_nn_conv_Co_parallel, int32_t)
CONVOLUTION(call_pointwise_Ho, pulp_nn_pointwise_Ho_parallel, int32_t)
CONVOLUTION(call_pointwise_HoWo, pulp_nn_pointwise_HoWo_parallel, int32_t)
CONVOLUTION(call_pointwise_Co, pulp_nn_pointwise_Co_parallel, int32_t)
CONVOLUTION(call_conv_Ho_64, pulp_nn_conv_Ho_parallel_64, int64_t)
CONVOLUTION(call_conv_HoWo_64, pulp_nn_conv_HoWo_parallel_64, int64_t)
CONVOLUTION(call_conv_Co_64, pulp_nn_conv_Co_parallel_64, int64_t)
CONVOLUTION(call_pointwise_Ho_64, pulp_nn_pointwise_Ho_parallel_64, int64_t)
CONVOLUTION(call_pointwise_HoWo_64, pulp_nn_pointwise_HoWo_parallel_64, int64_t)
CONVOLUTION(call_pointwise_Co_64, pulp_nn_pointwise_Co_parallel_64, int64_t)

#define DEPTHWISE(name, kernel, norm_t)                                                           \
  void name(const nn_call_t* c) {                                                                 \
    kernel(c->in, c->scratch, NULL, c->out, (const int8_t*)c->weights, NULL,                      \
           (norm_t*)(void*)c->kappa, (norm_t*)(void*)c->lambda, 1, (uint16_t)c->shift,            \
           (uint16_t)c->in_w, (uint16_t)c->in_h, (uint16_t)c->in_c, (uint16_t)c->out_w,           \
           (uint16_t)c->out_h, (uint16_t)c->out_c, (uint16_t)c->kernel_w, (uint16_t)c->kernel_h,  \
           (uint16_t)c->pad_top, (uint16_t)c->pad_bottom, (uint16_t)c->pad_left,                  \
           (uint16_t)c->pad_right, (uint16_t)c->stride_x, (uint16_t)c->stride_y,                  \
           (int8_t)c->norm, (int8_t)c->norm);                                                     \
  }

DEPTHWISE(call_depthwise_generic, pulp_nn_depthwise_generic, int32_t)
DEPTHWISE(call_depthwise_generic_less_4_weights, pulp_nn_depthwise_generic_less_4_weights, int32_t)
DEPTHWISE(call_depthwise_generic_64, pulp_nn_depthwise_generic_64, int64_t)
DEPTHWISE(call_depthwise_generic_less_4_weights_64, pulp_nn_depthwise_generic_less_4_weights_64,
          int64_t)

static uint16_t vector_length(const nn_call_t* c) { return (uint16_t)(c->in_c * c->in_h * c->in_w); }

#define LINEAR(name, kernel, norm_t)                                                              \
  void name(const nn_call_t* c) {                                                                 \
    kernel(c->in, NULL, c->out, (int8_t*)c->weights, (norm_t*)(void*)c->kappa,                    \
           (norm_t*)(void*)c->lambda, 1, (int8_t)c->shift, vector_length(c), (uint16_t)c->out_c,  \
           c->norm, c->norm);                                                                     \
  }

LINEAR(call_linear, pulp_nn_linear, int32_t)
LINEAR(call_linear_64, pulp_nn_linear_64, int64_t)

void call_linear_out_32(const nn_call_t* c) {
  pulp_nn_linear_out_32(c->in, NULL, (int32_t*)(void*)c->out, (int8_t*)c->weights, vector_length(c),
                        (uint16_t)c->out_c);
}

void call_add(const nn_call_t* c) {
  pulp_nn_add(c->in, c->in2, c->out, (uint16_t)c->multiplier1, (uint16_t)c->multiplier2,
              (uint16_t)c->shift, (uint16_t)c->in_h, (uint16_t)c->in_w, (uint16_t)c->in_c);
}

void call_avgpool(const nn_call_t* c) {
  pulp_nn_avgpool(c->in, c->out, c->multiplier, (uint16_t)c->shift, c->offset, (uint16_t)c->in_w,
                  (uint16_t)c->in_h, (uint16_t)c->in_c, (uint16_t)c->out_w, (uint16_t)c->out_h,
                  (uint16_t)c->kernel_w, (uint16_t)c->kernel_h, (uint16_t)c->pad_top,
                  (uint16_t)c->pad_bottom, (uint16_t)c->pad_left, (uint16_t)c->pad_right,
                  (uint16_t)c->stride_x, (uint16_t)c->stride_y, 1);
}

void call_maxpool(const nn_call_t* c) {
  pulp_nn_maxpool(c->in, c->out, (uint16_t)c->in_w, (uint16_t)c->in_h, (uint16_t)c->in_c,
                  (uint16_t)c->out_w, (uint16_t)c->out_h, (uint16_t)c->kernel_w,
                  (uint16_t)c->kernel_h, (uint16_t)c->pad_top, (uint16_t)c->pad_bottom,
                  (uint16_t)c->pad_left, (uint16_t)c->pad_right, (uint16_t)c->stride_x,
                  (uint16_t)c->stride_y);
}
#endif
