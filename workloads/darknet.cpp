// Darknet-19 and the YOLO v2 detectors (Redmon and Farhadi 2016, arXiv 1612.08242; table 6 and the
// published yolov2.cfg and yolov2-tiny-voc.cfg). The detectors end in the box predictions, before
// any decoding: 5 anchors x (5 + classes) channels.
#include <vector>

#include "workloads/networks.h"

namespace workbench {

namespace {

// Convolutions are numbered through the network: conv1, conv2, ...; pools after the convolution in
// front of them.
class Darknet {
 public:
  explicit Darknet(const NetworkSpec& spec) : b(spec.name, spec.seed) { x = image_input(b, spec); }

  void conv(std::int64_t channels, std::int64_t kernel) {
    const std::string layer = fmt::format("conv{}", ++convs_);
    const ConvSpec spec{.channels = channels, .window = same_window(kernel, kernel), .bias = false};
    x = b.activate(layer + "/leaky", b.batch_norm(b.conv(layer, x, spec)),
                   {.kind = Activation::Kind::LeakyRelu, .alpha = 0.1F});
  }
  // With a bias, without normalization or activation.
  void linear(std::int64_t channels, double deviation) {
    x = b.conv(fmt::format("conv{}", ++convs_), x, {.channels = channels}, deviation);
  }
  void pool() { x = b.max_pool(fmt::format("pool{}", convs_), x, square_window(2, 2)); }

  NetworkBuilder b;
  ValueId x = kNoValue;  // the last layer's result

 private:
  int convs_ = 0;
};

// conv1 to conv13, before the last pool: the 512 channels that YOLO v2 also reads.
void first_thirteen(Darknet& net) {
  net.conv(32, 3);
  net.pool();
  net.conv(64, 3);
  net.pool();
  for (const std::int64_t channels : {128, 256}) {
    net.conv(channels, 3);
    net.conv(channels / 2, 1);
    net.conv(channels, 3);
    net.pool();
  }
  for (int i = 0; i < 2; ++i) {
    net.conv(512, 3);
    net.conv(256, 1);
  }
  net.conv(512, 3);
}

void up_to_eighteen(Darknet& net) {
  net.pool();
  for (int i = 0; i < 2; ++i) {
    net.conv(1024, 3);
    net.conv(512, 1);
  }
  net.conv(1024, 3);
}

}  // namespace

Graph darknet19(const NetworkSpec& spec) {
  Darknet net(spec);
  first_thirteen(net);
  up_to_eighteen(net);
  net.linear(1000, 2 * kLogitDeviation);
  NetworkBuilder& b = net.b;
  const ValueId scores = b.flatten(b.global_average_pool("avgpool", net.x));
  return b.finish({b.softmax("prob", scores)});
}

Graph yolo_v2(const NetworkSpec& spec) {
  Darknet net(spec);
  NetworkBuilder& b = net.b;
  first_thirteen(net);
  const ValueId fine = net.x;
  up_to_eighteen(net);
  net.conv(1024, 3);
  net.conv(1024, 3);
  const ValueId coarse = net.x;
  net.x = fine;
  net.conv(64, 1);
  const ValueId reorganized = b.node("reorg", SpaceToDepth{.block = 2}, {net.x});
  net.x = b.concat("route", {reorganized, coarse});
  net.conv(1024, 3);
  net.linear(5 * (5 + 80), 1);  // COCO
  return b.finish({net.x});
}

Graph yolo_v2_tiny(const NetworkSpec& spec) {
  Darknet net(spec);
  for (const std::int64_t channels : {16, 32, 64, 128, 256}) {
    net.conv(channels, 3);
    net.pool();
  }
  net.conv(512, 3);
  Window sliding = square_window(2);  // as large out as in: padded at the far ends
  sliding.pads_end = {1, 1};
  net.x = net.b.max_pool("pool6", net.x, sliding);
  net.conv(1024, 3);
  net.conv(1024, 3);
  net.linear(5 * (5 + 20), 1);  // VOC
  return net.b.finish({net.x});
}

}  // namespace workbench
