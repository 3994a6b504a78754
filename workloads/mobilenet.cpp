// MobileNet v1 (Howard et al. 2017, arXiv 1704.04861, table 1) and v2 (Sandler et al. 2018, arXiv
// 1801.04381, table 2): depthwise convolutions, ReLU6. Windows are padded evenly, as in the Caffe
// models, whose layer names v1 has.
#include <algorithm>
#include <vector>

#include "workloads/networks.h"

namespace workbench {

namespace {

// Share of an inverted residual's branch in its sum.
constexpr double kBranchDeviation = 0.5;

ValueId conv_bn(NetworkBuilder& b, const std::string& layer, ValueId x, const ConvSpec& spec,
                double deviation = 1) {
  return b.batch_norm(b.conv(layer, x, spec), deviation);
}

ValueId conv_bn_relu6(NetworkBuilder& b, const std::string& layer, ValueId x, std::int64_t channels,
                      Window window, std::int64_t groups = 1) {
  const ConvSpec spec{
      .channels = channels, .window = std::move(window), .groups = groups, .bias = false};
  return b.activate(layer + "/relu6", conv_bn(b, layer, x, spec),
                    {.kind = Activation::Kind::Clip, .alpha = 0, .beta = 6});
}

ValueId depthwise(NetworkBuilder& b, const std::string& layer, ValueId x, std::int64_t stride) {
  const std::int64_t channels = b.shape(x).at(1);
  return conv_bn_relu6(b, layer, x, channels, square_window(3, stride, 1), channels);
}

Graph classify(NetworkBuilder& b, const std::string& pool, const std::string& layer, ValueId x) {
  const ValueId features = b.flatten(b.global_average_pool(pool, x));
  return b.finish({b.softmax("prob", b.gemm(layer, features, 1000, kLogitDeviation))});
}

struct Separable {
  std::string name;
  std::int64_t channels, stride;
};

}  // namespace

Graph mobilenet_v1(const NetworkSpec& spec) {
  const std::vector<Separable> layers = {
      {"conv2_1", 64, 1},  {"conv2_2", 128, 2}, {"conv3_1", 128, 1}, {"conv3_2", 256, 2},
      {"conv4_1", 256, 1}, {"conv4_2", 512, 2}, {"conv5_1", 512, 1}, {"conv5_2", 512, 1},
      {"conv5_3", 512, 1}, {"conv5_4", 512, 1}, {"conv5_5", 512, 1}, {"conv5_6", 1024, 2},
      {"conv6", 1024, 1}};
  const auto scaled = [&](std::int64_t channels) {
    const auto product = static_cast<std::int64_t>(static_cast<double>(channels) * spec.width);
    return std::max<std::int64_t>(8, product);
  };
  NetworkBuilder b(spec.name, spec.seed);
  ValueId x = conv_bn_relu6(b, "conv1", image_input(b, spec), scaled(32), square_window(3, 2, 1));
  for (const Separable& layer : layers) {
    x = depthwise(b, layer.name + "/dw", x, layer.stride);
    x = conv_bn_relu6(b, layer.name + "/sep", x, scaled(layer.channels), square_window(1));
  }
  return classify(b, "pool6", "fc7", x);
}

namespace {

// Multiples of eight, never more than a tenth below the product, as the authors round.
std::int64_t scaled_by_eights(std::int64_t channels, double width) {
  const double product = static_cast<double>(channels) * width;
  const auto rounded = std::max<std::int64_t>(8, static_cast<std::int64_t>(product + 4) / 8 * 8);
  return static_cast<double>(rounded) < 0.9 * product ? rounded + 8 : rounded;
}

ValueId inverted_residual(NetworkBuilder& b, const std::string& block, ValueId x,
                          std::int64_t expansion, std::int64_t channels, std::int64_t stride) {
  const std::int64_t from = b.shape(x).at(1);
  ValueId y = x;
  if (expansion > 1) {
    y = conv_bn_relu6(b, block + "/expand", y, expansion * from, square_window(1));
  }
  y = depthwise(b, block + "/dwise", y, stride);
  const ConvSpec linear{.channels = channels, .window = square_window(1), .bias = false};
  const bool residual = stride == 1 && from == channels;
  y = conv_bn(b, block + "/linear", y, linear, residual ? kBranchDeviation : 1);
  return residual ? b.add(block, x, y) : y;
}

struct Stage {
  std::int64_t expansion, channels;
  int depth;
  std::int64_t stride;
};

}  // namespace

Graph mobilenet_v2(const NetworkSpec& spec) {
  const std::vector<Stage> stages = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                                     {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  NetworkBuilder b(spec.name, spec.seed);
  ValueId x = conv_bn_relu6(b, "conv1", image_input(b, spec), scaled_by_eights(32, spec.width),
                            square_window(3, 2, 1));
  for (std::size_t s = 0; s < stages.size(); ++s) {
    const std::int64_t channels = scaled_by_eights(stages[s].channels, spec.width);
    for (int i = 0; i < stages[s].depth; ++i) {
      x = inverted_residual(b, fmt::format("block{}_{}", s + 1, i + 1), x, stages[s].expansion,
                            channels, i == 0 ? stages[s].stride : 1);
    }
  }
  const std::int64_t last = scaled_by_eights(1280, std::max(1.0, spec.width));
  x = conv_bn_relu6(b, "conv_last", x, last, square_window(1));
  return classify(b, "pool", "fc", x);
}

}  // namespace workbench
