#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "compiler/passes/passes.h"
#include "core/error.h"
#include "core/file.h"
#include "tests/support/graph_builder.h"
#include "tests/support/same_network.h"

namespace workbench {
namespace {

GraphBuilder conv_norm_relu() {
  GraphBuilder b;
  const ValueId y = b.conv("conv", b.input("x", {1, 2, 4, 4}), 3, square_window(3), 1, false);
  b.output(b.relu("relu", b.add("drop", Identity{}, {b.batch_norm("bn", y)})));
  b.graph().name = "net";
  return b;
}

TEST(RunPasses, conv_norm_relu_is_one_node_named_after_the_conv) {
  const GraphBuilder b = conv_norm_relu();
  Graph graph = b.graph();
  run_passes(graph, float_pipeline());
  EXPECT_EQ(print_graph(graph),
            "graph net\n"
            "inputs x[1, 2, 4, 4]\n"
            "conv: relu[1, 3, 2, 2] = Conv + Relu(x[1, 2, 4, 4], conv_w[3, 2, 3, 3], "
            "conv_bias[3])  # with bn, drop, relu\n"
            "outputs relu[1, 3, 2, 2]\n");
  EXPECT_TRUE(same_network(b.graph(), graph, random_inputs(graph, 7)));
}

TEST(RunPasses, dumps_the_graph_after_each_pass) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "workbench_passes_dump";
  std::filesystem::remove_all(folder);
  Graph graph = conv_norm_relu().graph();
  run_passes(graph, float_pipeline(), folder);
  const std::string before = read_file(folder / "00_drop_identities.txt");
  EXPECT_NE(before.find("bn: bn[1, 3, 2, 2] = BatchNorm("), std::string::npos) << before;
  const std::string after = read_file(folder / "15_remove_dead.txt");
  EXPECT_EQ(after, print_graph(graph));
  std::filesystem::remove_all(folder);
}

TEST(RunPasses, a_dump_folder_that_cannot_be_made_is_the_users_error) {
  Graph graph = conv_norm_relu().graph();
  try {
    run_passes(graph, float_pipeline(), "/dev/null/dump");
    FAIL() << "expected an Error";
  } catch (const Error& error) {
    EXPECT_EQ(std::string(error.what()),
              "/dev/null/dump: cannot create the folder: Not a directory");
  }
}

TEST(PrintGraph, shows_element_types_and_absent_operands) {
  GraphBuilder b;
  const ValueId x = b.input("x", {1, 2});
  b.graph().value(x).type = ElementType::Int8;
  b.add("fc", Gemm{}, {x, b.random_constant("w", {2, 3}), kNoValue});
  EXPECT_EQ(print_graph(b.graph()),
            "graph \n"
            "inputs x:int8[1, 2]\n"
            "fc: fc[1, 3] = Gemm(x:int8[1, 2], w[2, 3], -)\n"
            "outputs \n");
}

}  // namespace
}  // namespace workbench
