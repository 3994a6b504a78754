// The networks of the zoo, one function each, and their common parts. Their inputs are
// pixels of zero mean on the scale of a byte, as the Caffe models take them.
#pragma once

#include <cstdint>
#include <string>

#include "workloads/builder.h"

namespace workbench {

struct NetworkSpec {
  std::string name;
  std::int64_t resolution = 224;  // rows and columns of the input
  double width = 1;
  std::uint64_t seed = 1;
};

// Root mean square of a photo of zero mean, pixels 0..255.
inline constexpr double kPixelDeviation = 64;

// Deviation of the numbers that a softmax turns into probabilities.
inline constexpr double kLogitDeviation = 2;

// The input "data" [1, 3, resolution, resolution].
inline ValueId image_input(NetworkBuilder& b, const NetworkSpec& spec) {
  return b.input("data", {1, 3, spec.resolution, spec.resolution}, kPixelDeviation);
}

Graph googlenet_v1(const NetworkSpec& spec);
Graph inception_v2(const NetworkSpec& spec);
Graph inception_v3(const NetworkSpec& spec);
Graph inception_v4(const NetworkSpec& spec);
Graph resnet50(const NetworkSpec& spec);
Graph resnet101(const NetworkSpec& spec);
Graph resnet152(const NetworkSpec& spec);
Graph vgg16(const NetworkSpec& spec);
Graph vgg19(const NetworkSpec& spec);
Graph squeezenet_v1_0(const NetworkSpec& spec);
Graph squeezenet_v1_1(const NetworkSpec& spec);
Graph mobilenet_v1(const NetworkSpec& spec);
Graph mobilenet_v2(const NetworkSpec& spec);
Graph darknet19(const NetworkSpec& spec);
Graph yolo_v2(const NetworkSpec& spec);
Graph yolo_v2_tiny(const NetworkSpec& spec);
Graph tiny_cnn(const NetworkSpec& spec);
Graph tiny_residual(const NetworkSpec& spec);
Graph tiny_inception(const NetworkSpec& spec);
Graph tiny_mobile(const NetworkSpec& spec);

}  // namespace workbench
