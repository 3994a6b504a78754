// Networks that are nearly integer: one line says what stands in the way.
#include <gtest/gtest.h>

#include "compiler/quantize/integer_network.h"
#include "tests/support/onnx_model.h"

namespace workbench::test {
namespace {

using Type = onnx::TensorProto;

// The Error of making the model integer, for a sample of `value` everywhere.
std::string error_of(const OnnxModel& model, float value = 1) {
  const Graph imported = model.import();
  std::vector<Tensor> inputs;
  for (const ValueId id : imported.inputs) {
    const Shape& shape = imported.value(id).shape;
    const auto count = static_cast<std::size_t>(element_count(shape));
    inputs.push_back(Tensor::from<float>(shape, std::vector<float>(count, value)));
  }
  try {
    integer_network(imported, inputs);
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

// x [1,2,2,2] -> Conv "first" -> acc; "last" reads v and writes y.
OnnxModel model_of(const std::vector<float>& weights = {1, 2}) {
  OnnxModel model(9);
  model.input("x", {1, 2, 2, 2}).output("y");
  model.floats("w", {2, 1, 1, 1}, weights);
  model.floats("w2", {1, 2, 1, 1}, {1, 1});
  model.floats("four", {}, {4});
  model.node("Conv", {"x", "w"}, {"acc"}).named("first").with("group", 2);
  return model;
}
OnnxModel& last(OnnxModel& model) {
  model.node("Conv", {"v", "w2"}, {"y"}).named("last");
  return model;
}

TEST(IntegerNetworkError, fraction_that_is_never_cut) {
  OnnxModel model = model_of();
  model.node("Div", {"acc", "four"}, {"q"}).named("div");
  model.node("Clip", {"q"}, {"v"}).named("clip").with("min", 0.0F).with("max", 255.0F);
  EXPECT_EQ(
      error_of(last(model)),
      "node 'clip' (Clip): its result 'v' has a fraction that is never cut: no Floor, Cast or "
      "integer Div");
}

TEST(IntegerNetworkError, fraction_clipped_to_codes_at_the_end) {
  OnnxModel model = model_of();
  model.node("Div", {"acc", "four"}, {"q"}).named("div");
  model.node("Clip", {"q"}, {"y"}).named("clip").with("min", 0.0F).with("max", 255.0F);
  EXPECT_EQ(
      error_of(model),
      "node 'clip' (Clip): its result 'y' has a fraction that is never cut: no Floor, Cast or "
      "integer Div");
}

TEST(IntegerNetworkError, clip_that_is_no_range_of_codes) {
  OnnxModel model = model_of();
  model.node("Clip", {"acc"}, {"v"}).named("clip").with("min", 0.0F).with("max", 100.0F);
  EXPECT_EQ(error_of(last(model)),
            "node 'clip' (Clip): clips to [0, 100], which is no range of codes");
}

TEST(IntegerNetworkError, clip_between_integers) {
  OnnxModel model = model_of();
  model.node("Clip", {"acc"}, {"v"}).named("clip").with("min", 0.0F).with("max", 6.5F);
  EXPECT_EQ(error_of(last(model)),
            "node 'clip' (Clip): clips integers at 6.5, expected a whole number");
}

TEST(IntegerNetworkError, accumulators_read_as_codes) {
  OnnxModel model = model_of();
  model.node("Floor", {"acc"}, {"v"});
  EXPECT_EQ(
      error_of(last(model)),
      "node 'last' (Conv): reads 'v', numbers of 32 bits: expected a Clip to codes before it");
}

TEST(IntegerNetworkError, weights_that_are_no_codes) {
  EXPECT_EQ(error_of([] {
              OnnxModel model = model_of({1, 128});
              model.node("Relu", {"acc"}, {"v"});
              return last(model);
            }()),
            "node 'first' (Conv): weights 'w': expected whole numbers from -128 to 127");
}

TEST(IntegerNetworkError, host_node_between_layers) {
  OnnxModel model = model_of();
  model.node("Sigmoid", {"acc"}, {"v"});
  EXPECT_EQ(error_of(last(model)), "node 'last' (Conv): reads 'v', which is no integer");
}

TEST(IntegerNetworkError, constant_that_varies_within_a_channel) {
  OnnxModel model = model_of();
  model.floats("map", {1, 1, 2, 2}, {1, 2, 3, 4});
  model.node("Mul", {"acc", "map"}, {"m"}).named("mul");
  model.node("Clip", {"m"}, {"v"}).with("min", 0.0F).with("max", 255.0F);
  EXPECT_EQ(
      error_of(last(model)),
      "node 'mul' (Mul): 'map' of shape [1, 1, 2, 2] is neither one number nor one per channel "
      "of [1, 2, 2, 2]");
}

TEST(IntegerNetworkError, constant_that_64_bits_do_not_hold) {
  OnnxModel model = model_of();
  model.floats("tiny", {}, {1e-30F});
  model.node("Mul", {"acc", "tiny"}, {"m"}).named("mul");
  model.node("Floor", {"m"}, {"v"});
  EXPECT_EQ(error_of(last(model)),
            "node 'mul' (Mul): 'tiny' makes of 'acc' no fraction that 64 bits hold");
}

TEST(IntegerNetworkError, average_over_fewer_cells_at_the_border) {
  OnnxModel model = model_of();
  model.node("Clip", {"acc"}, {"c"}).with("min", 0.0F).with("max", 255.0F);
  NodeBuilder pool = model.node("AveragePool", {"c"}, {"y"});
  pool.named("pool").with("kernel_shape", Shape{2, 2}).with("pads", Shape{1, 1, 1, 1});
  EXPECT_EQ(error_of(model),
            "node 'pool' (AveragePool): divides by fewer cells at the border: expected "
            "count_include_pad 1 and ceil_mode 0, or no padding");
}

TEST(IntegerNetworkError, cast_that_may_not_fit) {
  OnnxModel model = model_of();
  model.node("Cast", {"acc"}, {"y"}).named("cast").with("to", Type::UINT8);
  // Two weights, 1 and 2, of codes up to 255.
  EXPECT_EQ(error_of(model),
            "node 'cast' (Truncate): values from 0 to 510 do not fit uint8: expected a Clip before "
            "it");
}

TEST(IntegerNetworkError, concat_of_different_codes) {
  OnnxModel model = model_of();
  model.node("Clip", {"acc"}, {"a"}).with("min", 0.0F).with("max", 255.0F);
  model.node("Clip", {"acc"}, {"b"}).with("min", -128.0F).with("max", 127.0F);
  model.node("Concat", {"a", "b"}, {"c"}).named("concat").with("axis", 2);
  model.node("MaxPool", {"c"}, {"y"}).with("kernel_shape", Shape{1, 1});
  EXPECT_EQ(error_of(model),
            "node 'concat' (Concat): joins 'a', uint8 codes of 8 bits, and 'b', int8 codes of 8 "
            "bits");
}

TEST(IntegerNetworkError, broadcast_of_two_activations) {
  OnnxModel model = model_of();
  model.node("MaxPool", {"x"}, {"m"}).with("kernel_shape", Shape{2, 2});
  model.node("Add", {"m", "x"}, {"s"}).named("add");
  model.node("Clip", {"s"}, {"y"}).with("min", 0.0F).with("max", 255.0F);
  EXPECT_EQ(
      error_of(model),
      "node 'add' (Add): expected operands of one shape, found [1, 2, 1, 1] and [1, 2, 2, 2]");
}

TEST(IntegerNetworkError, sample_that_is_no_codes) {
  OnnxModel model = model_of();
  model.node("Clip", {"acc"}, {"y"}).with("min", 0.0F).with("max", 255.0F);
  EXPECT_EQ(error_of(model, 0.5F),
            "input 'x': expected unsigned codes, whole numbers from 0 to 255, found 0.5");
  EXPECT_EQ(error_of(model, -200),
            "input 'x': expected signed codes, whole numbers from -128 to 127, found -200");
}

TEST(IntegerImportError, zero_points) {
  OnnxModel model(13);
  model.input("x", {1, 1, 1, 1}, Type::UINT8).output("y");
  model.codes("w", {1, 1, 1, 1}, Type::INT8, {1});
  model.codes("z", {}, Type::UINT8, {3});
  model.node("ConvInteger", {"x", "w", "z"}, {"y"}).named("c");
  EXPECT_EQ(model.import_error(),
            "test: node 'c' (ConvInteger): input 2 (zero_point): expected 0 or none, found 3");
}

TEST(IntegerImportError, requant_shift_attributes) {
  const auto error = [](float div, float levels, const std::vector<float>& mul) {
    OnnxModel model(10);
    model.input("x", {1, 2, 1, 1}).output("y");
    model.floats("mul", {static_cast<std::int64_t>(mul.size()), 1, 1}, mul);
    model.floats("add", {}, {0});
    NodeBuilder node = model.node("RequantShift", {"x", "mul", "add"}, {"y"});
    node.named("r").with("div", div).with("n_levels", levels).with("signed", 1.0F);
    return model.import_error();
  };
  EXPECT_EQ(error(4, 256, {1, 2}), "");
  EXPECT_EQ(error(0, 256, {1, 2}),
            "test: node 'r' (RequantShift): attribute 'div': expected 1 or more, found 0");
  EXPECT_EQ(error(4, 1, {1, 2}),
            "test: node 'r' (RequantShift): attribute 'n_levels': expected 2 to 2^32, found 1");
  EXPECT_EQ(error(4, 256, {1, 0.5F}),
            "test: node 'r' (RequantShift): input 1 (mul): expected whole numbers, found 0.5");
  EXPECT_EQ(
      error(4, 256, {1, 2, 3}),
      "test: node 'r' (RequantShift): input 1 (mul): expected one number or one per channel of "
      "[1, 2, 1, 1], found shape [3, 1, 1]");
}

// Kernels rescale by output channel, the columns of a product.
TEST(IntegerImportError, multipliers_per_row_of_a_product) {
  OnnxModel model(10);
  model.input("x", {2, 3}).output("y");
  model.floats("mul", {2, 1}, {3, 4});
  model.floats("add", {}, {0});
  NodeBuilder node = model.node("RequantShift", {"x", "mul", "add"}, {"y"});
  node.named("r").with("div", 4.0F).with("n_levels", 256.0F).with("signed", 1.0F);
  EXPECT_EQ(model.import_error(),
            "test: node 'r' (RequantShift): input 1 (mul): expected one number or one per channel "
            "of [2, 3], found shape [2, 1]");
}

TEST(IntegerImportError, operands_of_two_integer_types) {
  OnnxModel model(13);
  model.input("x", {1}, Type::INT32).output("y");
  model.integers("c", {1});
  model.node("Mul", {"x", "c"}, {"y"}).named("m");
  EXPECT_EQ(model.import_error(), "test: node 'm' (Mul): input 1 'c': expected int32, found int64");
}

TEST(IntegerImportError, gather_beyond_the_end) {
  OnnxModel model(13);
  model.input("x", {1, 4}).output("y");
  model.integers("i", {2, 7});
  model.node("Gather", {"x", "i"}, {"y"}).named("g").with("axis", 1);
  EXPECT_EQ(model.import_error(),
            "test: node 'g' (Gather): input 1 (indices): expected values in [-4, 4), found 7");
}

}  // namespace
}  // namespace workbench::test
