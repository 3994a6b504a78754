// PULP-NN's kernels under PULP-NN's names and signatures (github.com/pulp-platform/pulp-nn,
// 32bit/include/pulp_nn_kernels.h at d788f48), with its results: an application links these or the
// library. kappa and lambda are int32; the kernels ending in _64 take int64 and are ours alone
// (PULP-NN's 64-bit build orders its arguments otherwise).
#pragma once

#include <stdint.h>

#define PULP_NN_CONVOLUTION(name, norm_t)                                                     \
  void name(const uint8_t* pInBuffer, uint8_t* pIm2ColBuffer, const int8_t* bias,             \
            uint8_t* pOutBuffer, const int8_t* pWeight, norm_t* k, norm_t* lambda,            \
            const uint16_t out_mult, const uint16_t out_shift, const uint16_t dim_in_x,       \
            const uint16_t dim_in_y, const uint16_t ch_in, const uint16_t dim_out_x,          \
            const uint16_t dim_out_y, const uint16_t ch_out, const uint16_t dim_kernel_x,     \
            const uint16_t dim_kernel_y, const uint16_t padding_y_top,                        \
            const uint16_t padding_y_bottom, const uint16_t padding_x_left,                   \
            const uint16_t padding_x_right, const uint16_t stride_x, const uint16_t stride_y, \
            int flag_relu, int flag_batch_norm)

PULP_NN_CONVOLUTION(pulp_nn_conv_Ho_parallel, int32_t);
PULP_NN_CONVOLUTION(pulp_nn_conv_HoWo_parallel, int32_t);
PULP_NN_CONVOLUTION(pulp_nn_conv_Co_parallel, int32_t);
PULP_NN_CONVOLUTION(pulp_nn_pointwise_Ho_parallel, int32_t);
PULP_NN_CONVOLUTION(pulp_nn_pointwise_HoWo_parallel, int32_t);
PULP_NN_CONVOLUTION(pulp_nn_pointwise_Co_parallel, int32_t);
PULP_NN_CONVOLUTION(pulp_nn_conv_Ho_parallel_64, int64_t);
PULP_NN_CONVOLUTION(pulp_nn_conv_HoWo_parallel_64, int64_t);
PULP_NN_CONVOLUTION(pulp_nn_conv_Co_parallel_64, int64_t);
PULP_NN_CONVOLUTION(pulp_nn_pointwise_Ho_parallel_64, int64_t);
PULP_NN_CONVOLUTION(pulp_nn_pointwise_HoWo_parallel_64, int64_t);
PULP_NN_CONVOLUTION(pulp_nn_pointwise_Co_parallel_64, int64_t);

#define PULP_NN_DEPTHWISE(name, norm_t)                                                         \
  void name(const uint8_t* Im_in, uint8_t* bufferC, const int8_t* bias, uint8_t* Im_out,        \
            const int8_t* wt, uint8_t* bufferB, norm_t* k, norm_t* lambda, uint16_t out_mult,   \
            uint16_t out_shift, const uint16_t dim_im_in_x, const uint16_t dim_im_in_y,         \
            const uint16_t ch_im_in, const uint16_t dim_im_out_x, const uint16_t dim_im_out_y,  \
            const uint16_t ch_im_out, const uint16_t dim_kernel_x, const uint16_t dim_kernel_y, \
            const uint16_t padding_y_top, const uint16_t padding_y_bottom,                      \
            const uint16_t padding_x_left, const uint16_t padding_x_right,                      \
            const uint16_t stride_x, const uint16_t stride_y, int8_t FLAG_RELU,                 \
            int8_t FLAG_BATCH_NORM)

PULP_NN_DEPTHWISE(pulp_nn_depthwise_generic, int32_t);
PULP_NN_DEPTHWISE(pulp_nn_depthwise_generic_less_4_weights, int32_t);
PULP_NN_DEPTHWISE(pulp_nn_depthwise_generic_64, int64_t);
PULP_NN_DEPTHWISE(pulp_nn_depthwise_generic_less_4_weights_64, int64_t);

#define PULP_NN_LINEAR(name, norm_t)                                                            \
  void name(uint8_t* pInBuffer, int8_t* bias, uint8_t* pOutBuffer, int8_t* pWeights, norm_t* k, \
            norm_t* lambda, uint16_t out_mult, int8_t out_shift, uint16_t dim_vec,              \
            uint16_t num_o_neurons, int flag_relu, int flag_batch_norm)

PULP_NN_LINEAR(pulp_nn_linear, int32_t);
PULP_NN_LINEAR(pulp_nn_linear_64, int64_t);

void pulp_nn_linear_out_32(uint8_t* pInBuffer, int8_t* bias, int32_t* pOutBuffer, int8_t* pWeights,
                           uint16_t dim_vec, uint16_t num_o_neurons);

void pulp_nn_add(uint8_t* Im_in_1, uint8_t* Im_in_2, uint8_t* Im_out, uint16_t out_mult1,
                 uint16_t out_mult2, uint16_t out_shift, uint16_t dim_im_in_h, uint16_t dim_im_in_w,
                 uint16_t ch_im_in);

void pulp_nn_avgpool(uint8_t* Im_in, uint8_t* Im_out, int32_t lambda, uint16_t out_shift,
                     int32_t out_add, uint16_t dim_im_in_x, uint16_t dim_im_in_y, uint16_t ch_im_in,
                     uint16_t dim_im_out_x, uint16_t dim_im_out_y, uint16_t dim_kernel_x,
                     uint16_t dim_kernel_y, uint16_t padding_t, uint16_t padding_b,
                     uint16_t padding_l, uint16_t padding_r, uint16_t stride_x, uint16_t stride_y,
                     int flag_requant);

void pulp_nn_maxpool(uint8_t* Im_in, uint8_t* Im_out, uint16_t dim_im_in_x, uint16_t dim_im_in_y,
                     uint16_t ch_im_in, uint16_t dim_im_out_x, uint16_t dim_im_out_y,
                     uint16_t dim_kernel_x, uint16_t dim_kernel_y, uint16_t padding_t,
                     uint16_t padding_b, uint16_t padding_l, uint16_t padding_r, uint16_t stride_x,
                     uint16_t stride_y);
