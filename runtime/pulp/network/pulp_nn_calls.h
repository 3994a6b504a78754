// Calls that PULP-NN's kernels compute. With PULP_NN_CALLS they go through its signatures, to the
// library or to what stands in for it (pulp_nn_kernels.h); else right to our kernels.
#pragma once

#include <stddef.h>

#include "nn_kernels.h"

#ifdef PULP_NN_CALLS
void call_conv_Ho(const nn_call_t* call);
void call_conv_HoWo(const nn_call_t* call);
void call_conv_Co(const nn_call_t* call);
void call_pointwise_Ho(const nn_call_t* call);
void call_pointwise_HoWo(const nn_call_t* call);
void call_pointwise_Co(const nn_call_t* call);
void call_conv_Ho_64(const nn_call_t* call);
void call_conv_HoWo_64(const nn_call_t* call);
void call_conv_Co_64(const nn_call_t* call);
void call_pointwise_Ho_64(const nn_call_t* call);
void call_pointwise_HoWo_64(const nn_call_t* call);
void call_pointwise_Co_64(const nn_call_t* call);
void call_depthwise_generic(const nn_call_t* call);
void call_depthwise_generic_less_4_weights(const nn_call_t* call);
void call_depthwise_generic_64(const nn_call_t* call);
void call_depthwise_generic_less_4_weights_64(const nn_call_t* call);
void call_linear(const nn_call_t* call);
void call_linear_64(const nn_call_t* call);
void call_linear_out_32(const nn_call_t* call);
void call_add(const nn_call_t* call);
void call_avgpool(const nn_call_t* call);
void call_maxpool(const nn_call_t* call);
#else
#define call_conv_Ho nn_conv_Ho
#define call_conv_HoWo nn_conv_HoWo
#define call_conv_Co nn_conv_Co
#define call_pointwise_Ho nn_conv_Ho
#define call_pointwise_HoWo nn_conv_HoWo
#define call_pointwise_Co nn_conv_Co
#define call_conv_Ho_64 nn_conv_Ho
#define call_conv_HoWo_64 nn_conv_HoWo
#define call_conv_Co_64 nn_conv_Co
#define call_pointwise_Ho_64 nn_conv_Ho
#define call_pointwise_HoWo_64 nn_conv_HoWo
#define call_pointwise_Co_64 nn_conv_Co
#define call_depthwise_generic nn_depthwise
#define call_depthwise_generic_less_4_weights nn_depthwise
#define call_depthwise_generic_64 nn_depthwise
#define call_depthwise_generic_less_4_weights_64 nn_depthwise
#define call_linear nn_linear
#define call_linear_64 nn_linear
#define call_linear_out_32 nn_linear_out_32
#define call_add nn_add
#define call_avgpool nn_avgpool
#define call_maxpool nn_maxpool
#endif
