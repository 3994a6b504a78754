// The effect of each node of an imported integer network on the chains it reads. False: a host
// node, which reads no integers or feeds no integer node.
#pragma once

#include "compiler/quantize/chain_builder.h"

namespace workbench {

// Weights: Conv, and Gemm and MatMul, which become Gemm with the weights as [out, in]. Refuses
// operands that are no codes of 8 bits.
bool add_convolution(ChainBuilder& builder, const Node& node);
bool add_product(ChainBuilder& builder, const Node& node);
// AveragePool, and Reduce over all of space: sums; the division joins the chain.
bool add_average(ChainBuilder& builder, const Node& node);
bool add_reduce(ChainBuilder& builder, const Node& node);

// Links of chains: Binary with a constant, Floor, Truncate, Clip, Relu, rescalings, Identity.
bool add_binary(ChainBuilder& builder, const Node& node);
bool add_activation(ChainBuilder& builder, const Node& node);
bool add_identity(ChainBuilder& builder, const Node& node);
bool add_reshape(ChainBuilder& builder, const Node& node);
// Binary of two chains.
void add_sum(ChainBuilder& builder, const Node& node);

}  // namespace workbench
