#include "workloads/workloads.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "core/error.h"
#include "workloads/networks.h"

namespace workbench {

namespace {

struct Network {
  std::string_view name, description;
  std::int64_t resolution;
  std::int64_t step;  // resolutions are multiples of it; 0: only its own
  bool has_width;
  Graph (*build)(const NetworkSpec&);
};

constexpr std::int64_t kMaxResolution = 2048;
constexpr double kMinWidth = 0.1;
constexpr double kMaxWidth = 4;

constexpr std::array kNetworks = {
    Network{"googlenet_v1", "GoogLeNet as trained by BVLC, without LRN", 224, 0, false,
            googlenet_v1},
    Network{"inception_v2", "GoogLeNet with batch normalization", 224, 0, false, inception_v2},
    Network{"inception_v3", "Inception v3 as in TensorFlow slim", 299, 0, false, inception_v3},
    Network{"inception_v4", "Inception v4 as in TensorFlow slim", 299, 0, false, inception_v4},
    Network{"resnet50", "ResNet-50 as in Caffe: stride on the 1x1", 224, 32, false, resnet50},
    Network{"resnet101", "ResNet-101 as in Caffe", 224, 32, false, resnet101},
    Network{"resnet152", "ResNet-152 as in Caffe", 224, 32, false, resnet152},
    Network{"vgg16", "VGG-16, configuration D", 224, 0, false, vgg16},
    Network{"vgg19", "VGG-19, configuration E", 224, 0, false, vgg19},
    Network{"squeezenet_v1.0", "SqueezeNet 1.0", 227, 0, false, squeezenet_v1_0},
    Network{"squeezenet_v1.1", "SqueezeNet 1.1", 227, 0, false, squeezenet_v1_1},
    Network{"mobilenet_v1", "MobileNet v1, ReLU6", 224, 32, true, mobilenet_v1},
    Network{"mobilenet_v2", "MobileNet v2, ReLU6", 224, 32, true, mobilenet_v2},
    Network{"darknet19", "Darknet-19, the classifier", 224, 32, false, darknet19},
    Network{"yolo_v2", "YOLO v2 for COCO, up to the boxes", 416, 32, false, yolo_v2},
    Network{"yolo_v2_tiny", "Tiny YOLO v2 for VOC, up to the boxes", 416, 32, false, yolo_v2_tiny},
    Network{"tiny_cnn", "three convolutions, for tests", 32, 0, false, tiny_cnn},
    Network{"tiny_residual", "three residual blocks, for tests", 32, 0, false, tiny_residual},
    Network{"tiny_inception", "two inception modules, for tests", 32, 0, false, tiny_inception},
    Network{"tiny_mobile", "three inverted residuals, for tests", 32, 0, false, tiny_mobile},
};

// People write squeezenet1.0, SqueezeNet_v1_0 or squeezenet_v1.0: only letters and digits count,
// and not the v of a version.
std::string spelling(std::string_view name) {
  std::string letters;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const auto c = static_cast<unsigned char>(name[i]);
    const bool version = std::tolower(c) == 'v' && i + 1 < name.size() &&
                         std::isdigit(static_cast<unsigned char>(name[i + 1])) != 0;
    if (std::isalnum(c) != 0 && !version) letters += static_cast<char>(std::tolower(c));
  }
  return letters;
}

// nullptr: there is none.
const Network* known_network(std::string_view name) {
  const auto found = std::find_if(kNetworks.begin(), kNetworks.end(), [&](const Network& network) {
    return spelling(network.name) == spelling(name);
  });
  return found == kNetworks.end() ? nullptr : &*found;
}

const Network& find_network(std::string_view name) {
  if (const Network* known = known_network(name)) return *known;
  std::vector<std::string> names;
  for (const Network& network : kNetworks) names.emplace_back(network.name);
  fail("workload '{}': expected a network of the zoo, the nearest is '{}'", name,
       nearest_name(name, names));
}

std::int64_t checked_resolution(const Network& network, std::int64_t resolution) {
  if (resolution == 0 || resolution == network.resolution) return network.resolution;
  if (network.step == 0) {
    fail("workload '{}': resolution: expected {}, the only one it has, found {}", network.name,
         network.resolution, resolution);
  }
  if (resolution < network.step || resolution > kMaxResolution || resolution % network.step != 0) {
    fail("workload '{}': resolution: expected a multiple of {} up to {}, found {}", network.name,
         network.step, kMaxResolution, resolution);
  }
  return resolution;
}

double checked_width(const Network& network, double width) {
  if (width == 1.0) return width;
  if (!network.has_width) {
    fail("workload '{}': width: expected 1, only MobileNets scale, found {}", network.name, width);
  }
  if (!(width >= kMinWidth && width <= kMaxWidth)) {
    fail("workload '{}': width: expected {} to {}, found {}", network.name, kMinWidth, kMaxWidth,
         width);
  }
  return width;
}

std::vector<WorkloadInfo> manifest() {
  std::vector<WorkloadInfo> list;
  for (const Network& network : kNetworks) {
    list.push_back({.name = std::string(network.name),
                    .description = std::string(network.description),
                    .input = {1, 3, network.resolution, network.resolution}});
  }
  return list;
}

}  // namespace

const std::vector<WorkloadInfo>& workloads() {
  static const std::vector<WorkloadInfo> list = manifest();
  return list;
}

bool is_workload(std::string_view name) { return known_network(name) != nullptr; }

Graph build_workload(std::string_view name, const WorkloadOptions& options) {
  const Network& network = find_network(name);
  return network.build({.name = std::string(network.name),
                        .resolution = checked_resolution(network, options.resolution),
                        .width = checked_width(network, options.width),
                        .seed = options.seed});
}

}  // namespace workbench
