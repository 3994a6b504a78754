// GoogLeNet and the Inception networks v2 to v4.
#include <string>
#include <vector>

#include "workloads/builder.h"
#include "workloads/networks.h"

namespace workbench {

// GoogLeNet as trained by BVLC (Szegedy et al. 2014, arXiv 1409.4842; without its LRN layers), and
// its successor with batch normalization, Inception v2 (Ioffe and Szegedy 2015, arXiv 1502.03167,
// figure 5), both with the layer names of the Caffe models. All their pools round up.

namespace {

Window pool_window(std::int64_t stride) { return square_window(3, stride, stride == 1 ? 1 : 0); }

// Channels of the branches of a GoogLeNet module.
struct Module {
  std::string name;
  std::int64_t direct, reduce3, conv3, reduce5, conv5, projection;
};

ValueId conv_relu(NetworkBuilder& b, const std::string& layer, ValueId x, std::int64_t channels,
                  Window window) {
  return b.relu(b.conv(layer, x, {.channels = channels, .window = std::move(window)}));
}

ValueId module(NetworkBuilder& b, ValueId x, const Module& m) {
  const std::string layer = "inception_" + m.name + "/";
  const ValueId direct = conv_relu(b, layer + "1x1", x, m.direct, square_window(1));
  ValueId three = conv_relu(b, layer + "3x3_reduce", x, m.reduce3, square_window(1));
  three = conv_relu(b, layer + "3x3", three, m.conv3, square_window(3, 1, 1));
  ValueId five = conv_relu(b, layer + "5x5_reduce", x, m.reduce5, square_window(1));
  five = conv_relu(b, layer + "5x5", five, m.conv5, square_window(5, 1, 2));
  const ValueId pool = b.max_pool(layer + "pool", x, pool_window(1), true);
  const ValueId projected = conv_relu(b, layer + "pool_proj", pool, m.projection, square_window(1));
  return b.concat(layer + "output", {direct, three, five, projected});
}

ValueId modules(NetworkBuilder& b, ValueId x, const std::vector<Module>& list) {
  for (const Module& m : list) x = module(b, x, m);
  return x;
}

}  // namespace

Graph googlenet_v1(const NetworkSpec& spec) {
  NetworkBuilder b(spec.name, spec.seed);
  ValueId x = conv_relu(b, "conv1/7x7_s2", image_input(b, spec), 64, square_window(7, 2, 3));
  x = b.max_pool("pool1/3x3_s2", x, pool_window(2), true);
  x = conv_relu(b, "conv2/3x3_reduce", x, 64, square_window(1));
  x = conv_relu(b, "conv2/3x3", x, 192, square_window(3, 1, 1));
  x = b.max_pool("pool2/3x3_s2", x, pool_window(2), true);
  x = modules(b, x, {{"3a", 64, 96, 128, 16, 32, 32}, {"3b", 128, 128, 192, 32, 96, 64}});
  x = b.max_pool("pool3/3x3_s2", x, pool_window(2), true);
  x = modules(b, x,
              {{"4a", 192, 96, 208, 16, 48, 64},
               {"4b", 160, 112, 224, 24, 64, 64},
               {"4c", 128, 128, 256, 24, 64, 64},
               {"4d", 112, 144, 288, 32, 64, 64},
               {"4e", 256, 160, 320, 32, 128, 128}});
  x = b.max_pool("pool4/3x3_s2", x, pool_window(2), true);
  x = modules(b, x, {{"5a", 256, 160, 320, 32, 128, 128}, {"5b", 384, 192, 384, 48, 128, 128}});
  const ValueId features = b.flatten(b.global_average_pool("pool5/7x7_s1", x));
  return b.finish({b.softmax("prob", b.gemm("loss3/classifier", features, 1000, kLogitDeviation))});
}

namespace {

// Channels of the branches of an Inception v2 module. A module that halves its map has no direct
// branch and passes its pool on unprojected.
struct NormalizedModule {
  enum class Pool { Average, Max, Halve };
  std::string name;
  std::int64_t direct, reduce3, conv3, reduce_double, conv_double;
  Pool pool;
  std::int64_t projection;
};

ValueId conv_bn_relu(NetworkBuilder& b, const std::string& layer, ValueId x, std::int64_t channels,
                     Window window) {
  const ConvSpec spec{.channels = channels, .window = std::move(window), .bias = false};
  return b.relu(b.batch_norm(b.conv(layer, x, spec)));
}

ValueId module(NetworkBuilder& b, ValueId x, const NormalizedModule& m) {
  using Pool = NormalizedModule::Pool;
  const std::string layer = "inception_" + m.name + "/";
  const bool halve = m.pool == Pool::Halve;
  const std::int64_t stride = halve ? 2 : 1;
  std::vector<ValueId> parts;
  if (!halve) parts.push_back(conv_bn_relu(b, layer + "1x1", x, m.direct, square_window(1)));
  const ValueId three = conv_bn_relu(b, layer + "3x3_reduce", x, m.reduce3, square_window(1));
  parts.push_back(conv_bn_relu(b, layer + "3x3", three, m.conv3, square_window(3, stride, 1)));
  ValueId twice = conv_bn_relu(b, layer + "double3x3_reduce", x, m.reduce_double, square_window(1));
  twice = conv_bn_relu(b, layer + "double3x3_1", twice, m.conv_double, square_window(3, 1, 1));
  parts.push_back(
      conv_bn_relu(b, layer + "double3x3_2", twice, m.conv_double, square_window(3, stride, 1)));
  const ValueId pool = m.pool == Pool::Average
                           ? b.average_pool(layer + "pool", x, pool_window(1), true)
                           : b.max_pool(layer + "pool", x, pool_window(stride), true);
  parts.push_back(
      halve ? pool : conv_bn_relu(b, layer + "pool_proj", pool, m.projection, square_window(1)));
  return b.concat(layer + "output", parts);
}

}  // namespace

Graph inception_v2(const NetworkSpec& spec) {
  using enum NormalizedModule::Pool;
  const std::vector<NormalizedModule> modules = {
      {"3a", 64, 64, 64, 64, 96, Average, 32},       {"3b", 64, 64, 96, 64, 96, Average, 64},
      {"3c", 0, 128, 160, 64, 96, Halve, 0},         {"4a", 224, 64, 96, 96, 128, Average, 128},
      {"4b", 192, 96, 128, 96, 128, Average, 128},   {"4c", 160, 128, 160, 128, 160, Average, 96},
      {"4d", 96, 128, 192, 160, 192, Average, 96},   {"4e", 0, 128, 192, 192, 256, Halve, 0},
      {"5a", 352, 192, 320, 160, 224, Average, 128}, {"5b", 352, 192, 320, 192, 224, Max, 128},
  };
  NetworkBuilder b(spec.name, spec.seed);
  ValueId x = conv_bn_relu(b, "conv1/7x7_s2", image_input(b, spec), 64, square_window(7, 2, 3));
  x = b.max_pool("pool1/3x3_s2", x, pool_window(2), true);
  x = conv_bn_relu(b, "conv2/3x3_reduce", x, 64, square_window(1));
  x = conv_bn_relu(b, "conv2/3x3", x, 192, square_window(3, 1, 1));
  x = b.max_pool("pool2/3x3_s2", x, pool_window(2), true);
  for (const NormalizedModule& m : modules) x = module(b, x, m);
  const ValueId features = b.flatten(b.global_average_pool("global_pool", x));
  return b.finish({b.softmax("prob", b.gemm("fc", features, 1000, kLogitDeviation))});
}

// The pieces of which Inception v3 and v4 are made in TensorFlow's slim library, named as there.

struct InceptionConv {
  std::int64_t channels;
  Window window;
};

ValueId conv_bn_relu(NetworkBuilder& b, const std::string& layer, ValueId x,
                     const InceptionConv& conv);

// Convolutions one after the other, named BRANCH/Conv2d_0a_1x1, BRANCH/Conv2d_0b_3x3, ... from
// letter `first` on; one with a stride is Conv2d_1a, as published.
ValueId branch(NetworkBuilder& b, const std::string& name, ValueId x,
               const std::vector<InceptionConv>& convs, char first = 'a');

// A 3x3 average of the map (padding counts, so that every window divides by 9) and a 1x1
// convolution.
ValueId pool_branch(NetworkBuilder& b, const std::string& name, ValueId x, std::int64_t channels);

// The channels of a 1x3 and of a 3x1 convolution of the same x, side by side; they are named with
// letter `first` and the one after it.
ValueId fork(NetworkBuilder& b, const std::string& name, ValueId x, std::int64_t channels,
             char first);

// Global average pool, the 1001 logits, softmax.
ValueId classify(NetworkBuilder& b, ValueId x);

namespace {

std::string window_name(const Window& window) {
  return fmt::format("{}x{}", window.kernel[0], window.kernel[1]);
}

}  // namespace

ValueId conv_bn_relu(NetworkBuilder& b, const std::string& layer, ValueId x,
                     const InceptionConv& conv) {
  const ConvSpec spec{.channels = conv.channels, .window = conv.window, .bias = false};
  return b.relu(b.batch_norm(b.conv(layer, x, spec)));
}

ValueId branch(NetworkBuilder& b, const std::string& name, ValueId x,
               const std::vector<InceptionConv>& convs, char first) {
  char letter = first;
  for (const InceptionConv& conv : convs) {
    const bool strided = conv.window.strides[0] > 1;
    const std::string position = strided ? "1a" : fmt::format("0{}", letter++);
    x = conv_bn_relu(b, fmt::format("{}/Conv2d_{}_{}", name, position, window_name(conv.window)), x,
                     conv);
  }
  return x;
}

ValueId pool_branch(NetworkBuilder& b, const std::string& name, ValueId x, std::int64_t channels) {
  const ValueId pool = b.average_pool(name + "/AvgPool_0a_3x3", x, same_window(3, 3));
  return branch(b, name, pool, {{channels, same_window(1, 1)}}, 'b');
}

ValueId fork(NetworkBuilder& b, const std::string& name, ValueId x, std::int64_t channels,
             char first) {
  return b.concat(name + "/concat", {branch(b, name, x, {{channels, same_window(1, 3)}}, first),
                                     branch(b, name, x, {{channels, same_window(3, 1)}},
                                            static_cast<char>(first + 1))});
}

ValueId classify(NetworkBuilder& b, ValueId x) {
  const ValueId features = b.flatten(b.global_average_pool("AvgPool_1a", x));
  return b.softmax("Predictions", b.gemm("Logits", features, 1001, kLogitDeviation));
}

// Inception v3 (Szegedy et al. 2015, arXiv 1512.00567), topology and layer names of TensorFlow's
// slim model without the auxiliary classifier: 1001 classes, "valid" windows where a map shrinks.

namespace {

// 35x35: 1x1, 5x5, two 3x3, and a pool projected to `projection` channels. Module 5c is published
// with other names for its 5x5 branch, which do not matter here: all three are named alike.
ValueId module_35(NetworkBuilder& b, const std::string& module, ValueId x,
                  std::int64_t projection) {
  return b.concat(
      module + "/concat",
      {branch(b, module + "/Branch_0", x, {{64, same_window(1, 1)}}),
       branch(b, module + "/Branch_1", x, {{48, same_window(1, 1)}, {64, same_window(5, 5)}}),
       branch(b, module + "/Branch_2", x,
              {{64, same_window(1, 1)}, {96, same_window(3, 3)}, {96, same_window(3, 3)}}),
       pool_branch(b, module + "/Branch_3", x, projection)});
}

ValueId reduce_35(NetworkBuilder& b, const std::string& module, ValueId x) {
  return b.concat(
      module + "/concat",
      {branch(b, module + "/Branch_0", x, {{384, square_window(3, 2)}}),
       branch(b, module + "/Branch_1", x,
              {{64, same_window(1, 1)}, {96, same_window(3, 3)}, {96, square_window(3, 2)}}),
       b.max_pool(module + "/Branch_2/MaxPool_1a_3x3", x, square_window(3, 2))});
}

// 17x17: 7x7 windows as a row and a column, `width` channels inside.
ValueId module_17(NetworkBuilder& b, const std::string& module, ValueId x, std::int64_t width) {
  return b.concat(
      module + "/concat",
      {branch(b, module + "/Branch_0", x, {{192, same_window(1, 1)}}),
       branch(b, module + "/Branch_1", x,
              {{width, same_window(1, 1)}, {width, same_window(1, 7)}, {192, same_window(7, 1)}}),
       branch(b, module + "/Branch_2", x,
              {{width, same_window(1, 1)},
               {width, same_window(7, 1)},
               {width, same_window(1, 7)},
               {width, same_window(7, 1)},
               {192, same_window(1, 7)}}),
       pool_branch(b, module + "/Branch_3", x, 192)});
}

ValueId reduce_17(NetworkBuilder& b, const std::string& module, ValueId x) {
  return b.concat(
      module + "/concat",
      {branch(b, module + "/Branch_0", x, {{192, same_window(1, 1)}, {320, square_window(3, 2)}}),
       branch(b, module + "/Branch_1", x,
              {{192, same_window(1, 1)},
               {192, same_window(1, 7)},
               {192, same_window(7, 1)},
               {192, square_window(3, 2)}}),
       b.max_pool(module + "/Branch_2/MaxPool_1a_3x3", x, square_window(3, 2))});
}

// 8x8: branches that fork into a row and a column window.
ValueId module_8(NetworkBuilder& b, const std::string& module, ValueId x) {
  return b.concat(module + "/concat",
                  {branch(b, module + "/Branch_0", x, {{320, same_window(1, 1)}}),
                   fork(b, module + "/Branch_1",
                        branch(b, module + "/Branch_1", x, {{384, same_window(1, 1)}}), 384, 'b'),
                   fork(b, module + "/Branch_2",
                        branch(b, module + "/Branch_2", x,
                               {{448, same_window(1, 1)}, {384, same_window(3, 3)}}),
                        384, 'c'),
                   pool_branch(b, module + "/Branch_3", x, 192)});
}

}  // namespace

Graph inception_v3(const NetworkSpec& spec) {
  NetworkBuilder b(spec.name, spec.seed);
  ValueId x = image_input(b, spec);
  x = conv_bn_relu(b, "Conv2d_1a_3x3", x, {32, square_window(3, 2)});
  x = conv_bn_relu(b, "Conv2d_2a_3x3", x, {32, square_window(3)});
  x = conv_bn_relu(b, "Conv2d_2b_3x3", x, {64, same_window(3, 3)});
  x = b.max_pool("MaxPool_3a_3x3", x, square_window(3, 2));
  x = conv_bn_relu(b, "Conv2d_3b_1x1", x, {80, square_window(1)});
  x = conv_bn_relu(b, "Conv2d_4a_3x3", x, {192, square_window(3)});
  x = b.max_pool("MaxPool_5a_3x3", x, square_window(3, 2));
  x = module_35(b, "Mixed_5b", x, 32);
  x = module_35(b, "Mixed_5c", x, 64);
  x = module_35(b, "Mixed_5d", x, 64);
  x = reduce_35(b, "Mixed_6a", x);
  x = module_17(b, "Mixed_6b", x, 128);
  x = module_17(b, "Mixed_6c", x, 160);
  x = module_17(b, "Mixed_6d", x, 160);
  x = module_17(b, "Mixed_6e", x, 192);
  x = reduce_17(b, "Mixed_7a", x);
  x = module_8(b, "Mixed_7b", x);
  x = module_8(b, "Mixed_7c", x);
  return b.finish({classify(b, x)});
}

// Inception v4 (Szegedy et al. 2016, arXiv 1602.07261, figures 3 to 9), topology and layer names
// of TensorFlow's slim model without the auxiliary classifier: 1001 classes.

namespace {

Window valid(std::int64_t kernel, std::int64_t stride = 1) { return square_window(kernel, stride); }
Window same(std::int64_t rows, std::int64_t columns) { return same_window(rows, columns); }

// 299x299x3 -> 35x35x384
ValueId stem(NetworkBuilder& b, ValueId x) {
  x = conv_bn_relu(b, "Conv2d_1a_3x3", x, {32, valid(3, 2)});
  x = conv_bn_relu(b, "Conv2d_2a_3x3", x, {32, valid(3)});
  x = conv_bn_relu(b, "Conv2d_2b_3x3", x, {64, same(3, 3)});
  x = b.concat("Mixed_3a/concat",
               {b.max_pool("Mixed_3a/Branch_0/MaxPool_0a_3x3", x, valid(3, 2)),
                conv_bn_relu(b, "Mixed_3a/Branch_1/Conv2d_0a_3x3", x, {96, valid(3, 2)})});
  x = b.concat("Mixed_4a/concat",
               {branch(b, "Mixed_4a/Branch_0", x, {{64, same(1, 1)}, {96, valid(3)}}),
                branch(b, "Mixed_4a/Branch_1", x,
                       {{64, same(1, 1)}, {64, same(1, 7)}, {64, same(7, 1)}, {96, valid(3)}})});
  return b.concat("Mixed_5a/concat",
                  {conv_bn_relu(b, "Mixed_5a/Branch_0/Conv2d_1a_3x3", x, {192, valid(3, 2)}),
                   b.max_pool("Mixed_5a/Branch_1/MaxPool_1a_3x3", x, valid(3, 2))});
}

ValueId inception_a(NetworkBuilder& b, const std::string& module, ValueId x) {
  return b.concat(
      module + "/concat",
      {branch(b, module + "/Branch_0", x, {{96, same(1, 1)}}),
       branch(b, module + "/Branch_1", x, {{64, same(1, 1)}, {96, same(3, 3)}}),
       branch(b, module + "/Branch_2", x, {{64, same(1, 1)}, {96, same(3, 3)}, {96, same(3, 3)}}),
       pool_branch(b, module + "/Branch_3", x, 96)});
}

ValueId reduction_a(NetworkBuilder& b, const std::string& module, ValueId x) {
  return b.concat(module + "/concat",
                  {branch(b, module + "/Branch_0", x, {{384, valid(3, 2)}}),
                   branch(b, module + "/Branch_1", x,
                          {{192, same(1, 1)}, {224, same(3, 3)}, {256, valid(3, 2)}}),
                   b.max_pool(module + "/Branch_2/MaxPool_1a_3x3", x, valid(3, 2))});
}

ValueId inception_b(NetworkBuilder& b, const std::string& module, ValueId x) {
  return b.concat(module + "/concat",
                  {branch(b, module + "/Branch_0", x, {{384, same(1, 1)}}),
                   branch(b, module + "/Branch_1", x,
                          {{192, same(1, 1)}, {224, same(1, 7)}, {256, same(7, 1)}}),
                   branch(b, module + "/Branch_2", x,
                          {{192, same(1, 1)},
                           {192, same(7, 1)},
                           {224, same(1, 7)},
                           {224, same(7, 1)},
                           {256, same(1, 7)}}),
                   pool_branch(b, module + "/Branch_3", x, 128)});
}

ValueId reduction_b(NetworkBuilder& b, const std::string& module, ValueId x) {
  return b.concat(
      module + "/concat",
      {branch(b, module + "/Branch_0", x, {{192, same(1, 1)}, {192, valid(3, 2)}}),
       branch(b, module + "/Branch_1", x,
              {{256, same(1, 1)}, {256, same(1, 7)}, {320, same(7, 1)}, {320, valid(3, 2)}}),
       b.max_pool(module + "/Branch_2/MaxPool_1a_3x3", x, valid(3, 2))});
}

ValueId inception_c(NetworkBuilder& b, const std::string& module, ValueId x) {
  const std::string one = module + "/Branch_1";
  const std::string two = module + "/Branch_2";
  return b.concat(
      module + "/concat",
      {branch(b, module + "/Branch_0", x, {{256, same(1, 1)}}),
       fork(b, one, branch(b, one, x, {{384, same(1, 1)}}), 256, 'b'),
       fork(b, two, branch(b, two, x, {{384, same(1, 1)}, {448, same(3, 1)}, {512, same(1, 3)}}),
            256, 'd'),
       pool_branch(b, module + "/Branch_3", x, 256)});
}

}  // namespace

Graph inception_v4(const NetworkSpec& spec) {
  NetworkBuilder b(spec.name, spec.seed);
  ValueId x = stem(b, image_input(b, spec));
  for (const char letter : {'b', 'c', 'd', 'e'}) {
    x = inception_a(b, fmt::format("Mixed_5{}", letter), x);
  }
  x = reduction_a(b, "Mixed_6a", x);
  for (const char letter : {'b', 'c', 'd', 'e', 'f', 'g', 'h'}) {
    x = inception_b(b, fmt::format("Mixed_6{}", letter), x);
  }
  x = reduction_b(b, "Mixed_7a", x);
  for (const char letter : {'b', 'c', 'd'}) {
    x = inception_c(b, fmt::format("Mixed_7{}", letter), x);
  }
  return b.finish({classify(b, x)});
}

}  // namespace workbench
