// Hostile TensorFlow graphs: random ones of all operators with odd attributes, and good ones with
// damaged bytes. Each is imported, quantized and compiled, or ends in an Error of one line.
#include <gtest/gtest.h>

#include <iterator>
#include <limits>
#include <random>

#include "compiler/import/import.h"
#include "core/error.h"
#include "core/graph.h"
#include "explore/flow/machine.h"
#include "explore/flow/pipeline.h"
#include "tests/support/graph_def.h"
#include "tests/support/temporary_folder.h"

namespace workbench::test {
namespace {

constexpr std::uint64_t kSeed = 20261123;

std::size_t pick(std::mt19937_64& random, std::size_t count) {
  return std::uniform_int_distribution<std::size_t>(0, count - 1)(random);
}

std::int64_t odd_integer(std::mt19937_64& random) {
  constexpr std::int64_t kOdd[] = {0,
                                   1,
                                   1,
                                   1,
                                   2,
                                   2,
                                   3,
                                   -1,
                                   -2,
                                   4,
                                   7,
                                   64,
                                   1LL << 31,
                                   1LL << 40,
                                   std::numeric_limits<std::int64_t>::max(),
                                   std::numeric_limits<std::int64_t>::min()};
  return kOdd[pick(random, std::size(kOdd))];
}

constexpr const char* kOps[] = {"Abs",
                                "Add",
                                "AddN",
                                "AddV2",
                                "All",
                                "ArgMax",
                                "AvgPool",
                                "BatchMatMulV2",
                                "BatchToSpaceND",
                                "BiasAdd",
                                "BroadcastTo",
                                "Cast",
                                "ConcatV2",
                                "Conv2D",
                                "Conv2DBackpropInput",
                                "DepthToSpace",
                                "DepthwiseConv2dNative",
                                "Dequantize",
                                "Div",
                                "Elu",
                                "Enter",
                                "Equal",
                                "Exit",
                                "Exp",
                                "ExpandDims",
                                "FakeQuantWithMinMaxArgs",
                                "FakeQuantWithMinMaxVars",
                                "FakeQuantWithMinMaxVarsPerChannel",
                                "Fill",
                                "FloorDiv",
                                "FloorMod",
                                "FusedBatchNorm",
                                "FusedBatchNormV3",
                                "Gather",
                                "GatherV2",
                                "Greater",
                                "Identity",
                                "LRN",
                                "LeakyRelu",
                                "LogicalNot",
                                "LoopCond",
                                "MatMul",
                                "Max",
                                "MaxPool",
                                "MaxPoolV2",
                                "Maximum",
                                "Mean",
                                "Merge",
                                "Minimum",
                                "MirrorPad",
                                "Mul",
                                "Neg",
                                "NextIteration",
                                "NotEqual",
                                "OnesLike",
                                "Pack",
                                "Pad",
                                "PadV2",
                                "Pow",
                                "Prod",
                                "Range",
                                "Rank",
                                "RealDiv",
                                "Relu",
                                "Relu6",
                                "Reshape",
                                "ResizeBicubic",
                                "ResizeBilinear",
                                "ResizeNearestNeighbor",
                                "ReverseV2",
                                "Rsqrt",
                                "Select",
                                "SelectV2",
                                "Shape",
                                "Sigmoid",
                                "Size",
                                "Slice",
                                "Softmax",
                                "SpaceToBatchND",
                                "SpaceToDepth",
                                "Split",
                                "SplitV",
                                "Sqrt",
                                "Square",
                                "SquaredDifference",
                                "Squeeze",
                                "StridedSlice",
                                "Sub",
                                "Sum",
                                "Switch",
                                "Tanh",
                                "TensorArrayGatherV3",
                                "TensorArrayReadV3",
                                "TensorArrayScatterV3",
                                "TensorArraySizeV3",
                                "TensorArrayV3",
                                "TensorArrayWriteV3",
                                "TensorListFromTensor",
                                "TensorListGetItem",
                                "TensorListLength",
                                "TensorListPushBack",
                                "TensorListReserve",
                                "TensorListSetItem",
                                "TensorListStack",
                                "Tile",
                                "Transpose",
                                "Unpack",
                                "While",
                                "ZerosLike"};

GraphDef small_network() {
  GraphDef graph;
  graph.placeholder("x", {-1, 6, 6, 2})
      .reals("w", {3, 3, 2, 4}, std::vector<float>(72, 0.5F))
      .reals("scale", {4}, {1, 2, 3, 4})
      .reals("low", {}, {-3})
      .reals("high", {}, {3})
      .list("pair", {2, 2})
      .list("four", {1, 12, 12, 4})
      .list("order", {0, 3, 1, 2})
      .list("middle", {1, 2})
      .integers("margin", {2, 2}, {1, 1, 1, 1})
      .integers("edges", {4, 2}, {0, 0, 1, 0, 0, 1, 0, 0})
      .integers("one", {}, {1})
      .integers("last", {}, {3})
      .reals("fc", {4, 3}, std::vector<float>(12, 1))
      .add(TfNode("Conv2D", "conv", {"x", "w"})
               .text("padding", "SAME")
               .integers("strides", {1, 1, 1, 1}))
      .add(TfNode("FusedBatchNorm", "norm", {"conv", "scale", "scale", "scale", "scale"})
               .flag("is_training", false))
      .op("Relu6", "relu", {"norm"})
      .op("FakeQuantWithMinMaxVars", "codes", {"relu", "low", "high"})
      .op("Pad", "wide", {"codes", "edges"})
      .add(TfNode("MaxPool", "pool", {"wide"})
               .text("padding", "VALID")
               .integers("ksize", {1, 2, 2, 1})
               .integers("strides", {1, 1, 1, 1}))
      .op("ConcatV2", "both", {"pool", "relu", "last"})
      .add(TfNode("Mean", "mean", {"relu", "middle"}))
      .op("MatMul", "y", {"mean", "fc"})
      .op("Transpose", "z", {"both", "order"});
  return graph;
}

// A node of any operator on any tensors so far, with attributes that some operators know.
TfNode random_node(std::mt19937_64& random, const std::string& name,
                   const std::vector<std::string>& tensors) {
  std::vector<std::string> inputs;
  for (std::size_t n = pick(random, 5) + 1; n-- > 0;) {
    // The last ones more often: a chain that goes deep.
    const std::size_t back = std::min(pick(random, tensors.size()), pick(random, tensors.size()));
    inputs.push_back(tensors[tensors.size() - 1 - back]);
    if (pick(random, 20) == 0) inputs.back() += ":1";
  }
  TfNode node(kOps[pick(random, std::size(kOps))], name, inputs);
  const auto maybe = [&] { return pick(random, 3) != 0; };
  if (maybe()) node.text("padding", pick(random, 2) == 0 ? "SAME" : "VALID");
  for (const char* list : {"strides", "ksize", "dilations", "squeeze_dims"}) {
    std::vector<std::int64_t> values;
    const bool sane = maybe();
    for (std::size_t i = sane ? 4 : pick(random, 6); i-- > 0;) {
      values.push_back(sane ? 1 : odd_integer(random));
    }
    if (list != std::string("squeeze_dims") || !sane) node.integers(list, values);
  }
  for (const char* number :
       {"axis", "num_split", "num", "block_size", "depth_radius", "num_bits", "begin_mask",
        "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"}) {
    if (pick(random, 4) == 0) node.integer(number, odd_integer(random));
  }
  for (const char* flag : {"is_training", "keep_dims", "transpose_a", "transpose_b", "adj_x",
                           "align_corners", "half_pixel_centers", "narrow_range"}) {
    if (pick(random, 2) == 0) node.flag(flag, pick(random, 4) == 0);
  }
  if (pick(random, 5) == 0) node.text("data_format", "NCHW");
  if (pick(random, 5) == 0) node.type("DstT", static_cast<int>(pick(random, 25)));
  return node;
}

std::string random_graph(std::mt19937_64& random) {
  GraphDef graph = small_network();
  std::vector<std::string> tensors{"w",     "scale",  "low",    "high",  "pair", "four",
                                   "order", "middle", "margin", "edges", "one",  "last",
                                   "fc",    "conv",   "relu",   "mean",  "both", "x"};
  for (std::size_t n = pick(random, 3) + 1; n-- > 0;) {
    const std::string name = "r" + std::to_string(n);
    graph.add(random_node(random, name, tensors));
    tensors.push_back(name);
  }
  return graph.bytes();
}

std::string damaged(std::string bytes, std::mt19937_64& random) {
  for (std::size_t n = pick(random, 4) + 1; n-- > 0;) {
    switch (pick(random, 4)) {
      case 0:
        bytes[pick(random, bytes.size())] = static_cast<char>(random());
        break;
      case 1:
        bytes[pick(random, bytes.size())] ^= static_cast<char>(1U << pick(random, 8));
        break;
      case 2:
        bytes.resize(1 + pick(random, bytes.size()));
        break;
      default: {
        const std::size_t from = pick(random, bytes.size());
        const std::string part = bytes.substr(from, pick(random, 60));
        bytes.insert(pick(random, bytes.size()), part);
      }
    }
  }
  return bytes;
}

void expect_one_line(const Error& error) {
  const std::string_view text = error.what();
  EXPECT_EQ(text.find('\n'), std::string_view::npos) << text;
}

// True: imported. `whole`: also quantized and compiled for both families.
bool import_or_error(const std::string& bytes, bool whole) {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.write("graph.pb", bytes);
  try {
    EXPECT_TRUE(verify(import_model(file)).empty());
  } catch (const Error& error) {
    expect_one_line(error);
    return false;
  }
  for (const char* machine : {"v3_96", "gap8"}) {
    if (!whole) break;
    try {
      (void)compile_network(
          {.model = {.name = file.string()}, .machine = find_machine_file(machine)});
    } catch (const Error& error) {
      expect_one_line(error);
    }
  }
  return true;
}

TEST(TensorflowFuzz, the_undamaged_network_imports_and_compiles) {
  EXPECT_TRUE(import_or_error(small_network().bytes(), true));
}

TEST(TensorflowFuzz, random_graphs_compile_or_end_in_one_line) {
  constexpr int kCases = 1000;
  std::mt19937_64 random(kSeed);
  RecordProperty("seed", std::to_string(kSeed));
  int imported = 0;
  for (int i = 0; i < kCases; ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed << " case " << i);
    imported += import_or_error(random_graph(random), i % 50 == 0) ? 1 : 0;
  }
  EXPECT_GT(imported, 0);  // some must be good
  EXPECT_LT(imported, kCases);
}

TEST(TensorflowFuzz, damaged_graphs_compile_or_end_in_one_line) {
  constexpr int kCases = 1000;
  std::mt19937_64 random(kSeed);
  RecordProperty("seed", std::to_string(kSeed));
  for (int i = 0; i < kCases; ++i) {
    SCOPED_TRACE(testing::Message() << "seed " << kSeed << " case " << i);
    import_or_error(damaged(small_network().bytes(), random), i % 50 == 0);
  }
}

}  // namespace
}  // namespace workbench::test
