// The vendor's programs (programs/xdnn of WORKBENCH_SHARED), shipped ones and runs of his compiler,
// on networks read from them: bit-exact, without hazards. Skipped where the files are absent.
#include <gtest/gtest.h>

#include <cstdlib>

#include "compiler/xdnn/replay.h"
#include "compiler/xdnn/replay_network.h"
#include "core/file.h"
#include "isa/xdnn/listing_text.h"
#include "sim/golden/golden.h"
#include "sim/verdict.h"
#include "sim/xdnn/simulate.h"
#include "tests/support/xdnn_program.h"

namespace workbench::xdnn {
namespace {

struct Shipped {
  const char *file, *machine;
};

class ShippedReplays : public testing::TestWithParam<Shipped> {};

TEST_P(ShippedReplays, are_bit_exact) {
  const char* shared = std::getenv("WORKBENCH_SHARED");
  const auto path = std::filesystem::path(shared != nullptr ? shared : "../shared") /
                    "programs/xdnn" / GetParam().file;
  if (!std::filesystem::exists(path)) GTEST_SKIP() << path << " is not there (WORKBENCH_SHARED)";
  const Machine machine = load_machine(GetParam().machine);
  const Listing listing = parse_listing(read_file(path), path.string());
  const Graph quantized = quantized_for(network_of(listing, machine, 1), machine);
  const Program program = replay(listing, quantized, machine).program;
  const Shape& shape = quantized.value(quantized.inputs[0]).shape;
  Tensor input = Tensor::uninitialized(ElementType::Float32, shape);
  float x = -60;
  for (float& value : input.mutable_values<float>()) value = x = x > 60 ? -60 : x + 0.37F;
  const std::vector<Tensor> inputs{input};
  const SimulationResult run = simulate(program, machine, inputs);
  EXPECT_TRUE(compare(quantized, golden::run(quantized, inputs), run.tensors).bit_exact());
  EXPECT_TRUE(run.hazards.empty()) << to_string(run.hazards.at(0));
  EXPECT_GT(program.info.io_bytes, 0);
  EXPECT_LE(program.info.peak_bytes, program.info.capacity_bytes);
}

INSTANTIATE_TEST_SUITE_P(
    Files, ShippedReplays,
    testing::Values(Shipped{"googlenet_v1_56.json", "configs/v2_56.yaml"},
                    Shipped{"resnet50_28.json", "configs/v2_28.yaml"},
                    Shipped{"googlenet_v1_8b_latency.json", "configs/v3_96.yaml"},
                    Shipped{"googlenet_v1_8b_throughput.json", "configs/v3_96.yaml"},
                    Shipped{"resnet50_8b_latency.json", "configs/v3_96.yaml"},
                    Shipped{"compiler_runs/goog_28_4.cmd.json", "configs/v2_28.yaml"},
                    Shipped{"compiler_runs/v5_g.cmd.json", "configs/v3_96.yaml"},
                    Shipped{"compiler_runs/v5_r_2b.cmd.json", "configs/v3_96.yaml"},
                    Shipped{"compiler_runs/v5_vgg16.cmd.json", "configs/v3_96.yaml"}),
    [](const auto& instance) {
      const std::string file = instance.param.file;
      const std::string name = file.substr(file.find('/') + 1);
      return name.substr(0, name.find('.'));
    });

}  // namespace
}  // namespace workbench::xdnn
