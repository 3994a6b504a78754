// Pieces of layers_of(): weights in the kernels' order, ranges of accumulators, and rescalings in a
// kernel's fields.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "compiler/pulp/layer.h"
#include "compiler/pulp/requantize.h"
#include "core/graph.h"

namespace workbench::pulp {

// What errors begin with.
std::string where(const Graph& graph, const Node& node);

// Whole numbers of a constant, whatever its type. Throws Error naming it when one is no integer or
// outside [low, high].
std::vector<std::int64_t> integers(const Value& value, Values limits);

// Output channels [first, first + count) of a convolution's [Co][Ci][Kh][Kw] as [Co][Kh][Kw][Ci].
std::vector<std::int8_t> conv_weights(const Value& weights, std::int64_t first, std::int64_t count);
// [No][Ni] of a matrix [Ni, No] (`transposed`: [No, Ni]), Ni in the order of an activation
// [height][width][channels] whose elements the matrix knows channel by channel.
std::vector<std::int8_t> linear_weights(const Value& matrix, bool transposed,
                                        const FeatureMap& input);
std::int64_t weight_bits(const Value& weights);

// Codes of an activation; int32 where it has 32 bits.
Values code_range(const FeatureMap& activation);
// Of the accumulator of each output channel, bias not included. The weights of an output channel
// are those of the input channels in turn, tap after tap; `by_channel`: it reads its own alone.
std::vector<Values> accumulator_ranges(const std::vector<std::int8_t>& weights,
                                       std::int64_t channels, const std::vector<Values>& inputs,
                                       bool by_channel);
// The smallest range with all of them.
Values hull(const std::vector<Values>& ranges);
// What a rescaling makes of the values, of which the call keeps codes.
Values rescaled_codes(const AffineRequantize& affine, std::size_t channel, const Values& range,
                      const Kernel& call);

struct NormForm {
  NormBits bits = NormBits::Auto;
  NormStyle norms = NormStyle::Ours;
};
// Kernel fields and lists of a layer whose accumulator (plus layer.bias) becomes codes by `affine`.
// Throws Error when there is no exact way. Returns what the accumulator can be.
Values set_rescaling(Layer& layer, const AffineRequantize& affine, std::vector<Values> ranges,
                     const NormForm& form, const std::string& where);
// The same for the sum of two operands, returning what the result can be, and for the sum over a
// pool's window.
Values set_add(Layer& layer, const Node& node, const Values& first, const Values& second,
               const std::string& where);
void set_average(Layer& layer, const AffineRequantize& affine, const Values& input,
                 const std::string& where);

}  // namespace workbench::pulp
