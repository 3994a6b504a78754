// The published integer networks: they import, and they have as many layers as golden files.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <map>

#include "compiler/import/import.h"
#include "compiler/quantize/integer_network.h"
#include "isa/codec.h"

namespace workbench::test {
namespace {

namespace fs = std::filesystem;

// Folder -> layers: golden files out_layerN.txt, or MAC-bearing and pooling nodes of Deeploy's.
const std::map<std::string, std::size_t> kNetworks{
    {"Deeploy_MLPerf_ImageClassification", 14},  // 9 Conv, 3 Add, MaxPool, Gemm
    {"Deeploy_MLPerf_KeywordSpotting", 11},      // 9 Conv, MaxPool, Gemm
    {"Deeploy_kernel_Add_Regular_RQ", 1},
    {"Deeploy_kernel_Conv_DW_2D_RQ", 1},
    {"Deeploy_kernel_Conv_PW_2D_RQ_Unsigned_RQ", 1},
    {"Deeploy_kernel_Conv_Regular_2D_RQ", 1},
    {"Deeploy_kernel_GEMM_Regular_RQPerColumn", 1},
    {"Deeploy_kernel_MaxPool_Regular_2D", 1},
    {"MV1-128", 29},
    {"PenguiNet_32", 9},
    {"Residual_connection_test_1", 8},
    {"dronet_complete", 15},
    {"dscnn_test", 11}};

void expect_same(const Graph& a, const Graph& b) {
  ASSERT_EQ(a.nodes.size(), b.nodes.size());
  for (std::size_t n = 0; n < a.nodes.size(); ++n) {
    EXPECT_EQ(a.nodes[n].name, b.nodes[n].name);
    EXPECT_EQ(a.nodes[n].affine, b.nodes[n].affine);
    EXPECT_EQ(a.nodes[n].operand_affine, b.nodes[n].operand_affine);
  }
}

TEST(IntegerNetworkFiles, each_has_its_layers) {
  const char* shared = std::getenv("WORKBENCH_SHARED");
  const fs::path folder = fs::path(shared != nullptr ? shared : "../shared") / "networks" / "pulp";
  if (!fs::exists(folder)) GTEST_SKIP() << folder << " is not there (WORKBENCH_SHARED)";
  for (const auto& [name, layers] : kNetworks) {
    SCOPED_TRACE(name);
    const char* file =
        fs::exists(folder / name / "network.onnx") ? "network.onnx" : "model_int.onnx";
    const Graph imported = import_model(folder / name / file);
    ASSERT_TRUE(is_integer_network(imported));
    const Graph graph = integer_network(imported, {});
    std::size_t found = 0;
    for (const Node& node : graph.nodes) {
      const bool is_layer = node.affine || std::holds_alternative<MaxPool>(node.op);
      found += is_layer ? 1 : 0;
      EXPECT_FALSE(is_layer && graph.value(node.inputs[0]).quantization->bits == 32) << node.name;
    }
    EXPECT_EQ(found, layers);
    file::Graph message;
    encode(graph, message);
    expect_same(decode(message, name), graph);
  }
}

}  // namespace
}  // namespace workbench::test
