#include "workloads/inception.h"

#include "workloads/networks.h"

namespace workbench {

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

}  // namespace workbench
