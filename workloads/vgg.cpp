// VGG-16 and VGG-19, configurations D and E of Simonyan and Zisserman 2014 (arXiv 1409.1556), with
// the layer names of the Caffe models.
#include <array>

#include "workloads/networks.h"

namespace workbench {

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

}  // namespace workbench
