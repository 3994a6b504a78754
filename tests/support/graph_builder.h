// Builds small float graphs for tests, shapes worked out on the way. A node and the value it
// writes share their name.
#pragma once

#include <random>
#include <string>
#include <vector>

#include "core/graph.h"

namespace workbench {

class GraphBuilder {
 public:
  // Weights come from `seed`.
  explicit GraphBuilder(std::uint64_t seed = 1) : random_(seed) {}

  ValueId input(const std::string& name, const Shape& shape);
  ValueId constant(const std::string& name, const Shape& shape, const std::vector<float>& values);
  // Uniform in [low, high).
  ValueId random_constant(const std::string& name, const Shape& shape, double low = -1,
                          double high = 1);
  ValueId add(const std::string& name, Op op, const std::vector<ValueId>& inputs);
  void output(ValueId id) { graph_.outputs.push_back(id); }

  // Common nodes, with random constants called NAME_w and so on. `x` is [N, C, spatial].
  ValueId conv(const std::string& name, ValueId x, std::int64_t channels, const Window& window,
               std::int64_t groups = 1, bool biased = true);
  ValueId batch_norm(const std::string& name, ValueId x);
  ValueId relu(const std::string& name, ValueId x);
  ValueId gemm(const std::string& name, ValueId x, std::int64_t columns);
  ValueId binary(const std::string& name, Binary::Kind kind, ValueId a, ValueId b);

  const Shape& shape(ValueId id) const { return graph_.value(id).shape; }
  const Graph& graph() const { return graph_; }
  Graph& graph() { return graph_; }

 private:
  std::mt19937_64 random_;
  Graph graph_;
};

// Square, stride 1, no dilation.
Window square_window(std::int64_t kernel, std::int64_t stride = 1, std::int64_t pad = 0,
                     std::size_t spatial_rank = 2);

// Uniform in [low, high), the same on every machine.
Tensor random_tensor(std::mt19937_64& random, const Shape& shape, double low = -1, double high = 1);
std::vector<Tensor> random_inputs(const Graph& graph, std::uint64_t seed);

}  // namespace workbench
