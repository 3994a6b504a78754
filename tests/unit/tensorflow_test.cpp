// TensorFlow graphs built node by node: constants and shapes that fold, channels last become
// channels first without transposes inside, what is refused and how.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "tests/support/tensorflow_run.h"

namespace workbench::test {
namespace {

std::vector<float> counting(std::int64_t count) {
  std::vector<float> values(static_cast<std::size_t>(count));
  std::iota(values.begin(), values.end(), 0.0F);
  return values;
}

template <typename Op>
std::size_t count_of(const Graph& graph) {
  return static_cast<std::size_t>(std::ranges::count_if(
      graph.nodes, [](const Node& node) { return std::holds_alternative<Op>(node.op); }));
}

TfNode conv(const std::string& name, const std::string& x, const std::string& w) {
  return TfNode("Conv2D", name, {x, w}).text("padding", "SAME").integers("strides", {1, 1, 1, 1});
}

// y[h,w,1] = x[h,w,0] + 2 x[h,w,1] at each pixel; the input and the output keep their layout.
TEST(Tensorflow, inputs_and_outputs_keep_channels_last) {
  GraphDef graph;
  graph.placeholder("x", {-1, 2, 3, 2}).reals("w", {1, 1, 2, 1}, {1, 2}).add(conv("y", "x", "w"));
  const Graph imported = import_graph_def(graph.bytes());
  EXPECT_EQ(imported.value(imported.inputs[0]).shape, (Shape{1, 2, 3, 2}));
  EXPECT_EQ(imported.value(imported.inputs[0]).name, "x");
  EXPECT_EQ(imported.value(imported.outputs[0]).name, "y");
  const Tensor y = run_graph_def(graph.bytes(), {tensor_of({1, 2, 3, 2}, counting(12))});
  EXPECT_EQ(y.shape(), (Shape{1, 2, 3, 1}));
  // Pixels are (0,1), (2,3), ...: a + 2 b.
  EXPECT_EQ(values_of(y), (std::vector<float>{2, 8, 14, 20, 26, 32}));
}

// Batch norm, residual sum, concat along channels, mean over the map: two transposes at the border.
TEST(Tensorflow, no_transpose_is_left_inside) {
  GraphDef graph;
  graph.placeholder("x", {1, 4, 4, 2})
      .reals("w", {1, 1, 2, 2}, {1, 0, 0, 1})
      .reals("scale", {2}, {2, 3})
      .reals("offset", {2}, {0.5F, -0.5F})
      .list("last", {3})
      .integers("axis", {}, {3})
      .integers("paddings", {4, 2}, {0, 0, 1, 1, 1, 1, 0, 0})
      .add(conv("conv", "x", "w"))
      .op("Mul", "scaled", {"conv", "scale"})
      .op("AddV2", "shifted", {"offset", "scaled"})
      .op("Relu", "relu", {"shifted"})
      .op("Add", "sum", {"relu", "conv"})
      .op("ConcatV2", "both", {"sum", "relu", "axis"})
      .op("Pad", "wide", {"both", "paddings"})
      .reals("w2", {1, 1, 4, 1}, {1, 1, 1, 1})
      .add(conv("y", "wide", "w2"));
  const Graph imported = import_graph_def(graph.bytes());
  EXPECT_EQ(count_of<Transpose>(imported), 1U);  // of the input; one channel needs none
  const std::vector<float> x(32, 1.0F);
  const Tensor y = run_graph_def(graph.bytes(), {tensor_of({1, 4, 4, 2}, x)});
  ASSERT_EQ(y.shape(), (Shape{1, 6, 6, 1}));
  // relu = (2.5, 2.5), sum = relu + 1: 2 * 3.5 + 2 * 2.5 inside, 0 in the padding.
  EXPECT_EQ(values_of(y)[0], 0.0F);
  EXPECT_EQ(values_of(y)[7], 12.0F);
}

// A map is flattened H, W, C; the matrix's rows follow it into C, H, W.
TEST(Tensorflow, a_flattened_map_permutes_the_matrix_behind_it) {
  GraphDef graph;
  std::vector<float> matrix(12 * 2, 0.0F);
  for (std::size_t i = 0; i < 12; ++i) {
    matrix[2 * i] = static_cast<float>(i);     // sum of i * x[i]
    matrix[2 * i + 1] = i == 5 ? 1.0F : 0.0F;  // x[5]
  }
  graph.placeholder("x", {-1, 2, 3, 2})
      .reals("w", {1, 1, 2, 2}, {1, 0, 0, 1})
      .reals("m", {12, 2}, matrix)
      .list("sizes", {-1, 12})
      .add(conv("conv", "x", "w"))
      .op("Relu", "relu", {"conv"})
      .op("Reshape", "flat", {"relu", "sizes"})
      .op("MatMul", "y", {"flat", "m"});
  const Graph imported = import_graph_def(graph.bytes());
  EXPECT_EQ(count_of<Transpose>(imported), 1U);
  const Tensor y = run_graph_def(graph.bytes(), {tensor_of({1, 2, 3, 2}, counting(12))});
  // Squares of 0 to 11: 506.
  EXPECT_EQ(values_of(y), (std::vector<float>{506, 5}));
}

TEST(Tensorflow, a_flattened_map_that_is_an_output_is_in_the_order_of_the_file) {
  GraphDef graph;
  graph.placeholder("x", {1, 2, 3, 2})
      .reals("w", {1, 1, 2, 2}, {1, 0, 0, 1})
      .list("sizes", {-1, 12})
      .add(conv("conv", "x", "w"))
      .op("Reshape", "flat", {"conv", "sizes"})
      .op("Relu", "y", {"flat"});
  EXPECT_EQ(values_of(run_graph_def(graph.bytes(), {tensor_of({1, 2, 3, 2}, counting(12))})),
            counting(12));
}

// The bias reaches the padding before the blocks are taken apart: no convolution has such padding.
TEST(Tensorflow, a_sum_between_space_and_its_convolution_is_refused) {
  GraphDef graph;
  graph.placeholder("x", {1, 4, 4, 1})
      .list("block", {2, 2})
      .integers("margin", {2, 2}, {2, 2, 2, 2})
      .integers("crops", {2, 2}, {0, 0, 0, 0})
      .reals("w", {3, 3, 1, 1}, std::vector<float>(9, 1))
      .reals("bias", {1}, {1})
      .op("SpaceToBatchND", "apart", {"x", "block", "margin"})
      .op("BiasAdd", "biased", {"apart", "bias"})
      .add(TfNode("Conv2D", "conv", {"biased", "w"})
               .text("padding", "VALID")
               .integers("strides", {1, 1, 1, 1}))
      .op("BatchToSpaceND", "y", {"conv", "block", "crops"});
  EXPECT_TRUE(import_error_of(graph.bytes()).starts_with("node 'biased' (BiasAdd): expected no "));
}

// Shape, StridedSlice, Mul and Pack of the batch and the sizes: [1, 2 * 3 * 2].
TEST(Tensorflow, shape_arithmetic_is_constant) {
  GraphDef graph;
  graph.placeholder("x", {-1, 2, 3, 2})
      .op("Shape", "shape", {"x"})
      .list("zero", {0})
      .list("one", {1})
      .list("four", {4})
      .add(TfNode("StridedSlice", "batch", {"shape", "zero", "one", "one"})
               .integer("shrink_axis_mask", 1))
      .add(TfNode("StridedSlice", "rest", {"shape", "one", "four", "one"}).integer("end_mask", 1))
      .op("Prod", "count", {"rest", "zero"})
      .op("Pack", "sizes", {"batch", "count"})
      .op("Reshape", "y", {"x", "sizes"});
  const Tensor y = run_graph_def(graph.bytes(), {tensor_of({1, 2, 3, 2}, counting(12))});
  EXPECT_EQ(y.shape(), (Shape{1, 12}));
  EXPECT_EQ(values_of(y), counting(12));
}

// x[1:, ..., newaxis, ::-2] of [2, 3, 4] with the ellipsis over nothing but the middle.
TEST(Tensorflow, strided_slices_have_all_their_masks) {
  GraphDef graph;
  graph.placeholder("x", {2, 3, 4})
      .list("begin", {1, 0, 0, 9})
      .list("end", {9, 0, 0, -9})
      .list("strides", {1, 1, 1, -2})
      .add(TfNode("StridedSlice", "y", {"x", "begin", "end", "strides"})
               .integer("ellipsis_mask", 2)
               .integer("new_axis_mask", 4)
               .integer("end_mask", 1));
  const Tensor y = run_graph_def(graph.bytes(), {tensor_of({2, 3, 4}, counting(24))});
  EXPECT_EQ(y.shape(), (Shape{1, 3, 1, 2}));
  EXPECT_EQ(values_of(y), (std::vector<float>{15, 13, 19, 17, 23, 21}));
}

// ShuffleNet's channel shuffle: [.., 2, 2] groups swapped, channels 0 2 1 3.
TEST(Tensorflow, channel_shuffle_keeps_its_order) {
  GraphDef graph;
  graph.placeholder("x", {1, 2, 2, 4})
      .reals("w", {1, 1, 4, 4}, {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1})
      .list("apart", {1, 2, 2, 2, 2})
      .list("order", {0, 1, 2, 4, 3})
      .list("together", {1, 2, 2, 4})
      .add(conv("conv", "x", "w"))
      .op("Reshape", "groups", {"conv", "apart"})
      .op("Transpose", "turned", {"groups", "order"})
      .op("Reshape", "shuffled", {"turned", "together"})
      .add(conv("y", "shuffled", "w"));
  const Tensor y = run_graph_def(graph.bytes(), {tensor_of({1, 2, 2, 4}, counting(16))});
  EXPECT_EQ(values_of(y),
            (std::vector<float>{0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15}));
}

// max(x, 0.1 x); relu(x) + a (x - |x|) / 2; relu(x) - a relu(-x).
TEST(Tensorflow, spellings_of_leaky_relus_are_recognised) {
  GraphDef leaky;
  leaky.placeholder("x", {1, 1, 1, 2})
      .reals("a", {}, {0.5F})
      .op("Mul", "ax", {"x", "a"})
      .op("Maximum", "y", {"ax", "x"});
  const Tensor x = tensor_of({1, 1, 1, 2}, {-8, 4});
  EXPECT_EQ(values_of(run_graph_def(leaky.bytes(), {x})), (std::vector<float>{-4, 4}));
  EXPECT_EQ(import_graph_def(leaky.bytes()).nodes.size(), 1U);

  GraphDef halves;
  halves.placeholder("x", {1, 1, 1, 2})
      .reals("a", {2}, {0.25F, 0.75F})
      .reals("half", {}, {0.5F})
      .op("Relu", "relu", {"x"})
      .op("Abs", "abs", {"x"})
      .op("Sub", "low", {"x", "abs"})
      .op("Mul", "scaled", {"a", "low"})
      .op("Mul", "halved", {"scaled", "half"})
      .op("Add", "y", {"relu", "halved"});
  EXPECT_EQ(values_of(run_graph_def(halves.bytes(), {x})), (std::vector<float>{-2, 4}));
  EXPECT_EQ(count_of<PRelu>(import_graph_def(halves.bytes())), 1U);

  GraphDef negative;
  negative.placeholder("x", {1, 1, 1, 2})
      .reals("a", {2}, {-0.25F, -0.75F})
      .op("Relu", "relu", {"x"})
      .op("Neg", "minus", {"x"})
      .op("Relu", "below", {"minus"})
      .op("Mul", "scaled", {"below", "a"})
      .op("Add", "y", {"relu", "scaled"});
  EXPECT_EQ(values_of(run_graph_def(negative.bytes(), {x})), (std::vector<float>{-2, 4}));
}

// relu, min 6, max 0 of one tensor is one Clip; the bounds may be a Cast of a constant.
TEST(Tensorflow, bounds_behind_each_other_are_one_clip) {
  GraphDef graph;
  graph.placeholder("x", {1, 4})
      .integers("six", {}, {6})
      .reals("zero", {}, {0})
      .add(TfNode("Cast", "top", {"six"}).type("DstT", kTfFloat))
      .op("Relu", "relu", {"x"})
      .op("Minimum", "low", {"relu", "top"})
      .op("Maximum", "y", {"low", "zero"});
  const Tensor x = tensor_of({1, 4}, {-1, 3, 6, 9});
  EXPECT_EQ(values_of(run_graph_def(graph.bytes(), {x})), (std::vector<float>{0, 3, 6, 6}));
  EXPECT_LE(import_graph_def(graph.bytes()).nodes.size(), 2U);  // and the output's name
}

// 2x of 1 2 / 3 4: corners aligned: steps of a third; neither: steps of a half, the edge repeated.
TEST(Tensorflow, nearest_neighbours_are_those_of_each_convention) {
  const Tensor x = tensor_of({1, 1, 3, 1}, {1, 2, 3});
  const auto resized = [&](bool corners, bool half_pixel) {
    GraphDef graph;
    graph.placeholder("x", {1, 1, 3, 1})
        .list("size", {1, 5})
        .add(TfNode("ResizeNearestNeighbor", "y", {"x", "size"})
                 .flag("align_corners", corners)
                 .flag("half_pixel_centers", half_pixel));
    return values_of(run_graph_def(graph.bytes(), {x}));
  };
  // floor(i * 3 / 5): 0 0 1 1 2.
  EXPECT_EQ(resized(false, false), (std::vector<float>{1, 1, 2, 2, 3}));
  // floor((i + 1/2) * 3 / 5) of 0.3 0.9 1.5 2.1 2.7: 0 0 1 2 2.
  EXPECT_EQ(resized(false, true), (std::vector<float>{1, 1, 2, 3, 3}));
  // round(i / 2) of 0 0.5 1 1.5 2, halves up: 0 1 1 2 2.
  EXPECT_EQ(resized(true, false), (std::vector<float>{1, 2, 2, 3, 3}));
}

// codes * s + round(low / s) * s with s = 2 / 255 for MIN_FIRST: low -1 is -127.5 s, round -128.
TEST(Tensorflow, quantized_constants_are_dequantized) {
  const auto weights = [](const std::string& mode) {
    GraphDef graph;
    graph.placeholder("x", {1, 2})
        .add(TfNode("Const", "codes", {})
                 .tensor("value", tf_tensor(12, {2, 1}, wire_bytes(4, std::string("\x00\xff", 2)))))
        .reals("low", {}, {-1})
        .reals("high", {}, {1})
        .add(TfNode("Dequantize", "w", {"codes", "low", "high"}).type("T", 12).text("mode", mode))
        .op("MatMul", "y", {"x", "w"});
    const float first = values_of(run_graph_def(graph.bytes(), {tensor_of({1, 2}, {1, 0})}))[0];
    const float second = values_of(run_graph_def(graph.bytes(), {tensor_of({1, 2}, {0, 1})}))[0];
    return std::pair(first, second);
  };
  // The step in float32 is a little above 2/255: 1 / step is below 127.5.
  EXPECT_FLOAT_EQ(weights("MIN_FIRST").first, -127 * 2.0F / 255);
  EXPECT_FLOAT_EQ(weights("MIN_FIRST").second, 128 * 2.0F / 255);
  EXPECT_FLOAT_EQ(weights("MIN_COMBINED").first, -1);
  EXPECT_FLOAT_EQ(weights("MIN_COMBINED").second, 1);
}

// [-1, 1] in 8 bits: step 2/255, in float32 a little above it. 1 / step is below 127.5, so zero is
// code 127 and the range [-127, 128] steps.
TEST(Tensorflow, fake_quantization_nudges_its_range) {
  GraphDef graph;
  graph.placeholder("x", {1, 4})
      .reals("low", {}, {-1})
      .reals("high", {}, {1})
      .op("FakeQuantWithMinMaxVars", "y", {"x", "low", "high"});
  const std::vector<float> y =
      values_of(run_graph_def(graph.bytes(), {tensor_of({1, 4}, {-5, 0, 0.01F, 5})}));
  const float step = 2.0F / 255;
  EXPECT_FLOAT_EQ(y[0], -127 * step);
  EXPECT_EQ(y[1], 0.0F);
  EXPECT_FLOAT_EQ(y[2], step);
  EXPECT_FLOAT_EQ(y[3], 128 * step);
}

// A constant of fewer values than elements repeats the last one; halves sit in integers.
TEST(Tensorflow, constants_are_filled_up) {
  GraphDef graph;
  std::string halves = wire_number(13, 0x3C00) + wire_number(13, 0xC000);  // 1, -2
  graph.placeholder("x", {1, 4})
      .add(TfNode("Const", "c", {}).tensor("value", tf_tensor(kTfHalf, {4}, halves)))
      .op("AddV2", "y", {"x", "c"});
  EXPECT_EQ(values_of(run_graph_def(graph.bytes(), {tensor_of({1, 4}, {0, 0, 0, 0})})),
            (std::vector<float>{1, -2, -2, -2}));
}

// The taken branch of a condition that is known is the network.
TEST(Tensorflow, a_training_switch_is_off) {
  GraphDef graph;
  graph.placeholder("x", {1, 2})
      .placeholder("training", {}, kTfBool)
      .reals("two", {}, {2})
      .op("Switch", "branch", {"x", "training"})
      .op("RandomUniform", "noise", {"branch:1"})
      .op("Mul", "doubled", {"branch", "two"})
      .op("Merge", "y", {"noise", "doubled"});
  EXPECT_EQ(values_of(run_graph_def(graph.bytes(), {tensor_of({1, 2}, {3, 4})})),
            (std::vector<float>{6, 8}));
}

GraphDef speech() {
  GraphDef graph;
  graph.placeholder("wav", {}, kTfString)
      .op("DecodeWav", "sound", {"wav"})
      .op("Mfcc", "mfcc", {"sound", "sound:1"})
      .list("sizes", {-1, 4})
      .op("Reshape", "features", {"mfcc", "sizes"})
      .reals("m", {4, 1}, {1, 2, 3, 4})
      .op("MatMul", "y", {"features", "m"});
  return graph;
}

TEST(Tensorflow, a_network_starts_behind_what_reads_sound) {
  const Graph imported = import_graph_def(speech().bytes());
  EXPECT_EQ(imported.value(imported.inputs.at(0)).name, "features");
  EXPECT_EQ(imported.value(imported.inputs.at(0)).shape, (Shape{1, 4}));
}

TEST(Tensorflow, the_first_tensor_can_be_named) {
  GraphDef graph;
  graph.placeholder("x", {1, 2, 2, 1})
      .reals("w", {1, 1, 1, 1}, {2})
      .add(conv("a", "x", "w"))
      .op("Relu", "b", {"a"})
      .op("Tanh", "c", {"b"});
  const Graph imported = import_graph_def(graph.bytes(), {.input_node = "b"});
  EXPECT_EQ(imported.value(imported.inputs.at(0)).name, "b");
  EXPECT_EQ(imported.value(imported.inputs.at(0)).shape, (Shape{1, 2, 2, 1}));
  EXPECT_EQ(imported.nodes.size(), 1U);
  EXPECT_EQ(import_error_of(graph.bytes(), {.input_node = "d"}),
            "--input-node d: expected a node of the graph, found none of this name");
}

// 5x5 without padding leaves side - 4; 24 * 24 * 1 = 576 rows make the side 28.
TEST(Tensorflow, an_open_size_is_what_the_layers_agree_with) {
  GraphDef graph;
  graph.placeholder_of_any_shape("x")
      .reals("w", {5, 5, 1, 1}, std::vector<float>(25, 1))
      .reals("m", {576, 1}, std::vector<float>(576, 1))
      .list("sizes", {1, -1})
      .add(TfNode("Conv2D", "conv", {"x", "w"})
               .text("padding", "VALID")
               .integers("strides", {1, 1, 1, 1}))
      .op("Reshape", "flat", {"conv", "sizes"})
      .op("MatMul", "y", {"flat", "m"});
  const Graph imported = import_graph_def(graph.bytes());
  EXPECT_EQ(imported.value(imported.inputs.at(0)).shape, (Shape{1, 28, 28, 1}));
}

std::vector<std::string> notes_of(const GraphDef& graph, const ImportOptions& options = {}) {
  const TemporaryFolder folder;
  return import_with_notes(folder.write("graph.pb", graph.bytes()), options).notes;
}

TEST(Tensorflow, an_open_size_that_nothing_decides_is_that_of_an_image) {
  GraphDef graph;
  graph.placeholder_of_any_shape("x").reals("w", {1, 1, 5, 1}, {1, 1, 1, 1, 1});
  graph.add(conv("y", "x", "w"));
  EXPECT_EQ(notes_of(graph),
            (std::vector<std::string>{"input 'x': 1,224,224,5 (dimension 1, 2 chosen, as of an "
                                      "image; --shape x=1,224,224,5 changes it)"}));
}

TEST(Tensorflow, an_input_of_any_shape_is_what_reads_it) {
  GraphDef product;  // a vector, as the weights say
  product.placeholder_of_any_shape("x").reals("m", {3, 1}, {1, 2, 3}).op("MatMul", "y", {"x", "m"});
  const Graph vector = import_graph_def(product.bytes());
  EXPECT_EQ(vector.value(vector.inputs.at(0)).shape, (Shape{1, 3}));
  GraphDef function;
  function.placeholder_of_any_shape("x").reals("w", {}, {2}).op("Mul", "y", {"x", "w"});
  EXPECT_EQ(
      notes_of(function),
      (std::vector<std::string>{"input 'x': 1 (any shape would do; --shape x=1 changes it)"}));
  const ImportOptions of_data{.likely_shapes = {{"x", {5}}}};
  EXPECT_TRUE(notes_of(function, of_data).empty());
  const Graph five = import_graph_def(function.bytes(), of_data);
  EXPECT_EQ(five.value(five.outputs.at(0)).shape, (Shape{5}));
}

TEST(Tensorflow, shape_fixes_an_open_size) {
  GraphDef graph;
  graph.placeholder_of_any_shape("x").reals("w", {1, 1, 3, 1}, {1, 1, 1}).add(conv("y", "x", "w"));
  const Graph imported = import_graph_def(graph.bytes(), {.input_shapes = {{"x", {1, 5, 6, 3}}}});
  EXPECT_EQ(imported.value(imported.outputs.at(0)).shape, (Shape{1, 5, 6, 1}));
}

TEST(Tensorflow, a_refusal_names_every_obstacle) {
  GraphDef graph;
  graph.placeholder("x", {1, 2})
      .op("VariableV2", "v", {})
      .op("Mul", "a", {"x", "v"})
      .op("BlockLSTM", "l", {"a"})
      .op("Frobnicate", "f1", {"l"})
      .op("Frobnicate", "f2", {"f1"})
      .op("Relu", "y", {"f2"});
  EXPECT_EQ(import_error_of(graph.bytes()),
            "3 obstacles: node 'v' (VariableV2): its value is not in this file: freeze the graph "
            "(variables to constants) first; node 'l' (BlockLSTM): an LSTM block keeps state "
            "between steps: not supported; Frobnicate (2 nodes, first 'f1'): operator is not "
            "supported");
}

TEST(Tensorflow, a_saved_model_is_read_through_its_signature) {
  GraphDef graph;
  graph.placeholder("x", {1, 2}).op("Relu", "y", {"x"}).op("Tanh", "unused", {"x"});
  const std::string output = wire_bytes(1, "out") + wire_bytes(2, wire_bytes(1, "y:0"));
  const std::string signature =
      wire_bytes(1, "serving_default") + wire_bytes(2, wire_bytes(2, output));
  const std::string meta_graph = wire_bytes(2, graph.bytes()) + wire_bytes(5, signature);
  const TemporaryFolder folder;
  folder.write("saved_model.pb", wire_number(1, 1) + wire_bytes(2, meta_graph));
  const Graph imported = import_model(folder.path());
  ASSERT_EQ(imported.outputs.size(), 1U);
  EXPECT_EQ(imported.value(imported.outputs[0]).name, "y");
}

// A declared size far beyond the bytes in the file is an error, not an allocation.
TEST(Tensorflow, a_constant_of_a_size_that_no_memory_holds_is_refused) {
  GraphDef graph;
  graph.placeholder("x", {1, 2})
      .add(TfNode("Const", "c", {})
               .tensor("value", tf_tensor(kTfFloat, {1 << 15, 1 << 15}, wire_float(5, 1))))
      .op("Mul", "y", {"x", "c"});
  EXPECT_EQ(import_error_of(graph.bytes()),
            "node 'c' (Const): attribute 'value': expected 1073741824 values, found 1 to repeat");
}

// 64 MiB each, from a few bytes: the sum is bounded, whatever is made of them.
TEST(Tensorflow, constants_cannot_multiply_without_end) {
  GraphDef graph;
  graph.placeholder("x", {1, 2}).list("dims", {1 << 12, 1 << 12}).reals("zero", {}, {0});
  std::string bytes = graph.bytes();
  for (int i = 0; i < 6; ++i) {
    const std::string name = "f" + std::to_string(i);
    bytes += wire_bytes(1, TfNode("Fill", name, {"dims", "zero"}).bytes());
    bytes += wire_bytes(1, TfNode("BiasAdd", "y" + std::to_string(i), {"x", name}).bytes());
  }
  EXPECT_NE(import_error_of(bytes).find("expected constants that the size of the file explains"),
            std::string::npos);
}

TEST(Tensorflow, a_deep_graph_imports) {
  GraphDef graph;
  graph.placeholder("x", {1, 2});
  std::string last = "x";
  std::string bytes = graph.bytes();
  constexpr int kNodes = 100'000;
  for (int i = 0; i < kNodes; ++i) {
    const std::string name = "n" + std::to_string(i);
    bytes += wire_bytes(1, TfNode(i % 2 == 0 ? "Tanh" : "Identity", name, {last}).bytes());
    last = name;
  }
  EXPECT_EQ(import_graph_def(bytes).nodes.size(), 50'001U);  // and the last one's name
}

}  // namespace
}  // namespace workbench::test
