// Builds float Graphs layer by layer: shapes, names and seeded weights are the builder's work, the
// topology is the caller's. A layer's node, the value it writes and the layer share one name; what
// belongs to a layer is named LAYER/bn, LAYER/relu, LAYER/weight, ...
//
// Weights follow He et al. 2015 (arXiv 1502.01852), with an estimate of the second moment of each
// value carried along in place of the constant 1/2, so that pools, residual sums and concats do
// not make activations die or blow up however deep the network is.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/graph.h"

namespace workbench {

// 2-D windows, dilation 1.
Window window_2d(std::int64_t rows, std::int64_t columns, std::int64_t stride = 1);
Window square_window(std::int64_t kernel, std::int64_t stride = 1, std::int64_t pad = 0);
// Stride 1 and odd kernel: padded so that the output is as large as the input.
Window same_window(std::int64_t rows, std::int64_t columns);

struct ConvSpec {
  std::int64_t channels = 1;
  Window window = square_window(1);
  std::int64_t groups = 1;
  bool bias = true;
};

class NetworkBuilder {
 public:
  NetworkBuilder(std::string name, std::uint64_t seed);

  // `deviation`: root mean square of the data that will be fed.
  ValueId input(const std::string& name, Shape shape, double deviation = 1);

  // Each returns the value written by a new node called `layer`. Outputs of conv and gemm have zero
  // mean and a standard deviation of about `deviation`.
  ValueId conv(const std::string& layer, ValueId x, const ConvSpec& spec, double deviation = 1);
  ValueId conv_transpose(const std::string& layer, ValueId x, const ConvSpec& spec,
                         double deviation = 1);
  // [N, K] -> [N, units]
  ValueId gemm(const std::string& layer, ValueId x, std::int64_t units, double deviation = 1);
  ValueId max_pool(const std::string& layer, ValueId x, Window window, bool ceil_mode = false);
  ValueId average_pool(const std::string& layer, ValueId x, Window window, bool ceil_mode = false,
                       bool count_include_pad = true);
  ValueId global_average_pool(const std::string& layer, ValueId x);  // as AveragePool of the map
  ValueId add(const std::string& layer, ValueId a, ValueId b);
  ValueId concat(const std::string& layer, const std::vector<ValueId>& parts);  // of channels
  ValueId activate(const std::string& node, ValueId x, const Activation& activation);
  // Live; its output has a deviation of about `deviation` in each channel.
  ValueId batch_norm(const std::string& layer, ValueId x, double deviation = 1);
  ValueId softmax(const std::string& layer, ValueId x);

  // Part of the layer that wrote x: LAYER/bn, LAYER/relu, LAYER/flatten ([N, everything else]).
  ValueId batch_norm(ValueId x, double deviation = 1);
  ValueId relu(ValueId x);
  ValueId flatten(ValueId x);

  // Any other op; `inputs` as the op's struct says. Its output is taken to be spread like x.
  ValueId node(const std::string& name, Op op, const std::vector<ValueId>& inputs);
  // A float constant with random contents.
  ValueId constant(const std::string& name, Shape shape, double mean, double deviation);

  const Shape& shape(ValueId id) const { return graph_.value(id).shape; }

  // The finished graph, its weights filled in and verified. Call once.
  Graph finish(const std::vector<ValueId>& outputs);

 private:
  // How the elements of a value are expected to spread: mean squares of all elements, and of the
  // positive ones alone (the others counted as 0).
  struct Spread {
    std::string layer;
    double square = 1;
    double positive = 0.5;
  };
  struct Random {
    ValueId value;
    double mean, deviation;
  };

  Spread& spread(ValueId id);
  void set_symmetric(ValueId id, double deviation);
  ValueId weights(const std::string& layer, Shape shape, double deviation);
  std::vector<ValueId> with_bias(const std::string& layer, std::vector<ValueId> operands,
                                 std::int64_t channels, double deviation);

  Graph graph_;
  std::uint64_t seed_;
  std::vector<Spread> spreads_;  // by value id
  std::vector<Random> randoms_;
};

// Seeded weights that are the same bits on every machine and for every number of threads: element i
// of a tensor is a function of (key, i) in integer arithmetic, then one product and one sum in
// float.

// Key of one tensor's sequence: different for every (seed, name).
std::uint64_t weight_key(std::uint64_t seed, std::string_view name);

// One tensor to fill with an approximation of a Gaussian (the sum of four uniform numbers, so no
// value is further than 3.5 deviations from the mean).
struct WeightFill {
  std::span<float> values;
  std::uint64_t key = 0;
  double mean = 0;
  double deviation = 1;
};

// Fills all of them on up to `threads` threads (0: as many as the machine has).
void fill_weights(std::span<const WeightFill> fills, int threads = 0);

}  // namespace workbench
