// QLinearConv means what its QDQ spelling means, to the last code, in the golden model.
#include <gtest/gtest.h>

#include <random>

#include "sim/golden/golden.h"
#include "tests/support/codes_model.h"

namespace workbench::test {
namespace {

using Random = std::mt19937_64;
using Integers = std::vector<std::int64_t>;

std::int64_t pick(Random& random, std::int64_t low, std::int64_t high) {
  return std::uniform_int_distribution<std::int64_t>(low, high)(random);
}

std::int32_t code(Random& random, int type) {
  const auto low = static_cast<std::int32_t>(type == kInt8 ? -128 : 0);
  return low + static_cast<std::int32_t>(pick(random, 0, 255));
}

std::vector<std::int32_t> codes(Random& random, int type, const Shape& shape) {
  std::vector<std::int32_t> result(static_cast<std::size_t>(element_count(shape)));
  for (auto& value : result) value = code(random, type);
  return result;
}

float scale(Random& random) { return std::uniform_real_distribution<float>(0.002F, 0.5F)(random); }

struct Case {
  Shape x, w;
  int x_type = kUint8, w_type = kInt8, y_type = kUint8;
  std::vector<float> w_scales;
  bool biased = false;
  std::int64_t groups = 1, stride = 1, pad = 0;
};

Case random_case(Random& random) {
  Case c;
  c.groups = pick(random, 1, 2);
  const std::int64_t kernel = pick(random, 1, 3);
  const std::int64_t inputs = pick(random, 1, 3), outputs = c.groups * pick(random, 1, 3);
  c.x = {1, inputs * c.groups, pick(random, 3, 6), pick(random, 3, 6)};
  c.w = {outputs, inputs, kernel, kernel};
  for (int* type : {&c.x_type, &c.w_type, &c.y_type}) {
    *type = pick(random, 0, 1) == 0 ? kInt8 : kUint8;
  }
  const bool per_channel = pick(random, 0, 1) == 1;
  c.w_scales.resize(per_channel ? static_cast<std::size_t>(outputs) : 1);
  for (float& s : c.w_scales) s = scale(random);
  c.biased = pick(random, 0, 1) == 1;
  c.stride = pick(random, 1, 2);
  c.pad = pick(random, 0, 1);
  return c;
}

// Everything but the nodes.
OnnxModel operands(Random& random, const Case& c) {
  OnnxModel model;
  model.input("x", c.x, c.x_type).output("y");
  const float x_scale = scale(random);
  add_scale(model, "x", {x_scale}, c.x_type, code(random, c.x_type));
  model.codes("w", c.w, c.w_type, codes(random, c.w_type, c.w));
  add_scale(model, "w", c.w_scales, c.w_type, code(random, c.w_type));
  add_scale(model, "y", {scale(random) * 20}, c.y_type, code(random, c.y_type));
  std::vector<std::int32_t> bias(static_cast<std::size_t>(c.w[0]));
  for (auto& value : bias) value = static_cast<std::int32_t>(pick(random, -20000, 20000));
  model.codes("b", {c.w[0]}, kInt32, bias);
  std::vector<float> steps;
  for (const float w_scale : c.w_scales) steps.push_back(x_scale * w_scale);
  model.floats("b_scale", steps.size() == 1 ? Shape{} : Shape{c.w[0]}, steps);
  return model;
}

void set_window(NodeBuilder node, const Case& c) {
  node.with("strides", Integers{c.stride, c.stride})
      .with("pads", Integers(4, c.pad))
      .with("group", c.groups);
}

OnnxModel operator_form(OnnxModel model, const Case& c) {
  auto inputs = joined(joined(with_scale("x"), with_scale("w")), {"y_scale", "y_zero"});
  if (c.biased) inputs.push_back("b");
  set_window(model.node("QLinearConv", inputs, {"y"}), c);
  return model;
}

OnnxModel qdq_form(OnnxModel model, const Case& c) {
  model.node("DequantizeLinear", with_scale("x"), {"x_real"});
  model.node("DequantizeLinear", with_scale("w"), {"w_real"}).with("axis", 0);
  std::vector<std::string> inputs{"x_real", "w_real"};
  if (c.biased) {
    model.node("DequantizeLinear", {"b", "b_scale"}, {"b_real"}).with("axis", 0);
    inputs.push_back("b_real");
  }
  set_window(model.node("Conv", inputs, {"y_real"}), c);
  model.node("QuantizeLinear", {"y_real", "y_scale", "y_zero"}, {"y"});
  return model;
}

template <typename T>
Tensor codes_tensor(const Shape& shape, const std::vector<std::int32_t>& values) {
  std::vector<T> narrow;
  for (const std::int32_t value : values) narrow.push_back(static_cast<T>(value));
  return Tensor::from<T>(shape, narrow);
}

std::vector<std::int64_t> golden_codes(const OnnxModel& model, const Tensor& x) {
  const Graph graph = model.import();
  const Tensor y = golden::run(graph, {&x, 1})[static_cast<std::size_t>(graph.outputs[0])];
  if (y.type() == ElementType::Int8) {
    return {y.values<std::int8_t>().begin(), y.values<std::int8_t>().end()};
  }
  return {y.values<std::uint8_t>().begin(), y.values<std::uint8_t>().end()};
}

TEST(QlinearProperty, a_convolution_of_codes_is_its_qdq_spelling) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(seed);
    Random random(seed);
    const Case c = random_case(random);
    const OnnxModel model = operands(random, c);
    const auto values = codes(random, c.x_type, c.x);
    const Tensor x = c.x_type == kInt8 ? codes_tensor<std::int8_t>(c.x, values)
                                       : codes_tensor<std::uint8_t>(c.x, values);
    EXPECT_EQ(golden_codes(operator_form(model, c), x), golden_codes(qdq_form(model, c), x));
  }
}

}  // namespace
}  // namespace workbench::test
