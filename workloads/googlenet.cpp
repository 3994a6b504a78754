// GoogLeNet as trained by BVLC (Szegedy et al. 2014, arXiv 1409.4842; without its LRN layers), and
// its successor with batch normalization, Inception v2 (Ioffe and Szegedy 2015, arXiv 1502.03167,
// figure 5), both with the layer names of the Caffe models. All their pools round up.
#include <vector>

#include "workloads/networks.h"

namespace workbench {

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

}  // namespace workbench
