// Whole networks in float: whatever their depth, the activations stay in range.
#include "workloads/workloads.h"

#include <gtest/gtest.h>

#include "tests/support/activations.h"

namespace workbench {
namespace {

class Network : public testing::TestWithParam<const char*> {};

TEST_P(Network, keeps_its_activations_alive) {
  const std::vector<std::string> faults = activation_faults(build_workload(GetParam()), 1);
  EXPECT_TRUE(faults.empty()) << faults.size() << " faults, first " << faults.front();
}

INSTANTIATE_TEST_SUITE_P(zoo, Network,
                         testing::Values("resnet50", "mobilenet_v2", "inception_v4", "googlenet_v1",
                                         "squeezenet_v1.0", "yolo_v2_tiny"));

}  // namespace
}  // namespace workbench
