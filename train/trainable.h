// What of an annotated network (Value::quantization, compiler/quantize/recipe.h) is trained: the
// constants of its layers, and the steps of its codes, one for all values that share a scale.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "core/graph.h"
#include "train/quantizer.h"

namespace workbench::train {

// Steps that one or more quantizers have in common.
struct Scale {
  std::string name;  // of its first value
  bool weights = false;
  bool power_of_two = true;
  double codes = 128;  // per sign, of its first value: threshold = step * codes
  // log2 of the steps may not exceed this: saturation stands for a Clip, which ends there.
  double highest = 0;
};

// The rounding of one value.
struct Quantizer {
  ValueId value = kNoValue;
  std::size_t scale = 0;
  Codes codes;
  int axis = 0;       // along which steps run, where there are several
  bool idle = false;  // what is written has these codes already: a maximum, a reshape
  // Its codes' at_least and at_most are the activation of the node that writes the value.
  bool activates = false;
};

// A float constant that is trained.
struct Weight {
  ValueId value = kNoValue;
  std::string name;
  int bits = 16;  // of its codes; of a bias those of the weights beside it
  // That have a step each: number i is of channel i / inner % channels.
  std::size_t channels = 1, inner = 1;
};

// A bias is rounded to the product of two steps, which an accumulator counts in, where both are
// powers of two.
struct BiasGrid {
  ValueId bias = kNoValue;
  std::size_t operand = 0, weights = 0;  // scales
};

struct Trainable {
  std::vector<Scale> scales;
  std::vector<Quantizer> quantizers;  // ascending by value
  std::vector<Weight> weights;        // ascending by value
  std::vector<BiasGrid> biases;       // ascending by value

  const Quantizer* quantizer_of(ValueId value) const;
  const BiasGrid* grid_of(ValueId bias) const;
};

// The numbers that training changes.
struct Parameters {
  std::vector<std::vector<float>> weights;      // as Trainable::weights
  std::vector<std::vector<double>> log2_steps;  // as Trainable::scales: one, or one per channel
  static constexpr void fields(auto& self, auto&& visit) {
    visit("weights", self.weights);
    visit("log2_steps", self.log2_steps);
  }
  friend bool operator==(const Parameters&, const Parameters&) = default;
};

// `annotated`: float, as recipes leave it. Throws Error, naming the value, for codes with a zero
// point or more than 16 bits, and where nothing has codes.
Trainable trainable(const Graph& annotated);

// As the graph has them. A power of two is put in the middle of the octave that is rounded up to
// it: at its end, any first step would double it. Constants that recipes rounded become those of
// `floats` (the same network before, by name), moved as little as keeps each in the cell of its
// code: all is rounded to what the graph has, and some of it is near to being rounded otherwise.
Parameters initial_parameters(const Graph& annotated, const Graph& floats, const Trainable& what);

// `annotated` with these numbers in place of its own; biases are rounded as BiasGrid says.
Graph with_parameters(Graph annotated, const Trainable& what, const Parameters& parameters);

// Per scale the steps in use.
std::vector<double> steps_of(const Scale& scale, const std::vector<double>& log2_steps);
// `bias` to the nearest multiple of its unit.
double on_grid(double bias, double unit);

}  // namespace workbench::train
