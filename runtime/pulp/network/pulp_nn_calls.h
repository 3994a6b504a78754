// Calls of PULP-NN's kernels, by its signatures, from what a program says of a call.
#pragma once

#include <stddef.h>

#include "nn_kernels.h"

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
