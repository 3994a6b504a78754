// ResNet-50, -101 and -152 (He et al. 2015, arXiv 1512.03385), topology and layer names of the
// authors' Caffe models: a stage halves its map in the first 1x1 convolutions, and pool1 rounds up.
#include <array>

#include "workloads/networks.h"

namespace workbench {

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
