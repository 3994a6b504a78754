#include "tests/support/graph_builder.h"

#include <utility>

#include "core/shapes.h"

namespace workbench {

ValueId GraphBuilder::input(const std::string& name, const Shape& shape) {
  const ValueId id = graph_.add_value({.name = name, .shape = shape});
  graph_.inputs.push_back(id);
  return id;
}

ValueId GraphBuilder::constant(const std::string& name, const Shape& shape,
                               const std::vector<float>& values) {
  return graph_.add_constant(name, Tensor::from(shape, values));
}

ValueId GraphBuilder::random_constant(const std::string& name, const Shape& shape, double low,
                                      double high) {
  return graph_.add_constant(name, random_tensor(random_, shape, low, high));
}

ValueId GraphBuilder::add(const std::string& name, Op op, const std::vector<ValueId>& inputs) {
  Node node{.name = name, .op = std::move(op), .inputs = inputs};
  const ValueId id = graph_.add_value({.name = name, .shape = output_shapes(graph_, node).at(0)});
  node.outputs = {id};
  graph_.nodes.push_back(std::move(node));
  return id;
}

ValueId GraphBuilder::conv(const std::string& name, ValueId x, std::int64_t channels,
                           const Window& window, std::int64_t groups, bool biased) {
  Shape weights{channels, shape(x)[1] / groups};
  weights.insert(weights.end(), window.kernel.begin(), window.kernel.end());
  std::vector<ValueId> inputs{x, random_constant(name + "_w", weights)};
  if (biased) inputs.push_back(random_constant(name + "_b", {channels}));
  return add(name, Conv{.window = window, .groups = groups}, inputs);
}

ValueId GraphBuilder::batch_norm(const std::string& name, ValueId x) {
  const Shape channels{shape(x)[1]};
  return add(name, BatchNorm{},
             {x, random_constant(name + "_scale", channels, 0.5, 2),
              random_constant(name + "_bias", channels), random_constant(name + "_mean", channels),
              random_constant(name + "_variance", channels, 0.5, 2)});
}

ValueId GraphBuilder::relu(const std::string& name, ValueId x) {
  return add(name, Activate{{.kind = Activation::Kind::Relu}}, {x});
}

ValueId GraphBuilder::gemm(const std::string& name, ValueId x, std::int64_t columns) {
  return add(name, Gemm{},
             {x, random_constant(name + "_w", {shape(x)[1], columns}),
              random_constant(name + "_b", {columns})});
}

ValueId GraphBuilder::binary(const std::string& name, Binary::Kind kind, ValueId a, ValueId b) {
  return add(name, Binary{.kind = kind}, {a, b});
}

Window square_window(std::int64_t kernel, std::int64_t stride, std::int64_t pad,
                     std::size_t spatial_rank) {
  const auto all = [=](std::int64_t v) { return std::vector<std::int64_t>(spatial_rank, v); };
  return {.kernel = all(kernel),
          .strides = all(stride),
          .dilations = all(1),
          .pads_begin = all(pad),
          .pads_end = all(pad)};
}

Tensor random_tensor(std::mt19937_64& random, const Shape& shape, double low, double high) {
  Tensor tensor = Tensor::uninitialized(ElementType::Float32, shape);
  for (float& value : tensor.mutable_values<float>()) {
    const double unit = static_cast<double>(random() >> 11) * 0x1p-53;  // [0, 1), 53 bits
    value = static_cast<float>(low + (high - low) * unit);
  }
  return tensor;
}

std::vector<Tensor> random_inputs(const Graph& graph, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<Tensor> inputs;
  for (const ValueId id : graph.inputs) {
    inputs.push_back(random_tensor(random, graph.value(id).shape));
  }
  return inputs;
}

}  // namespace workbench
