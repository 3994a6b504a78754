// Element types and storage forms of ONNX tensors, and the quantization operators' parameters.
#include <gtest/gtest.h>

#include <filesystem>

#include "core/file.h"
#include "tests/support/onnx_model.h"

namespace workbench::test {
namespace {

using Proto = onnx::TensorProto;

// x + constant, where the constant is what the test looks at.
Tensor import_constant(OnnxModel& model) {
  model.output("w");
  const Graph graph = model.import();
  return *graph.value(graph.outputs[0]).constant;
}

// 0x3C00 = 1, 0xC000 = -2, 0x0001 = 2^-24 (the least subnormal), 0x7BFF = 65504 (the greatest).
TEST(ImportTensor, half_floats_are_widened) {
  OnnxModel model;
  model.codes("w", {4}, Proto::FLOAT16, {0x3C00, 0xC000, 0x0001, 0x7BFF});
  EXPECT_EQ(floats_of(import_constant(model)), (std::vector<float>{1, -2, 0x1p-24F, 65504}));
}

TEST(ImportTensor, raw_half_floats_are_widened) {
  OnnxModel model;
  Proto& tensor = model.codes("w", {2}, Proto::FLOAT16, {});
  tensor.set_raw_data(std::string("\x00\x3C\x00\xC0", 4));
  EXPECT_EQ(floats_of(import_constant(model)), (std::vector<float>{1, -2}));
}

TEST(ImportTensor, doubles_are_narrowed_and_refused_beyond_float) {
  OnnxModel model;
  Proto& tensor = model.codes("w", {2}, Proto::DOUBLE, {});
  tensor.add_double_data(0.1);
  tensor.add_double_data(-3);
  EXPECT_EQ(floats_of(import_constant(model)), (std::vector<float>{0.1F, -3}));
  tensor.set_double_data(1, -1e300);
  EXPECT_EQ(model.import_error(),
            "test: initializer 'w': expected finite numbers, found -inf at element 1");
}

TEST(ImportTensor, raw_bools_become_0_or_1) {
  OnnxModel model;
  model.codes("w", {3}, Proto::BOOL, {}).set_raw_data(std::string("\x00\x01\x7f", 3));
  const bool expected[] = {false, true, true};
  EXPECT_EQ(import_constant(model), Tensor::from<bool>({3}, std::span(expected)));
}

TEST(ImportTensor, tensor_files_are_read_and_refused) {
  const std::filesystem::path path =
      std::filesystem::path(testing::TempDir()) / "import_tensor_test.pb";
  OnnxModel model;
  write_file(path, model.floats("t", {2}, {1, 2}).SerializeAsString());
  EXPECT_EQ(floats_of(read_tensor_proto(path)), (std::vector<float>{1, 2}));
  write_file(path, "no tensor");
  EXPECT_THROW(read_tensor_proto(path), Error);
  std::filesystem::remove(path);
}

OnnxModel quantize_model(int type, std::vector<float> scales, std::vector<std::int32_t> points) {
  OnnxModel model;
  model.input("x", {1, 2, 1, 2}).output("y");
  const auto count = static_cast<std::int64_t>(scales.size());
  const Shape shape = count == 1 ? Shape{} : Shape{count};
  model.floats("s", shape, scales);
  model.codes("z", shape, type, points);
  model.node("QuantizeLinear", {"x", "s", "z"}, {"q"}).named("q");
  model.node("DequantizeLinear", {"q", "s", "z"}, {"y"}).named("d");
  return model;
}

TEST(ImportQuantize, the_code_carries_scale_and_zero_point) {
  const Graph graph = quantize_model(Proto::UINT8, {0.5F}, {3}).import();
  const Value& code = graph.value(graph.nodes[0].outputs[0]);
  EXPECT_EQ(code.type, ElementType::Uint8);
  ASSERT_TRUE(code.quantization);
  EXPECT_FALSE(code.quantization->is_signed);
  EXPECT_EQ(code.quantization->thresholds, (std::vector<double>{0.5 * 255}));  // step * high
  EXPECT_EQ(code.quantization->zero_points, (std::vector<std::int64_t>{3}));
  EXPECT_EQ(code.quantization->rounding, Rounding::HalfEven);
  // 0.25/0.5 = 0.5 -> 0, 0.75/0.5 = 1.5 -> 2: half to even; -9 saturates at code 0, value -1.5.
  EXPECT_EQ(floats_of(evaluate_one(graph, {0.25F, 0.75F, -9, 2})),
            (std::vector<float>{0, 1, -1.5F, 2}));
}

TEST(ImportQuantize, one_scale_per_channel) {
  const Graph graph = quantize_model(Proto::INT8, {1, 2}, {0, 0}).import();
  const Value& code = graph.value(graph.nodes[0].outputs[0]);
  EXPECT_EQ(code.quantization->thresholds, (std::vector<double>{127, 254}));
  EXPECT_EQ(code.quantization->axis, 1);
  EXPECT_TRUE(code.quantization->zero_points.empty());
  EXPECT_EQ(floats_of(evaluate_one(graph, {3, -200, 3, -200})),
            (std::vector<float>{3, -128, 4, -200}));  // 3/2 = 1.5 -> 2
}

TEST(ImportQuantize, scale_that_is_not_positive_is_refused) {
  EXPECT_EQ(quantize_model(Proto::INT8, {0}, {0}).import_error(),
            "test: node 'q' (QuantizeLinear): input 1 (scale): expected finite values above 0, "
            "found 0");
}

TEST(ImportQuantize, scales_that_do_not_fit_the_axis_are_refused) {
  EXPECT_EQ(quantize_model(Proto::INT8, {1, 1, 1}, {0, 0, 0}).import_error(),
            "test: node 'q' (QuantizeLinear): input 1 (scale): expected 1 or 2 entries, found 3");
}

TEST(ImportQuantize, codes_read_with_another_scale_are_refused) {
  OnnxModel model = quantize_model(Proto::INT8, {1}, {0});
  model.floats("s2", {}, {2});
  model.graph().mutable_node(1)->set_input(1, "s2");
  EXPECT_EQ(model.import_error(),
            "test: node 'd' (DequantizeLinear): input 0 'q': expected the scale and zero point it "
            "already has, found others");
}

TEST(ImportQuantize, integer_weights_and_biases_are_dequantized_constants) {
  OnnxModel model;
  model.input("x", {1, 1, 1, 1}).output("y");
  model.codes("w", {1, 1, 1, 1}, Proto::INT8, {-6});
  model.codes("b", {1}, Proto::INT32, {8});
  model.floats("sw", {}, {0.5F});
  model.floats("sb", {}, {0.25F});
  model.node("DequantizeLinear", {"w", "sw"}, {"wf"});
  model.node("DequantizeLinear", {"b", "sb"}, {"bf"});
  model.node("Conv", {"x", "wf", "bf"}, {"y"});
  EXPECT_EQ(floats_of(evaluate_one(model.import(), {2})), (std::vector<float>{-4}));  // -3*2 + 2
}

}  // namespace
}  // namespace workbench::test
