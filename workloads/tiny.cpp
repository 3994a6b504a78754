// Small networks in the manner of the large ones, for tests: 32x32 images, 10 classes, a few
// milliseconds. Channel counts are odd on purpose: no multiple of any hardware's width.
#include "workloads/networks.h"

namespace workbench {

namespace {

constexpr std::int64_t kClasses = 10;

ValueId conv_relu(NetworkBuilder& b, const std::string& layer, ValueId x, std::int64_t channels,
                  Window window) {
  return b.relu(b.conv(layer, x, {.channels = channels, .window = std::move(window)}));
}

ValueId conv_bn(NetworkBuilder& b, const std::string& layer, ValueId x, std::int64_t channels,
                Window window, std::int64_t groups = 1, double deviation = 1) {
  const ConvSpec spec{
      .channels = channels, .window = std::move(window), .groups = groups, .bias = false};
  return b.batch_norm(b.conv(layer, x, spec), deviation);
}

Graph classify(NetworkBuilder& b, ValueId x) {
  const ValueId features = b.flatten(b.global_average_pool("pool", x));
  return b.finish({b.softmax("prob", b.gemm("fc", features, kClasses, kLogitDeviation))});
}

ValueId residual(NetworkBuilder& b, const std::string& block, ValueId x, std::int64_t channels,
                 std::int64_t stride) {
  const bool project = stride > 1 || b.shape(x).at(1) != channels;
  const ValueId shortcut =
      project ? conv_bn(b, block + "/shortcut", x, channels, square_window(1, stride)) : x;
  ValueId y = b.relu(conv_bn(b, block + "/conv1", x, channels, square_window(3, stride, 1)));
  y = conv_bn(b, block + "/conv2", y, channels, square_window(3, 1, 1), 1, 0.5);
  return b.relu(b.add(block, shortcut, y));
}

ValueId inception(NetworkBuilder& b, const std::string& module, ValueId x, std::int64_t width) {
  const ValueId direct = conv_relu(b, module + "/1x1", x, width, square_window(1));
  const ValueId reduced = conv_relu(b, module + "/3x3_reduce", x, width / 2, square_window(1));
  const ValueId three = conv_relu(b, module + "/3x3", reduced, width, square_window(3, 1, 1));
  const ValueId row = conv_relu(b, module + "/1x5", reduced, width, same_window(1, 5));
  const ValueId pool = b.max_pool(module + "/pool", x, square_window(3, 1, 1));
  const ValueId projected = conv_relu(b, module + "/pool_proj", pool, width, square_window(1));
  return b.concat(module + "/output", {direct, three, row, projected});
}

ValueId relu6(NetworkBuilder& b, const std::string& layer, ValueId x) {
  return b.activate(layer + "/relu6", x, {.kind = Activation::Kind::Clip, .alpha = 0, .beta = 6});
}

ValueId inverted(NetworkBuilder& b, const std::string& block, ValueId x, std::int64_t channels,
                 std::int64_t stride) {
  const std::int64_t from = b.shape(x).at(1);
  const std::int64_t inside = 4 * from;
  ValueId y =
      relu6(b, block + "/expand", conv_bn(b, block + "/expand", x, inside, square_window(1)));
  y = relu6(b, block + "/dwise",
            conv_bn(b, block + "/dwise", y, inside, square_window(3, stride, 1), inside));
  const bool sum = stride == 1 && from == channels;
  y = conv_bn(b, block + "/linear", y, channels, square_window(1), 1, sum ? 0.5 : 1);
  return sum ? b.add(block, x, y) : y;
}

}  // namespace

Graph tiny_cnn(const NetworkSpec& spec) {
  NetworkBuilder b(spec.name, spec.seed);
  ValueId x = conv_relu(b, "conv1", image_input(b, spec), 17, square_window(3, 1, 1));
  x = b.max_pool("pool1", x, square_window(2, 2));
  x = conv_relu(b, "conv2", x, 33, square_window(3, 1, 1));
  x = b.max_pool("pool2", x, square_window(3, 2), true);
  x = conv_relu(b, "conv3", x, 50, square_window(3));
  return classify(b, x);
}

Graph tiny_residual(const NetworkSpec& spec) {
  NetworkBuilder b(spec.name, spec.seed);
  const ValueId stem = conv_bn(b, "conv1", image_input(b, spec), 18, square_window(3, 1, 1));
  ValueId x = residual(b, "res1", b.relu(stem), 18, 1);
  x = residual(b, "res2", x, 35, 2);
  x = residual(b, "res3", x, 35, 1);
  return classify(b, x);
}

Graph tiny_inception(const NetworkSpec& spec) {
  NetworkBuilder b(spec.name, spec.seed);
  ValueId x = conv_relu(b, "conv1", image_input(b, spec), 20, square_window(5, 2, 2));
  x = b.max_pool("pool1", x, square_window(3, 2), true);
  x = inception(b, "inception_a", x, 14);
  x = inception(b, "inception_b", x, 25);
  return classify(b, x);
}

Graph tiny_mobile(const NetworkSpec& spec) {
  NetworkBuilder b(spec.name, spec.seed);
  ValueId x =
      relu6(b, "conv1", conv_bn(b, "conv1", image_input(b, spec), 11, square_window(3, 2, 1)));
  x = inverted(b, "block1", x, 11, 1);
  x = inverted(b, "block2", x, 22, 2);
  x = inverted(b, "block3", x, 22, 1);
  return classify(b, x);
}

}  // namespace workbench
