// PULP-NN's signatures over our kernels. flag_relu and flag_batch_norm: kappa and lambda;
// flag_relu alone: the product with out_mult, shifted and cut to 16 bits; none: shifted alone.
// Results are unsigned 8-bit codes in all three.
#include "pulp_nn_kernels.h"

#include "nn_matrix.h"

static void nn_set_norm(nn_call_t* call, void* k, void* lambda, int32_t bits, uint16_t out_mult,
                        int32_t out_shift, int relu, int batch_norm) {
  call->in_bits = call->weight_bits = call->out_bits = 8;
  call->shift = out_shift;
  call->norm = relu && batch_norm;
  call->norm_bits = bits;
  call->kappa = k;
  call->lambda = lambda;
  call->multiplier = relu ? (int16_t)out_mult : 1;
  call->narrow = relu;
}

#define NN_CONVOLUTION(name, norm_t, kernel)                                                   \
  PULP_NN_CONVOLUTION(name, norm_t) {                                                          \
    nn_call_t call = {.in = (uint8_t*)pInBuffer,                                               \
                      .weights = (uint8_t*)pWeight,                                            \
                      .out = pOutBuffer,                                                       \
                      .scratch = pIm2ColBuffer,                                                \
                      .in_w = dim_in_x,                                                        \
                      .in_h = dim_in_y,                                                        \
                      .in_c = ch_in,                                                           \
                      .out_w = dim_out_x,                                                      \
                      .out_h = dim_out_y,                                                      \
                      .out_c = ch_out,                                                         \
                      .kernel_w = dim_kernel_x,                                                \
                      .kernel_h = dim_kernel_y,                                                \
                      .stride_x = stride_x,                                                    \
                      .stride_y = stride_y,                                                    \
                      .dilation_x = 1,                                                         \
                      .dilation_y = 1,                                                         \
                      .pad_top = padding_y_top,                                                \
                      .pad_bottom = padding_y_bottom,                                          \
                      .pad_left = padding_x_left,                                              \
                      .pad_right = padding_x_right,                                            \
                      .bias8 = bias};                                                          \
    nn_set_norm(&call, k, lambda, 8 * (int32_t)sizeof(norm_t), out_mult, out_shift, flag_relu, \
                flag_batch_norm);                                                              \
    kernel(&call);                                                                             \
  }

NN_CONVOLUTION(pulp_nn_conv_Ho_parallel, int32_t, nn_conv_Ho)
NN_CONVOLUTION(pulp_nn_conv_HoWo_parallel, int32_t, nn_conv_HoWo)
NN_CONVOLUTION(pulp_nn_conv_Co_parallel, int32_t, nn_conv_Co)
NN_CONVOLUTION(pulp_nn_pointwise_Ho_parallel, int32_t, nn_conv_Ho)
NN_CONVOLUTION(pulp_nn_pointwise_HoWo_parallel, int32_t, nn_conv_HoWo)
NN_CONVOLUTION(pulp_nn_pointwise_Co_parallel, int32_t, nn_conv_Co)
NN_CONVOLUTION(pulp_nn_conv_Ho_parallel_64, int64_t, nn_conv_Ho)
NN_CONVOLUTION(pulp_nn_conv_HoWo_parallel_64, int64_t, nn_conv_HoWo)
NN_CONVOLUTION(pulp_nn_conv_Co_parallel_64, int64_t, nn_conv_Co)
NN_CONVOLUTION(pulp_nn_pointwise_Ho_parallel_64, int64_t, nn_conv_Ho)
NN_CONVOLUTION(pulp_nn_pointwise_HoWo_parallel_64, int64_t, nn_conv_HoWo)
NN_CONVOLUTION(pulp_nn_pointwise_Co_parallel_64, int64_t, nn_conv_Co)

#define NN_DEPTHWISE(name, norm_t)                                                             \
  PULP_NN_DEPTHWISE(name, norm_t) {                                                            \
    nn_call_t call = {.in = (uint8_t*)Im_in,                                                   \
                      .weights = (uint8_t*)wt,                                                 \
                      .out = Im_out,                                                           \
                      .scratch = bufferC,                                                      \
                      .in_w = dim_im_in_x,                                                     \
                      .in_h = dim_im_in_y,                                                     \
                      .in_c = ch_im_in,                                                        \
                      .out_w = dim_im_out_x,                                                   \
                      .out_h = dim_im_out_y,                                                   \
                      .out_c = ch_im_out,                                                      \
                      .kernel_w = dim_kernel_x,                                                \
                      .kernel_h = dim_kernel_y,                                                \
                      .stride_x = stride_x,                                                    \
                      .stride_y = stride_y,                                                    \
                      .dilation_x = 1,                                                         \
                      .dilation_y = 1,                                                         \
                      .pad_top = padding_y_top,                                                \
                      .pad_bottom = padding_y_bottom,                                          \
                      .pad_left = padding_x_left,                                              \
                      .pad_right = padding_x_right,                                            \
                      .bias8 = bias};                                                          \
    (void)bufferB;                                                                             \
    nn_set_norm(&call, k, lambda, 8 * (int32_t)sizeof(norm_t), out_mult, out_shift, FLAG_RELU, \
                FLAG_BATCH_NORM);                                                              \
    nn_depthwise(&call);                                                                       \
  }

NN_DEPTHWISE(pulp_nn_depthwise_generic, int32_t)
NN_DEPTHWISE(pulp_nn_depthwise_generic_less_4_weights, int32_t)
NN_DEPTHWISE(pulp_nn_depthwise_generic_64, int64_t)
NN_DEPTHWISE(pulp_nn_depthwise_generic_less_4_weights_64, int64_t)

static nn_call_t nn_vector(uint8_t* in, int8_t* bias, void* out, int8_t* weights, int32_t ins,
                           int32_t outs) {
  const nn_call_t call = {.in = in,
                          .weights = (uint8_t*)weights,
                          .out = out,
                          .in_w = 1,
                          .in_h = 1,
                          .in_c = ins,
                          .out_w = 1,
                          .out_h = 1,
                          .out_c = outs,
                          .in_bits = 8,
                          .weight_bits = 8,
                          .bias8 = bias};
  return call;
}

#ifdef NN_XPULP
// kappa and lambda for each output: a core's share without a description of a call, which would
// take longer to write than short vectors take to multiply.
static void nn_short_linear(const uint8_t* in, uint8_t* out, const int8_t* weights, const void* k,
                            const void* lambda, int32_t step, int32_t shift, int32_t ins,
                            int32_t outs) {
  const uint32_t zero = 0;
  const nn_share_t share = nn_share(outs, 1, NUM_CORES, (int32_t)pi_core_id());
  const int32_t begin = share.begin;
  nn_run_channels(step == 8 ? NN_FORM_NORM_64 : NN_FORM_NORM, in,
                  (const uint8_t*)weights + begin * ins, ins, out + begin, out + share.end,
                  (const uint8_t*)&zero, 0, (const uint8_t*)k + begin * step,
                  (const uint8_t*)lambda + begin * step, step, shift, 0, 0);
  pi_cl_team_barrier();
}
#define NN_SHORT_LINEAR(norm_t)                                                          \
  if (bias == NULL && flag_relu && flag_batch_norm) {                                    \
    nn_short_linear(pInBuffer, pOutBuffer, pWeights, k, lambda, (int32_t)sizeof(norm_t), \
                    out_shift, dim_vec, num_o_neurons);                                  \
    return;                                                                              \
  }
#else
#define NN_SHORT_LINEAR(norm_t)
#endif

#define NN_LINEAR(name, norm_t)                                                                \
  PULP_NN_LINEAR(name, norm_t) {                                                               \
    NN_SHORT_LINEAR(norm_t)                                                                    \
    nn_call_t call = nn_vector(pInBuffer, bias, pOutBuffer, pWeights, dim_vec, num_o_neurons); \
    nn_set_norm(&call, k, lambda, 8 * (int32_t)sizeof(norm_t), out_mult, out_shift, flag_relu, \
                flag_batch_norm);                                                              \
    nn_linear(&call);                                                                          \
  }

NN_LINEAR(pulp_nn_linear, int32_t)
NN_LINEAR(pulp_nn_linear_64, int64_t)

void pulp_nn_linear_out_32(uint8_t* pInBuffer, int8_t* bias, int32_t* pOutBuffer, int8_t* pWeights,
                           uint16_t dim_vec, uint16_t num_o_neurons) {
  if (bias != NULL) {
    const nn_call_t call = nn_vector(pInBuffer, bias, pOutBuffer, pWeights, dim_vec, num_o_neurons);
    nn_linear_out_32(&call);
    return;
  }
  const nn_share_t share = nn_share(num_o_neurons, 1, NUM_CORES, (int32_t)pi_core_id());
  nn_run_sums(pInBuffer, (const uint8_t*)pWeights + share.begin * dim_vec, NULL,
              (uint8_t*)(pOutBuffer + share.begin), share.end - share.begin, dim_vec, 0);
  pi_cl_team_barrier();
}

// The shifted sum is cut to 16 bits.
void pulp_nn_add(uint8_t* Im_in_1, uint8_t* Im_in_2, uint8_t* Im_out, uint16_t out_mult1,
                 uint16_t out_mult2, uint16_t out_shift, uint16_t dim_im_in_h, uint16_t dim_im_in_w,
                 uint16_t ch_im_in) {
  const int32_t row = dim_im_in_w * ch_im_in;
  const nn_share_t rows = nn_share(dim_im_in_h, 1, NUM_CORES, (int32_t)pi_core_id());
  for (int32_t i = rows.begin * row; i < rows.end * row; ++i) {
    const int32_t a = Im_in_1[i] * (int16_t)out_mult1, b = Im_in_2[i] * (int16_t)out_mult2;
    Im_out[i] = (uint8_t)nn_clip_u8((uint16_t)((uint32_t)(a + b) >> out_shift));
  }
  pi_cl_team_barrier();
}

static nn_call_t nn_pool(uint8_t* in, uint8_t* out, int32_t in_x, int32_t in_y, int32_t channels,
                         int32_t out_x, int32_t out_y) {
  const nn_call_t call = {.in = in,
                          .out = out,
                          .in_w = in_x,
                          .in_h = in_y,
                          .in_c = channels,
                          .out_w = out_x,
                          .out_h = out_y,
                          .out_c = channels,
                          .in_bits = 8,
                          .out_bits = 8,
                          .multiplier = 1};
  return call;
}

static void nn_set_window(nn_call_t* call, int32_t x, int32_t y, int32_t top, int32_t bottom,
                          int32_t left, int32_t right, int32_t stride_x, int32_t stride_y) {
  call->kernel_w = x;
  call->kernel_h = y;
  call->pad_top = top;
  call->pad_bottom = bottom;
  call->pad_left = left;
  call->pad_right = right;
  call->stride_x = stride_x;
  call->stride_y = stride_y;
}

void pulp_nn_avgpool(uint8_t* Im_in, uint8_t* Im_out, int32_t lambda, uint16_t out_shift,
                     int32_t out_add, uint16_t dim_im_in_x, uint16_t dim_im_in_y, uint16_t ch_im_in,
                     uint16_t dim_im_out_x, uint16_t dim_im_out_y, uint16_t dim_kernel_x,
                     uint16_t dim_kernel_y, uint16_t padding_t, uint16_t padding_b,
                     uint16_t padding_l, uint16_t padding_r, uint16_t stride_x, uint16_t stride_y,
                     int flag_requant) {
  nn_call_t call =
      nn_pool(Im_in, Im_out, dim_im_in_x, dim_im_in_y, ch_im_in, dim_im_out_x, dim_im_out_y);
  nn_set_window(&call, dim_kernel_x, dim_kernel_y, padding_t, padding_b, padding_l, padding_r,
                stride_x, stride_y);
  call.divisor = dim_kernel_x * dim_kernel_y;
  if (flag_requant) {
    call.multiplier = lambda;
    call.offset = out_add;
    call.shift = out_shift;
  }
  nn_avgpool(&call);
}

void pulp_nn_maxpool(uint8_t* Im_in, uint8_t* Im_out, uint16_t dim_im_in_x, uint16_t dim_im_in_y,
                     uint16_t ch_im_in, uint16_t dim_im_out_x, uint16_t dim_im_out_y,
                     uint16_t dim_kernel_x, uint16_t dim_kernel_y, uint16_t padding_t,
                     uint16_t padding_b, uint16_t padding_l, uint16_t padding_r, uint16_t stride_x,
                     uint16_t stride_y) {
  nn_call_t call =
      nn_pool(Im_in, Im_out, dim_im_in_x, dim_im_in_y, ch_im_in, dim_im_out_x, dim_im_out_y);
  nn_set_window(&call, dim_kernel_x, dim_kernel_y, padding_t, padding_b, padding_l, padding_r,
                stride_x, stride_y);
  nn_maxpool(&call);
}
