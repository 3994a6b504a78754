// SqueezeNet 1.0 and 1.1 (Iandola et al. 2016, arXiv 1602.07360), topology and layer names of the
// authors' Caffe models: pools round up, and the last convolution of 1.0 pads by one.
#include "workloads/networks.h"

namespace workbench {

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

}  // namespace workbench
