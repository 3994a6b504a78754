// The front end of Caffe: what each layer means, with values derived by hand, and where its files
// are unlike others (docs/facts/caffe.md).
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "tests/support/caffe_model.h"

namespace workbench::test {
namespace {

using Floats = std::vector<float>;

// 1, 2, 3, ... as a map.
Tensor counting(const Shape& shape) {
  Floats values(static_cast<std::size_t>(element_count(shape)));
  std::iota(values.begin(), values.end(), 1.0F);
  return Tensor::from<float>(shape, values);
}

Tensor row(const Floats& values) {
  return Tensor::from<float>({1, 1, 1, static_cast<std::int64_t>(values.size())}, values);
}

void expect_near(const Floats& found, const Floats& expected, double tolerance = 1e-5) {
  ASSERT_EQ(found.size(), expected.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    EXPECT_NEAR(found[i], expected[i], tolerance * std::max(1.0F, std::abs(expected[i]))) << i;
  }
}

std::vector<std::string> node_names(const Graph& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes) names.push_back(node.name);
  return names;
}

Shape output_shape(const Graph& graph) { return graph.value(graph.outputs.at(0)).shape; }

std::string pool(const std::string& parameters) {
  return caffe_text("pool", "Pooling", "pooling_param { " + parameters + " }");
}

// 4 values, windows of 3 at 0 and 2: the second one is cut at the end of the map.
TEST(ImportCaffe, pool_rounds_its_size_up) {
  CaffeNet net(caffe_input(1, 1, 4) +
               pool("pool: MAX kernel_h: 1 kernel_w: 3 stride_h: 1 stride_w: 2"));
  EXPECT_EQ(net.run(row({1, 5, 2, 3})), (Floats{5, 3}));
}

// Windows of 3 at -1, 1, 3 and 5 on 5 values padded by 1: ceil(4 / 2) + 1 = 3 of them. On 6: ceil(5
// / 2) + 1 = 4 begin at -1, 1, 3, 5. With stride 3: ceil(5 / 3) + 1 = 3, at -1, 2, 5.
TEST(ImportCaffe, pool_with_padding_drops_a_window_that_begins_in_it) {
  const auto width = [](std::int64_t size, int stride, int kernel) {
    CaffeNet net(caffe_input(1, size, size) +
                 pool(fmt::format("kernel_size: {} stride: {} pad: 1", kernel, stride)));
    return output_shape(net.import()).back();
  };
  EXPECT_EQ(width(5, 2, 3), 3);
  EXPECT_EQ(width(6, 2, 3), 4);
  EXPECT_EQ(width(6, 3, 3), 3);
  EXPECT_EQ(width(4, 3, 2), 2);  // ceil(4 / 3) + 1 = 3 windows; the third would begin at 5
}

// [1 2 3 4], windows at 0 and 2: (1 + 2 + 3) / 3 and (3 + 4) / 2.
TEST(ImportCaffe, average_without_padding_divides_by_values_of_the_map) {
  CaffeNet net(caffe_input(1, 1, 4) +
               pool("pool: AVE kernel_h: 1 kernel_w: 3 stride_h: 1 stride_w: 2"));
  expect_near(net.run(row({1, 2, 3, 4})), {2, 3.5F});
}

// Padding counts: windows of 3 x 3 over [1 2 3] and two rows of zeros, all divided by 9.
TEST(ImportCaffe, average_divides_by_padding_too) {
  CaffeNet net(caffe_input(1, 1, 3) + pool("pool: AVE kernel_size: 3 pad: 1"));
  expect_near(net.run(row({1, 2, 3})), {3 / 9.0F, 6 / 9.0F, 5 / 9.0F});
}

// 4 values, pad 1, windows of 3 at -1, 1 and 3. The last would end at 6, beyond the padding at 5:
// it is divided by 2 columns. Rows: one window at -1 with 3 of them.
TEST(ImportCaffe, average_divides_by_what_of_the_padding_is_there) {
  CaffeNet net(caffe_input(1, 1, 4) +
               pool("pool: AVE kernel_size: 3 pad: 1 stride_h: 1 stride_w: 2"));
  expect_near(net.run(row({1, 2, 3, 4})), {3 / 9.0F, 9 / 9.0F, 4 / 6.0F});
}

TEST(ImportCaffe, round_mode_and_ceil_mode_round_down) {
  for (const char* mode : {"round_mode: FLOOR", "ceil_mode: false"}) {
    CaffeNet net(caffe_input(1, 4, 4) + pool(std::string("kernel_size: 3 stride: 2 ") + mode));
    EXPECT_EQ(output_shape(net.import()), (Shape{1, 1, 1, 1})) << mode;
  }
}

TEST(ImportCaffe, pool_with_a_window_outside_the_map_is_refused) {
  CaffeNet net(caffe_input(1, 4, 4) + pool("kernel_size: 1 stride: 2"));
  EXPECT_EQ(net.error(),
            "layer 'pool' (Pooling): expected windows that begin in the map, found stride 2 on 4 "
            "values with kernel 1, which leaves the last one none");
}

TEST(ImportCaffe, global_pool_takes_the_whole_map) {
  CaffeNet net(caffe_input(1, 2, 3) + pool("pool: AVE global_pooling: true"));
  expect_near(net.run(counting({1, 1, 2, 3})), {3.5F});
}

// mean 8 / 4 = 2, variance 16 / 4 = 4: (6 - 2) / 2.
TEST(ImportCaffe, batch_norm_divides_its_sums_by_their_factor) {
  CaffeNet net(caffe_input(1, 1, 1) + caffe_text("bn", "BatchNorm", "batch_norm_param { eps: 0 }"),
               caffe_layer("bn", {{{1}, {8}}, {{1}, {16}}, {{1}, {4}}}));
  expect_near(net.run(row({6})), {2});
}

// A factor of 0: mean and variance are 0. 6 / sqrt(0.25).
TEST(ImportCaffe, batch_norm_without_any_sample_has_no_mean) {
  CaffeNet net(
      caffe_input(1, 1, 1) + caffe_text("bn", "BatchNorm", "batch_norm_param { eps: 0.25 }"),
      caffe_layer("bn", {{{1}, {8}}, {{1}, {16}}, {{1}, {0}}}));
  expect_near(net.run(row({6})), {12});
}

TEST(ImportCaffe, batch_norm_with_scale_inside_is_refused) {
  const CaffeBlob one{{1}, {1}};
  CaffeNet net(caffe_input(1, 1, 1) + caffe_text("bn", "BatchNorm", ""),
               caffe_layer("bn", {one, one, one, one, one}));
  EXPECT_EQ(net.error(),
            "layer 'bn' (BatchNorm): expected mean, variance and their factor, found a fork's "
            "layer with scale and shift inside (5 blobs)");
}

TEST(ImportCaffe, scale_has_a_factor_and_an_offset_per_channel) {
  CaffeNet net(caffe_input(2, 1, 1) + caffe_text("s", "Scale", "scale_param { bias_term: true }"),
               caffe_layer("s", {{{2}, {2, 3}}, {{2}, {10, 20}}}));
  EXPECT_EQ(net.run(counting({1, 2, 1, 1})), (Floats{12, 26}));
}

// Squeeze and excite: [N, C] times [N, C, H, W].
TEST(ImportCaffe, scale_by_a_second_bottom) {
  CaffeNet net(caffe_input(2, 1, 2) +
               caffe_text("mean", "Pooling", "pooling_param { pool: AVE global_pooling: true }") +
               caffe_text("flat", "Flatten", "", "mean") +
               "layer { name: 's' type: 'Scale' bottom: 'data' bottom: 'flat' top: 's' "
               "scale_param { axis: 0 } }");
  EXPECT_EQ(net.run(counting({1, 2, 1, 2})), (Floats{1.5F, 3, 10.5F, 14}));
}

TEST(ImportCaffe, scale_along_the_last_axes) {
  CaffeNet net(
      caffe_input(1, 1, 2) + caffe_text("s", "Scale", "scale_param { axis: 2 num_axes: -1 }"),
      caffe_layer("s", {{{1, 2}, {5, 7}}}));
  EXPECT_EQ(net.run(row({1, 2})), (Floats{5, 14}));
}

// A reader behind an in-place layer reads its result, one before it does not.
TEST(ImportCaffe, layer_in_place_is_seen_by_readers_below_it) {
  CaffeNet net(
      caffe_input(1, 1, 2) + caffe_text("a", "AbsVal", "") +
      "layer { name: 'neg' type: 'Power' bottom: 'a' top: 'a' power_param { scale: -1 } }"
      "layer { name: 'relu' type: 'ReLU' bottom: 'a' top: 'a' relu_param { negative_slope: 0.5 } }"
      "layer { name: 'sum' type: 'Eltwise' bottom: 'a' bottom: 'data' top: 'sum' }");
  std::string error = net.error();
  if (error.find("Abs") == std::string::npos) {
    EXPECT_EQ(net.run(row({4, -2})), (Floats{2, -3}));
  }
}

TEST(ImportCaffe, names_of_layers_are_kept) {
  CaffeNet net(caffe_input(1, 3, 3) +
                   caffe_text("conv1/3x3", "Convolution",
                              "convolution_param { num_output: 1 kernel_size: 3 }") +
                   "layer { name: 'conv1/relu' type: 'ReLU' bottom: 'conv1/3x3' top: 'conv1/3x3' }",
               caffe_layer("conv1/3x3", {{{1, 1, 3, 3}, Floats(9, 1)}, {{1}, {1}}}));
  const Graph graph = net.import();
  EXPECT_EQ(node_names(graph), (std::vector<std::string>{"conv1/3x3", "conv1/relu"}));
  EXPECT_EQ(graph.value(graph.outputs.at(0)).name, "conv1/relu");
  EXPECT_EQ(net.run(counting({1, 1, 3, 3})), (Floats{46}));
  EXPECT_EQ(net.remarks.size(), 1U);  // where the weights are from
}

// kernel [1 2] over 1, 2, 3 from the left border on, two apart.
TEST(ImportCaffe, convolution_has_height_and_width_of_its_own) {
  CaffeNet net(caffe_input(1, 1, 3) +
                   caffe_text("c", "Convolution",
                              "convolution_param { num_output: 1 kernel_h: 1 kernel_w: 2 pad_h: 0 "
                              "pad_w: 1 stride_h: 1 stride_w: 2 bias_term: false }"),
               caffe_layer("c", {{{1, 1, 1, 2}, {1, 2}}}));
  EXPECT_EQ(net.run(row({1, 2, 3})), (Floats{2, 8}));
}

TEST(ImportCaffe, one_value_for_each_axis) {
  CaffeNet net(caffe_input(1, 5, 5) +
                   caffe_text("c", "Convolution",
                              "convolution_param { num_output: 1 kernel_size: [3, 2] stride: 1 "
                              "stride: 2 dilation: [2, 1] bias_term: false }"),
               caffe_layer("c", {{{1, 1, 3, 2}, Floats(6, 1)}}));
  EXPECT_EQ(output_shape(net.import()), (Shape{1, 1, 1, 2}));
}

// Two maps in one layer, with the same weights.
TEST(ImportCaffe, convolution_of_several_bottoms) {
  CaffeNet net(
      "input: 'a' input: 'b' input_shape { dim: 1 dim: 1 dim: 1 dim: 1 } "
      "input_shape { dim: 1 dim: 1 dim: 1 dim: 2 }"
      "layer { name: 'c' type: 'Convolution' bottom: 'a' bottom: 'b' top: 'x' top: 'y' "
      "convolution_param { num_output: 1 kernel_size: 1 bias_term: false } }",
      caffe_layer("c", {{{1, 1, 1, 1}, {3}}}));
  const Graph graph = net.import();
  EXPECT_EQ(graph.outputs.size(), 2U);
  EXPECT_EQ(graph.nodes.size(), 2U);
}

// Each value times [1 2], two apart: 1, 2, 2, 4.
TEST(ImportCaffe, deconvolution_writes_windows) {
  CaffeNet net(
      caffe_input(1, 1, 2) +
          caffe_text("d", "Deconvolution",
                     "convolution_param { num_output: 1 kernel_h: 1 kernel_w: 2 stride_h: 1 "
                     "stride_w: 2 bias_term: false }"),
      caffe_layer("d", {{{1, 1, 1, 2}, {1, 2}}}));
  EXPECT_EQ(net.run(row({1, 2})), (Floats{1, 2, 2, 4}));
}

// k = 4: f = 2, c = 3/4, weights of a side 1/4, 3/4, 3/4, 1/4. One value: their products.
TEST(ImportCaffe, bilinear_filler_needs_no_weights) {
  CaffeNet net(caffe_input(1, 1, 1) +
                   caffe_text("d", "Deconvolution",
                              "convolution_param { num_output: 1 kernel_size: 4 stride: 2 "
                              "weight_filler { type: 'bilinear' } bias_term: false }"),
               caffe_layer("other", {}));
  const Floats side{0.25F, 0.75F, 0.75F, 0.25F};
  Floats expected;
  for (const float y : side) {
    for (const float x : side) expected.push_back(16 * y * x);
  }
  expect_near(net.run(row({16})), expected);
}

// [out, in] times C, H, W in that order; `transpose` stores [in, out].
TEST(ImportCaffe, inner_product_flattens) {
  const CaffeBlob rows{{2, 4}, {1, 0, 0, 0, 1, 1, 1, 1}}, columns{{4, 2}, {1, 1, 0, 1, 0, 1, 0, 1}};
  for (const bool transposed : {false, true}) {
    CaffeNet net(caffe_input(2, 1, 2) +
                     caffe_text("ip", "InnerProduct",
                                fmt::format("inner_product_param {{ num_output: 2 transpose: {} }}",
                                            transposed)),
                 caffe_layer("ip", {transposed ? columns : rows, {{2}, {100, 200}}}));
    EXPECT_EQ(net.run(counting({1, 2, 1, 2})), (Floats{101, 210})) << transposed;
  }
}

TEST(ImportCaffe, inner_product_of_the_last_axis) {
  CaffeNet net(caffe_input(1, 2, 2) +
                   caffe_text("ip", "InnerProduct",
                              "inner_product_param { num_output: 1 axis: 3 bias_term: false }"),
               caffe_layer("ip", {{{1, 2}, {1, 10}}}));
  EXPECT_EQ(output_shape(net.import()), (Shape{1, 1, 2, 1}));
  EXPECT_EQ(net.run(counting({1, 1, 2, 2})), (Floats{21, 43}));
}

TEST(ImportCaffe, weights_of_another_shape_are_refused) {
  CaffeNet net(
      caffe_input(1, 3, 3) +
          caffe_text("c", "Convolution", "convolution_param { num_output: 2 kernel_size: 3 }"),
      caffe_layer("c", {{{2, 1, 2, 2}, Floats(8, 1)}}));
  EXPECT_TRUE(net.error().starts_with(
      "layer 'c' (Convolution): blob 0: expected [2, 1, 3, 3], found [2, 1, 2, 2] in "))
      << net.error();
}

TEST(ImportCaffe, layer_without_weights_is_refused) {
  CaffeNet net(
      caffe_input(1, 3, 3) +
          caffe_text("c", "Convolution", "convolution_param { num_output: 2 kernel_size: 3 }"),
      caffe_layer("C", {{{2, 1, 3, 3}, Floats(18, 1)}}));
  EXPECT_TRUE(
      net.error().starts_with("layer 'c' (Convolution): expected weights, found none for it in "))
      << net.error();
}

TEST(ImportCaffe, network_alone_has_seeded_weights) {
  const std::string text =
      caffe_input(1, 3, 3) +
      caffe_text("c", "Convolution", "convolution_param { num_output: 2 kernel_size: 3 }");
  CaffeNet first(text), second(text);
  const Tensor x = counting({1, 1, 3, 3});
  EXPECT_EQ(first.run(x), second.run(x));
  ASSERT_EQ(first.remarks.size(), 1U);
  EXPECT_EQ(first.remarks[0],
            "no --weights and no .caffemodel beside it: seeded random weights; cycles are real, "
            "accuracy is not");
}

TEST(ImportCaffe, option_names_the_weights) {
  CaffeNet net(caffe_input(1, 1, 1) + caffe_text("s", "Scale", ""), caffe_layer("s", {{{1}, {2}}}));
  const auto other = net.folder().write("other.caffemodel", caffe_layer("s", {{{1}, {3}}}));
  const Graph graph = net.import({.input_shapes = {}, .weights = other});
  EXPECT_TRUE(net.remarks.empty());
  const std::vector<Tensor> inputs{row({5})};
  EXPECT_EQ(evaluate(graph, inputs)[0].values<float>()[0], 15);
}

// The only .caffemodel of the folder; of two, none.
TEST(ImportCaffe, weights_of_another_name_are_found) {
  TemporaryFolder folder;
  const auto net =
      folder.write("deploy.prototxt", caffe_input(1, 1, 1) + caffe_text("s", "Scale", ""));
  const auto weights = folder.write("net_iter_10.caffemodel", caffe_layer("s", {{{1}, {2}}}));
  EXPECT_EQ(companion_file(net), weights);
  EXPECT_EQ(companion_file(weights), net);
  folder.write("net_iter_20.caffemodel", "");
  EXPECT_EQ(companion_file(net), std::nullopt);
}

// The syntax of before 2014, with sizes of a blob one by one.
TEST(ImportCaffe, old_syntax_is_read) {
  const std::string blob = "\x08\x01\x10\x01\x18\x01\x20\x02" +
                           field(5, std::string(4, '\0') + std::string("\0\0\x80\x3f", 4));
  const std::string weights = field(2, field(4, "ip") + field(6, blob));
  CaffeNet net(
      "name: 'old' input: \"data\" input_dim: 10 input_dim: 1 input_dim: 1 input_dim: 2 "
      "layers { name: 'ip' type: INNER_PRODUCT bottom: 'data' top: 'ip' blobs_lr: 1 "
      "inner_product_param { num_output: 1 bias_term: false } } "
      "layers < name: 'relu' type: RELU bottom: 'ip' top: 'ip'; >",
      weights);
  EXPECT_EQ(net.run(row({3, 4})), (Floats{4}));
}

TEST(ImportCaffe, oldest_syntax_is_refused) {
  CaffeNet net("input: 'data' layers { layer { name: 'a' } bottom: 'data' top: 'a' }");
  EXPECT_TRUE(net.error().find("syntax of 2014 or later") != std::string::npos) << net.error();
}

// One image of a batch of ten, also where the batch is written out behind.
TEST(ImportCaffe, batch_becomes_one) {
  CaffeNet net("input: 'data' input_shape { dim: 10 dim: 2 dim: 1 dim: 3 }" +
               caffe_text("r", "Reshape", "reshape_param { shape { dim: 10 dim: -1 } }"));
  EXPECT_EQ(output_shape(net.import()), (Shape{1, 6}));
  EXPECT_EQ(output_shape(net.import({.input_shapes = {{"data", {10, 2, 1, 3}}}})), (Shape{10, 6}));
}

TEST(ImportCaffe, shape_option_resizes_the_input) {
  CaffeNet net(caffe_input(1, 4, 4) + pool("kernel_size: 2 stride: 2"));
  EXPECT_EQ(output_shape(net.import({.input_shapes = {{"data", {1, 1, 8, 6}}}})),
            (Shape{1, 1, 4, 3}));
  EXPECT_EQ(net.error({.input_shapes = {{"image", {1}}}}),
            "--shape image: expected one of the inputs 'data'");
}

const char* const kTraining = R"(
  layer { name: 'mnist' type: 'Data' top: 'data' top: 'label' include { phase: TRAIN }
          transform_param { scale: 0.5 mean_value: 3 mean_value: 4 } }
  layer { name: 'mnist' type: 'Data' top: 'data' top: 'label' include { phase: TEST }
          transform_param { scale: 0.5 mean_value: 3 mean_value: 4 } }
  layer { name: 'noise' type: 'Power' bottom: 'data' top: 'data' exclude { phase: TEST } }
  layer { name: 'ip' type: 'InnerProduct' bottom: 'data' top: 'ip'
          inner_product_param { num_output: 2 bias_term: false weight_filler { type: 'xavier' } } }
  layer { name: 'half' type: 'Slice' bottom: 'label' top: 'l1' top: 'l2' }
  layer { name: 'unused' type: 'Silence' bottom: 'l2' }
  layer { name: 'accuracy' type: 'Accuracy' bottom: 'ip' bottom: 'l1' top: 'accuracy' }
  layer { name: 'loss' type: 'SoftmaxWithLoss' bottom: 'ip' bottom: 'l1' top: 'loss' }
)";

// The weights have 2 x (1 x 28 x 28) of them: one channel of 28 pixels a side is the first that
// fits.
TEST(ImportCaffe, network_of_training_ends_in_what_it_predicts) {
  CaffeNet net(kTraining, caffe_layer("ip", {{{2, 784}, Floats(1568, 0)}}));
  const Graph graph = net.import();
  EXPECT_EQ(node_names(graph), (std::vector<std::string>{"ip_flatten", "ip", "loss"}));
  EXPECT_EQ(graph.value(graph.inputs.at(0)).shape, (Shape{1, 1, 28, 28}));
  ASSERT_EQ(graph.outputs.size(), 1U);
  EXPECT_EQ(net.run(Tensor::zeros(ElementType::Float32, {1, 1, 28, 28})), (Floats{0.5F, 0.5F}));
  EXPECT_EQ(net.remarks.back(),
            "input 'data': the file says no shape; [1, 1, 28, 28] fits its layers and weights, "
            "--shape data=... sets another");
}

TEST(ImportCaffe, eltwise_sums_with_factors) {
  const auto values = [](const std::string& parameters) {
    CaffeNet net(caffe_input(1, 1, 2) +
                 "layer { name: 'e' type: 'Eltwise' bottom: 'data' bottom: 'data' bottom: 'data' "
                 "top: 'e' eltwise_param { " +
                 parameters + " } }");
    return net.run(row({2, -3}));
  };
  EXPECT_EQ(values(""), (Floats{6, -9}));
  EXPECT_EQ(values("operation: SUM coeff: 1 coeff: -1 coeff: 0.5"), (Floats{1, -1.5F}));
  EXPECT_EQ(values("operation: PROD"), (Floats{8, -27}));
}

TEST(ImportCaffe, slice_points_are_positions) {
  CaffeNet net(caffe_input(5, 1, 1) +
               "layer { name: 's' type: 'Slice' bottom: 'data' top: 'a' top: 'b' top: 'c' "
               "slice_param { slice_point: 1 slice_point: 4 } }"
               "layer { name: 'r' type: 'Concat' bottom: 'c' bottom: 'b' bottom: 'a' top: 'r' }");
  EXPECT_EQ(net.run(counting({1, 5, 1, 1})), (Floats{5, 2, 3, 4, 1}));
}

TEST(ImportCaffe, crop_takes_the_size_of_its_second_bottom) {
  CaffeNet net(
      "input: 'data' input: 'small' input_dim: [1, 1, 3, 4, 1, 1, 1, 2]"
      "layer { name: 'c' type: 'Crop' bottom: 'data' bottom: 'small' top: 'c' "
      "crop_param { axis: 2 offset: 1 offset: 2 } }");
  const Graph graph = net.import();
  const std::vector<Tensor> inputs{counting({1, 1, 3, 4}), counting({1, 1, 1, 2})};
  const auto values = evaluate(graph, inputs)[0];
  EXPECT_EQ(values.values<float>()[0], 7);
  EXPECT_EQ(values.values<float>()[1], 8);
}

TEST(ImportCaffe, reshape_and_flatten_replace_some_axes) {
  const auto shape = [](const std::string& type, const std::string& parameters) {
    CaffeNet net(caffe_input(6, 2, 4) + caffe_text("r", type, parameters));
    return output_shape(net.import());
  };
  EXPECT_EQ(shape("Reshape", "reshape_param { shape { dim: 0 dim: 3 dim: -1 dim: 4 } }"),
            (Shape{1, 3, 4, 4}));
  EXPECT_EQ(shape("Reshape", "reshape_param { shape { dim: 2 dim: 3 } axis: 1 num_axes: 1 }"),
            (Shape{1, 2, 3, 2, 4}));
  EXPECT_EQ(shape("Reshape", "reshape_param { shape { dim: 1 } axis: -1 num_axes: 0 }"),
            (Shape{1, 6, 2, 4, 1}));
  EXPECT_EQ(shape("Flatten", "flatten_param { axis: 1 end_axis: 2 }"), (Shape{1, 12, 4}));
}

// Position 5 x 6 of Darknet's reorg_cpu with stride 2 on [4, 2, 2]: the map is read as [1, 4, 4],
// of which each channel of the result takes one pixel of every block.
TEST(ImportCaffe, reorg_reads_as_darknet_does) {
  CaffeNet net(caffe_input(4, 2, 2) + caffe_text("r", "Reorg", "reorg_param { stride: 2 }"));
  EXPECT_EQ(output_shape(net.import()), (Shape{1, 16, 1, 1}));
  EXPECT_EQ(net.run(counting({1, 4, 2, 2})),
            (Floats{1, 3, 9, 11, 2, 4, 10, 12, 5, 7, 13, 15, 6, 8, 14, 16}));
}

TEST(ImportCaffe, shuffle_exchanges_groups_and_channels) {
  CaffeNet net(caffe_input(6, 1, 1) +
               caffe_text("s", "ShuffleChannel", "shuffle_channel_param { group: 2 }"));
  EXPECT_EQ(net.run(counting({1, 6, 1, 1})), (Floats{1, 4, 2, 5, 3, 6}));
}

TEST(ImportCaffe, upsample_repeats_pixels) {
  CaffeNet net(caffe_input(1, 1, 2) + caffe_text("u", "Upsample", "upsample_param { scale: 2 }"));
  EXPECT_EQ(net.run(row({1, 2})), (Floats{1, 1, 2, 2, 1, 1, 2, 2}));
}

// One cell of 8 x 8 pixels, centre (4, 4): min 4, sqrt(4 * 16) = 8, then 4 at ratio 4 and at 1/4.
TEST(ImportCaffe, prior_boxes_follow_from_sizes) {
  CaffeNet net(
      caffe_input(1, 8, 8) + pool("kernel_size: 8 stride: 8") +
      "layer { name: 'p' type: 'PriorBox' bottom: 'pool' bottom: 'data' top: 'p' "
      "prior_box_param { min_size: 4 max_size: 16 aspect_ratio: 4 aspect_ratio: 1 "
      "variance: [0.1, 0.2, 0.3, 0.4] } }" +
      caffe_text("f", "Flatten", "") +
      "layer { name: 'q' type: 'Reshape' bottom: 'p' top: 'q' reshape_param { shape { dim: "
      "1 dim: 32 } } } layer { name: 'c' type: 'Concat' bottom: 'f' bottom: 'q' top: 'c' }");
  const Floats all = net.run(Tensor::zeros(ElementType::Float32, {1, 1, 8, 8}));
  const Floats boxes(all.begin() + 64, all.begin() + 80),
      variances(all.begin() + 80, all.begin() + 84);
  expect_near(boxes,
              {0.25F, 0.25F, 0.75F, 0.75F, 0, 0, 1, 1, 0, 0.375F, 1, 0.625F, 0.375F, 0, 0.625F, 1});
  expect_near(variances, {0.1F, 0.2F, 0.3F, 0.4F});
}

// The choice of boxes is left off, and what only it reads becomes the result.
TEST(ImportCaffe, network_ends_before_the_choice_of_boxes) {
  CaffeNet net(caffe_input(1, 8, 8) + pool("kernel_size: 8 stride: 8") +
               "layer { name: 'p' type: 'PriorBox' bottom: 'pool' bottom: 'data' top: 'p' "
               "prior_box_param { min_size: 4 } } layer { name: 'out' type: 'DetectionOutput' "
               "bottom: 'pool' bottom: 'p' top: 'out' }");
  const Graph graph = net.import();
  ASSERT_EQ(graph.outputs.size(), 1U);
  EXPECT_EQ(graph.value(graph.outputs[0]).name, "pool");
  EXPECT_EQ(net.remarks.front(),
            "layer 'out' (DetectionOutput) is left to the application, as its result has no fixed "
            "size: the network ends at 'pool'");
}

TEST(ImportCaffe, all_unknown_layers_are_named) {
  CaffeNet net(caffe_input(1, 2, 2) + caffe_text("a", "Proposal", "") +
               caffe_text("b", "Fancy", "", "a") + caffe_text("c", "Fancy", "", "b"));
  EXPECT_EQ(net.error(),
            "layer types that are not supported: Fancy ('b' and 1 more), Proposal ('a': regions "
            "that depend on the image)");
}

TEST(ImportCaffe, fields_of_forks_are_skipped_in_known_layers) {
  CaffeNet net(
      caffe_input(1, 1, 2) +
      caffe_text("r", "ReLU", "relu_param { engine: CUDNN fancy { a: [1, 2] b <c: 'x'> } }"));
  EXPECT_EQ(net.run(row({-1, 2})), (Floats{0, 2}));
}

TEST(ImportCaffe, dropout_changes_nothing_unless_a_fork_says_so) {
  CaffeNet kept(caffe_input(1, 1, 1) + caffe_text("d", "Dropout", ""));
  EXPECT_EQ(kept.run(row({3})), (Floats{3}));
  CaffeNet scaled(
      caffe_input(1, 1, 1) +
      caffe_text("d", "Dropout", "dropout_param { dropout_ratio: 0.25 scale_train: false }"));
  EXPECT_EQ(scaled.run(row({4})), (Floats{3}));
}

TEST(ImportCaffe, errors_of_text_name_line_and_column) {
  CaffeNet net("name: 'x'\nlayer {\n  name 'a'\n}\n");
  EXPECT_EQ(net.error(), "line 3, column 8: Expected \":\", found \"'a'\".");
}

TEST(ImportCaffe, deep_nesting_is_refused) {
  std::string text = "name: 'x' layer { a ";
  for (int i = 0; i < 100000; ++i) text += "{ a ";
  CaffeNet net(text);
  EXPECT_EQ(net.error(), "line 1: expected at most 32 messages inside each other, found more");
}

TEST(ImportCaffe, huge_sizes_are_refused) {
  const auto error = [](const std::string& parameters) {
    CaffeNet net(caffe_input(3, 8, 8) + caffe_text("c", "Convolution", parameters));
    return net.error();
  };
  EXPECT_NE(error("convolution_param { num_output: 1000000000 kernel_size: 8 }"), "none");
  EXPECT_NE(error("convolution_param { num_output: 40000000 kernel_size: 8 }"), "none");
  EXPECT_NE(error("convolution_param { num_output: 4 kernel_size: 8 pad: 1073741824 }"), "none");
  EXPECT_NE(error("convolution_param { num_output: 4 kernel_size: 4294967295 }"), "none");
}

}  // namespace
}  // namespace workbench::test
