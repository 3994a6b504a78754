// The vendor's shipped programs on our machines, as `workbench run --program` does it: with the
// network of that name and without. They stay outside the repository (WORKBENCH_SHARED); skipped
// where they are absent.
#include <gtest/gtest.h>

#include <cstdlib>

#include "explore/flow/pipeline.h"

namespace workbench {
namespace {

struct Shipped {
  const char* name;
  const char* file;
  const char* machine;
  const char* network;
};

class ShippedProgram : public testing::TestWithParam<Shipped> {
 protected:
  void SetUp() override {
    const char* shared = std::getenv("WORKBENCH_SHARED");
    request_.program = std::filesystem::path(shared != nullptr ? shared : "../shared") /
                       "programs" / "xdnn" / GetParam().file;
    if (!std::filesystem::exists(request_.program)) {
      GTEST_SKIP() << request_.program << " is not there";
    }
    request_.machine = std::string("configs/") + GetParam().machine + ".yaml";
  }
  void expect_exact() {
    const SimulatedNetwork run = run_network(compile_network(request_));
    ASSERT_TRUE(run.result.verdict.has_value());
    EXPECT_TRUE(run.result.verdict->bit_exact());
    EXPECT_GT(run.result.verdict->layers.size(), 60u);
    EXPECT_TRUE(run.result.hazards.empty()) << to_string(run.result.hazards[0]);
  }
  CompileRequest request_;
};

INSTANTIATE_TEST_SUITE_P(
    Files, ShippedProgram,
    testing::Values(Shipped{"googlenet_v3", "googlenet_v1_8b_latency.json", "v3_96",
                            "zoo:googlenet_v1"},
                    Shipped{"resnet50_v3", "resnet50_8b_latency.json", "v3_96", "zoo:resnet50"},
                    Shipped{"googlenet_v2", "googlenet_v1_56.json", "v2_56", "zoo:googlenet_v1"},
                    Shipped{"resnet50_v2", "resnet50_28.json", "v2_28", "zoo:resnet50"}),
    [](const auto& instance) { return instance.param.name; });

TEST_P(ShippedProgram, is_bit_exact_and_without_hazard) {
  request_.model.name = GetParam().network;
  expect_exact();
}

TEST_P(ShippedProgram, runs_without_its_network_too) { expect_exact(); }

}  // namespace
}  // namespace workbench
