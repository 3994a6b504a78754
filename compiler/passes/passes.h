// Target-neutral rewrites of a float Graph. Each pass is one function `bool f(Graph&)` (true: it
// changed something) that keeps what the network computes and keeps the names of the values a user
// can see: a fused node has the name of its first part (the convolution's), the names of the others
// in `merged`, and writes the value of its last. The pipeline is the table in passes.cpp.
#pragma once

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/graph.h"

namespace workbench {

// Which passes run: each has a name and a default, and the user's lists (--with, --without) change
// it. The same lists switch the passes of the float pipeline and the rewrites of a target.

// A row of `workbench passes`.
struct PassDescription {
  std::string_view name;
  std::string_view does;  // one line
  bool on = true;         // unless the user says otherwise
};

struct PassSwitches {
  std::vector<std::string> with, without;  // names of passes

  bool is_on(std::string_view name, bool by_default) const;
};

// Throws Error when a name is not in `known` (naming all that are), or is in both lists.
void check(const PassSwitches& switches, std::span<const PassDescription> known);

struct Pass {
  std::string_view name;
  bool (*run)(Graph&);
  std::string_view does = {};  // one line for `workbench passes`
  bool on = true;              // unless the user says otherwise
};

bool drop_identities(Graph& graph);  // Identity, Dropout, no-op Reshape/Pad/Transpose/Slice/Resize
bool fold_constants(Graph& graph);   // nodes whose operands are all constant
bool absorb_qdq(Graph& graph);       // Q/DQ pairs become `quantization` on the real-valued Value
bool canonicalize_padding(Graph& graph);  // constant-0 Pad into the window behind it
bool fold_scale_after(Graph& graph);      // BatchNorm, Mul/Add by constants into the conv before
bool fold_scale_before(Graph& graph);     // the same into the conv behind, where it is exact
bool scale_to_conv(Graph& graph);  // a BatchNorm/Mul/Add that is left becomes a 1x1 depthwise conv
bool fuse_activation(Graph& graph);  // Relu, Clip, LeakyRelu, PRelu into Conv, Add, Gemm
bool flatten_concat(Graph& graph);   // concat of concat
bool move_transposes(Graph& graph);  // behind elementwise operations, where some cancel
bool matmul_to_gemm(Graph& graph);   // [M, K] times a constant
bool pool_to_average(Graph& graph);  // Reduce mean (max) over space -> pool of the whole map
bool gemm_to_conv(Graph& graph);     // Gemm on 1x1 maps whose result feeds convolutions
bool widen_1d(Graph& graph);         // 1-D convolutions, pools and the nodes between them -> 2-D
// Off unless asked for, but for merge_average_scale:
bool merge_average_scale(Graph& graph);      // constant scale behind an average pool -> before it
bool merge_parallel_reduces(Graph& graph);   // 1x1 convs of one tensor -> one conv and slices
bool conv1x1_stride2_to_pool(Graph& graph);  // strided 1x1 conv -> 1x1 max pool + 1x1 conv
bool pool_around_concat(Graph& graph);       // max pool behind a concat into its branches
bool bridge_concat(Graph& graph);            // identity scale between concat and concat
bool deconv_to_upsample(Graph& graph);       // where the kernel is a box times another
bool deconv_to_subpixel(Graph& graph);       // conv of all phases, then DepthToSpace
bool remove_dead(Graph& graph);              // dead nodes and values

std::span<const Pass> all_float_passes();  // in the order they run, those that are off included
std::span<const Pass> float_pipeline();    // those that are on by default
std::vector<Pass> float_pipeline(const PassSwitches& switches);
std::vector<PassDescription> describe_float_passes();

// Runs the passes in order, verify() after each (a violation is a CHECK), writing
// DIR/NN_name.txt after each when `dump` is not empty. The whole table is repeated until nothing
// changes.
void run_passes(Graph& graph, std::span<const Pass> passes, const std::filesystem::path& dump = {});

// One line per node: name, op, shapes. For --dump-passes and tests.
std::string print_graph(const Graph& graph);

// ONNX operators that import and passes eliminate on every machine.
constexpr bool is_folded(std::string_view onnx_operator) {
  constexpr std::array<std::string_view, 14> kFolded = {
      "Cast",
      "Constant",
      "ConstantOfShape",
      "DequantizeLinear",
      "Dropout",
      "DynamicQuantizeLinear",
      "EyeLike",
      "Floor",
      "Identity",
      "NonZero",
      "QuantizeLinear",
      "Range",
      "Shape",
      "Size",
  };
  return std::find(kFolded.begin(), kFolded.end(), onnx_operator) != kFolded.end();
}

}  // namespace workbench
