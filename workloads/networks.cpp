// The networks whose layers follow one regular pattern: VGG, SqueezeNet, ResNet.
#include "workloads/networks.h"

#include <array>

namespace workbench {

// VGG-16 and VGG-19, configurations D and E of Simonyan and Zisserman 2014 (arXiv 1409.1556), with
// the layer names of the Caffe models.

namespace {

constexpr std::array<std::int64_t, 5> kChannels = {64, 128, 256, 512, 512};

ValueId fully_connected(NetworkBuilder& b, const std::string& layer, ValueId x) {
  return b.relu(b.gemm(layer, x, 4096));
}

// `depths`: convolutions in each of the five stages.
Graph vgg(const NetworkSpec& spec, const std::array<int, 5>& depths) {
  NetworkBuilder b(spec.name, spec.seed);
  ValueId x = image_input(b, spec);
  for (std::size_t stage = 0; stage < depths.size(); ++stage) {
    for (int i = 1; i <= depths[stage]; ++i) {
      x = b.relu(b.conv(fmt::format("conv{}_{}", stage + 1, i), x,
                        {.channels = kChannels[stage], .window = square_window(3, 1, 1)}));
    }
    x = b.max_pool(fmt::format("pool{}", stage + 1), x, square_window(2, 2));
  }
  x = fully_connected(b, "fc6", b.flatten(x));
  x = fully_connected(b, "fc7", x);
  return b.finish({b.softmax("prob", b.gemm("fc8", x, 1000, kLogitDeviation))});
}

}  // namespace

Graph vgg16(const NetworkSpec& spec) { return vgg(spec, {2, 2, 3, 3, 3}); }
Graph vgg19(const NetworkSpec& spec) { return vgg(spec, {2, 2, 4, 4, 4}); }

// SqueezeNet 1.0 and 1.1 (Iandola et al. 2016, arXiv 1602.07360), topology and layer names of the
// authors' Caffe models: pools round up, and the last convolution of 1.0 pads by one.

namespace {

ValueId conv_relu(NetworkBuilder& b, const std::string& layer, ValueId x, std::int64_t channels,
                  Window window) {
  return b.relu(b.conv(layer, x, {.channels = channels, .window = std::move(window)}));
}

ValueId fire(NetworkBuilder& b, int index, ValueId x, std::int64_t squeeze, std::int64_t expand) {
  const std::string layer = fmt::format("fire{}", index);
  const ValueId s = conv_relu(b, layer + "/squeeze1x1", x, squeeze, square_window(1));
  return b.concat(layer + "/concat",
                  {conv_relu(b, layer + "/expand1x1", s, expand, square_window(1)),
                   conv_relu(b, layer + "/expand3x3", s, expand, square_window(3, 1, 1))});
}

ValueId pool(NetworkBuilder& b, const std::string& layer, ValueId x) {
  return b.max_pool(layer, x, square_window(3, 2), true);
}

Graph classify(NetworkBuilder& b, ValueId x, std::int64_t pad) {
  const ValueId scores = b.relu(b.conv(
      "conv10", x, {.channels = 1000, .window = square_window(1, 1, pad)}, 2 * kLogitDeviation));
  return b.finish({b.softmax("prob", b.flatten(b.global_average_pool("pool10", scores)))});
}

}  // namespace

Graph squeezenet_v1_0(const NetworkSpec& spec) {
  NetworkBuilder b(spec.name, spec.seed);
  ValueId x = conv_relu(b, "conv1", image_input(b, spec), 96, square_window(7, 2));
  x = pool(b, "pool1", x);
  x = fire(b, 2, x, 16, 64);
  x = fire(b, 3, x, 16, 64);
  x = fire(b, 4, x, 32, 128);
  x = pool(b, "pool4", x);
  x = fire(b, 5, x, 32, 128);
  x = fire(b, 6, x, 48, 192);
  x = fire(b, 7, x, 48, 192);
  x = fire(b, 8, x, 64, 256);
  x = pool(b, "pool8", x);
  return classify(b, fire(b, 9, x, 64, 256), 1);
}

Graph squeezenet_v1_1(const NetworkSpec& spec) {
  NetworkBuilder b(spec.name, spec.seed);
  ValueId x = conv_relu(b, "conv1", image_input(b, spec), 64, square_window(3, 2));
  x = pool(b, "pool1", x);
  x = fire(b, 2, x, 16, 64);
  x = fire(b, 3, x, 16, 64);
  x = pool(b, "pool3", x);
  x = fire(b, 4, x, 32, 128);
  x = fire(b, 5, x, 32, 128);
  x = pool(b, "pool5", x);
  x = fire(b, 6, x, 48, 192);
  x = fire(b, 7, x, 48, 192);
  x = fire(b, 8, x, 64, 256);
  return classify(b, fire(b, 9, x, 64, 256), 0);
}

// ResNet-50, -101 and -152 (He et al. 2015, arXiv 1512.03385), topology and layer names of the
// authors' Caffe models: a stage halves its map in the first 1x1 convolutions, and pool1 rounds up.

namespace {

// Share of a residual branch in its sum: the mean square grows by 1/4 per block, where undamped
// branches would double it.
constexpr double kBranchDeviation = 0.5;

ValueId conv_bn(NetworkBuilder& b, const std::string& layer, ValueId x, std::int64_t channels,
                Window window, double deviation = 1) {
  const ConvSpec spec{.channels = channels, .window = std::move(window), .bias = false};
  return b.batch_norm(b.conv(layer, x, spec), deviation);
}

// The bottleneck called "res2a": `width` channels inside, four times as many outside. A stride or a
// change of width makes the shortcut a projection.
ValueId bottleneck(NetworkBuilder& b, const std::string& block, ValueId x, std::int64_t width,
                   std::int64_t stride, bool project) {
  const ValueId shortcut =
      project ? conv_bn(b, block + "_branch1", x, 4 * width, square_window(1, stride)) : x;
  ValueId y = b.relu(conv_bn(b, block + "_branch2a", x, width, square_window(1, stride)));
  y = b.relu(conv_bn(b, block + "_branch2b", y, width, square_window(3, 1, 1)));
  y = conv_bn(b, block + "_branch2c", y, 4 * width, square_window(1), kBranchDeviation);
  return b.relu(b.add(block, shortcut, y));
}

// Blocks of a short stage are lettered a, b, c; of a long one a, b1, b2, ... as published.
std::string block_name(int stage, int block, bool lettered) {
  if (block == 0 || lettered) return fmt::format("res{}{}", stage, static_cast<char>('a' + block));
  return fmt::format("res{}b{}", stage, block);
}

// `depths`: blocks per stage.
Graph resnet(const NetworkSpec& spec, const std::array<int, 4>& depths) {
  NetworkBuilder b(spec.name, spec.seed);
  ValueId x = b.relu(conv_bn(b, "conv1", image_input(b, spec), 64, square_window(7, 2, 3)));
  x = b.max_pool("pool1", x, square_window(3, 2), true);
  std::int64_t width = 64;
  for (int stage = 2; stage <= 5; ++stage, width *= 2) {
    const int depth = depths[static_cast<std::size_t>(stage - 2)];
    // ResNet-50 letters all its blocks; the deeper ones number stages 3 and 4.
    const bool lettered = stage == 2 || stage == 5 || depths[2] == 6;
    for (int block = 0; block < depth; ++block) {
      const bool first = block == 0;
      x = bottleneck(b, block_name(stage, block, lettered), x, width, first && stage > 2 ? 2 : 1,
                     first);
    }
  }
  const ValueId features = b.flatten(b.global_average_pool("pool5", x));
  return b.finish({b.softmax("prob", b.gemm("fc1000", features, 1000, kLogitDeviation))});
}

}  // namespace

Graph resnet50(const NetworkSpec& spec) { return resnet(spec, {3, 4, 6, 3}); }
Graph resnet101(const NetworkSpec& spec) { return resnet(spec, {3, 4, 23, 3}); }
Graph resnet152(const NetworkSpec& spec) { return resnet(spec, {3, 8, 36, 3}); }

}  // namespace workbench
