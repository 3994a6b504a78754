// Every published network in networks/pulp of WORKBENCH_SHARED on every PULP machine, with both
// tilers: all golden tensors bit for bit. They stay outside the repository (WORKBENCH_SHARED);
// skipped where they are not.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "core/error.h"
#include "explore/flow/golden_files.h"
#include "explore/flow/machine.h"
#include "explore/flow/pipeline.h"
#include "isa/pulp/loops.h"
#include "sim/golden/golden.h"

namespace workbench {
namespace {

namespace fs = std::filesystem;

struct Case {
  const char* network;
  const char* machine;
  pulp::Tiler tiler;
};
void PrintTo(const Case& c, std::ostream* out) { *out << c.network << " on " << c.machine; }

fs::path shared_folder() {
  const char* variable = std::getenv("WORKBENCH_SHARED");
  return fs::path(variable != nullptr ? variable : "../shared") / "networks" / "pulp";
}

// Files hold loops, and fewer instructions than they stand for.
void expect_the_same_from_a_file(const pulp::Program& program) {
  const pulp::Program again = pulp::load_bytes(pulp::save_bytes(program), "again");
  EXPECT_TRUE(again.instructions == program.instructions);
  EXPECT_EQ(again.info.instruction_layer, program.info.instruction_layer);
  EXPECT_EQ(again.info.instruction_text, program.info.instruction_text);
  EXPECT_LE(pulp::in_loops(program).size(), program.instructions.size());
}

class PublishedNetworks : public testing::TestWithParam<Case> {};

TEST_P(PublishedNetworks, are_reproduced_bit_for_bit) {
  const fs::path folder = shared_folder() / GetParam().network;
  if (!fs::exists(folder)) GTEST_SKIP() << folder << " is not here (WORKBENCH_SHARED)";
  CompileRequest request;
  request.model.name =
      (folder / (fs::exists(folder / "model_int.onnx") ? "model_int.onnx" : "network.onnx"))
          .string();
  request.machine = find_machine_file(GetParam().machine);
  request.tiler = GetParam().tiler;
  request.data.input = folder / (fs::exists(folder / "input.txt") ? "input.txt" : "inputs.npz");
  Compiled compiled;
  try {
    compiled = compile_network(request);
  } catch (const Error& error) {
    // DORY's rules do not take what other tools exported; one line names the layer and the rule.
    const std::string text = error.what();
    ASSERT_TRUE(GetParam().tiler == pulp::Tiler::Dory && text.find("DORY") != std::string::npos)
        << text;
    ASSERT_TRUE(std::string(GetParam().network).starts_with("Deeploy")) << text;
    GTEST_SKIP() << text;
  }
  expect_the_same_from_a_file(compiled.pulp_program());
  const SimulatedNetwork run = run_network(compiled);
  for (const Hazard& hazard : run.result.hazards) ADD_FAILURE() << to_string(hazard);
  ASSERT_TRUE(run.result.verdict.has_value());
  EXPECT_EQ(run.result.verdict->mismatches, 0);
  const auto files = read_golden_folder(folder, compiled.quantized);
  const auto differences = compare(files, compiled.quantized, run.tensors,
                                   golden::run(compiled.quantized, compiled.input));
  EXPECT_FALSE(differences.empty());
  for (const Difference& one : differences) {
    EXPECT_EQ(one.mismatches, 0) << one.value << " of " << one.values << " values";
  }
}

std::vector<Case> cases() {
  std::vector<Case> all;
  for (const char* network :
       {"MV1-128", "PenguiNet_32", "Residual_connection_test_1", "dronet_complete", "dscnn_test",
        "Deeploy_MLPerf_ImageClassification", "Deeploy_MLPerf_KeywordSpotting",
        "Deeploy_kernel_Add_Regular_RQ", "Deeploy_kernel_Conv_DW_2D_RQ",
        "Deeploy_kernel_Conv_PW_2D_RQ_Unsigned_RQ", "Deeploy_kernel_Conv_Regular_2D_RQ",
        "Deeploy_kernel_GEMM_Regular_RQPerColumn", "Deeploy_kernel_MaxPool_Regular_2D"}) {
    for (const char* machine : {"gap8", "mr_wolf", "pulp_open"}) {
      for (const pulp::Tiler tiler : {pulp::Tiler::Optimal, pulp::Tiler::Dory}) {
        all.push_back({network, machine, tiler});
      }
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(All, PublishedNetworks, testing::ValuesIn(cases()));

}  // namespace
}  // namespace workbench
