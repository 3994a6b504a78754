#include "compiler/passes/passes.h"

#include <fmt/format.h>

#include <algorithm>
#include <concepts>
#include <string>
#include <system_error>
#include <type_traits>

#include "core/error.h"
#include "core/file.h"

namespace workbench {

namespace {

bool holds(const std::vector<std::string>& list, std::string_view name) {
  return std::find(list.begin(), list.end(), name) != list.end();
}

void check_list(std::string_view option, const std::vector<std::string>& list,
                std::span<const PassDescription> known) {
  for (const std::string& name : list) {
    const auto is_it = [&](const PassDescription& pass) { return pass.name == name; };
    if (std::any_of(known.begin(), known.end(), is_it)) continue;
    std::string names;
    for (const PassDescription& pass : known) {
      names += names.empty() ? "" : ", ";
      names += pass.name;
    }
    fail("{}: expected names of passes ({}), found '{}'", option, names, name);
  }
}

}  // namespace

bool PassSwitches::is_on(std::string_view name, bool by_default) const {
  if (holds(without, name)) return false;
  return by_default || holds(with, name);
}

void check(const PassSwitches& switches, std::span<const PassDescription> known) {
  check_list("--with", switches.with, known);
  check_list("--without", switches.without, known);
  for (const std::string& name : switches.with) {
    if (holds(switches.without, name)) {
      fail("--with {0} --without {0}: expected the pass in one of the lists, found it in both",
           name);
    }
  }
}

namespace {

// Order within a round only decides how few rounds it takes, with two exceptions: scales fold
// before they become convolutions, and activations fuse after everything linear has folded.
constexpr Pass kFloatPasses[] = {
    {"drop_identities", drop_identities, "identities, dropout and reshapes that change nothing go"},
    {"fold_constants", fold_constants, "nodes whose operands are all constant are computed now"},
    {"absorb_qdq", absorb_qdq, "QuantizeLinear and DequantizeLinear pairs become thresholds"},
    {"move_transposes", move_transposes,
     "a Transpose and the one back go where operations on single elements lie between"},
    {"matmul_to_gemm", matmul_to_gemm, "MatMul by a constant matrix becomes Gemm"},
    {"pool_to_average", pool_to_average, "mean and maximum over the whole map become pools"},
    {"canonicalize_padding", canonicalize_padding, "Pad moves into the window behind it"},
    {"merge_average_scale", merge_average_scale,
     "a constant scale behind an average pool moves to the convolution before it"},
    {"fold_scale_after", fold_scale_after,
     "BatchNorm, Scale, constant Mul/Add/Sub/Div and HardSigmoid fold "
     "into the convolution before them"},
    {"fold_scale_before", fold_scale_before, "the same into the convolution behind them"},
    {"scale_to_conv", scale_to_conv, "what of them is left becomes a 1x1 depthwise convolution"},
    {"fuse_activation", fuse_activation, "Relu, Clip, LeakyRelu and PRelu join Conv, Add, Gemm"},
    {"widen_1d", widen_1d, "1-D networks become 2-D networks of height 1"},
    {"gemm_to_conv", gemm_to_conv, "Gemm between convolutions becomes a 1x1 convolution"},
    {"deconv_to_upsample", deconv_to_upsample,
     "transposed convolutions become upsampling and convolution where that is exact", false},
    {"deconv_to_subpixel", deconv_to_subpixel,
     "transposed convolutions become one convolution and DepthToSpace", false},
    {"conv1x1_stride2_to_pool", conv1x1_stride2_to_pool,
     "a 1x1 convolution with a stride becomes a 1x1 max pool and a convolution", false},
    {"merge_parallel_reduces", merge_parallel_reduces,
     "1x1 reduces that read the same tensor become one convolution", false},
    {"pool_around_concat", pool_around_concat, "a max pool behind a concat moves into each branch",
     false},
    {"bridge_concat", bridge_concat, "an identity scale between a concat and a concat", false},
    {"flatten_concat", flatten_concat, "a Concat that only feeds a Concat joins it"},
    {"remove_dead", remove_dead, "dead nodes and values go"},
};

std::vector<Pass> selected(const PassSwitches& switches) {
  std::vector<Pass> passes;
  for (const Pass& pass : kFloatPasses) {
    if (switches.is_on(pass.name, pass.on)) passes.push_back(pass);
  }
  return passes;
}

constexpr int kMaxRounds = 50;  // each round removes or lowers a node; networks settle in 3

void check_sound(const Graph& graph, std::string_view pass) {
  const std::vector<Violation> violations = verify(graph);
  CHECK(violations.empty(), "after pass {}: {}", pass, violations.front().message);
}

void create_folder(const std::filesystem::path& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) fail("{}: cannot create the folder: {}", path.string(), error.message());
}

std::string describe(const Graph& graph, ValueId id) {
  if (id == kNoValue) return "-";
  const Value& value = graph.value(id);
  const bool is_float = value.type == ElementType::Float32;
  return fmt::format("{}{}{}{}", value.name, is_float ? "" : ":",
                     is_float ? "" : to_string(value.type), to_string(value.shape));
}

std::string describe(const Graph& graph, const std::vector<ValueId>& ids) {
  std::string text;
  for (const ValueId id : ids) {
    text += text.empty() ? "" : ", ";
    text += describe(graph, id);
  }
  return text;
}

// " + Relu" for ops with a fused activation.
std::string fused_suffix(const Op& op) {
  const Activation* fused = fused_activation(op);
  if (fused == nullptr || fused->kind == Activation::Kind::None) return "";
  return fmt::format(" + {}", fused->name());
}

std::string describe(const std::vector<std::int64_t>& per_channel) {
  if (per_channel.size() == 1) return fmt::format("{}", per_channel[0]);
  const auto [low, high] = std::minmax_element(per_channel.begin(), per_channel.end());
  return fmt::format("[{}..{}]", *low, *high);
}

std::string_view rounding_name(Rounding rounding) {
  switch (rounding) {
    case Rounding::HalfUp:
      return "half up";
    case Rounding::HalfEven:
      return "half to even";
    case Rounding::HalfAwayFromZero:
      return "half away from zero";
    case Rounding::Floor:
      return "down";
    case Rounding::TowardZero:
      return "toward zero";
  }
  CHECK(false, "rounding {}", static_cast<int>(rounding));
}

std::string describe(const AffineRequantize& affine) {
  return fmt::format("(x * {} + {}) / {} {} to {}..{}", describe(affine.multiplier),
                     describe(affine.offset), affine.divisor, rounding_name(affine.rounding),
                     affine.low, affine.high);
}

std::string describe(const Graph& graph, const Node& node) {
  std::string line =
      fmt::format("{}: {} = {}{}({})", node.name, describe(graph, node.outputs), op_name(node.op),
                  fused_suffix(node.op), describe(graph, node.inputs));
  for (std::size_t i = 0; i < node.operand_affine.size(); ++i) {
    line += fmt::format("  operand {}: {}", i, describe(node.operand_affine[i]));
  }
  if (node.affine) line += "  " + describe(*node.affine);
  for (std::size_t i = 0; i < node.merged.size(); ++i) {
    line += (i == 0 ? "  # with " : ", ") + node.merged[i];
  }
  return line;
}

}  // namespace

std::span<const Pass> all_float_passes() { return kFloatPasses; }

std::span<const Pass> float_pipeline() {
  static const std::vector<Pass> passes = selected({});
  return passes;
}

std::vector<Pass> float_pipeline(const PassSwitches& switches) { return selected(switches); }

std::vector<PassDescription> describe_float_passes() {
  std::vector<PassDescription> rows;
  for (const Pass& pass : kFloatPasses) rows.push_back({pass.name, pass.does, pass.on});
  return rows;
}

void run_passes(Graph& graph, std::span<const Pass> passes, const std::filesystem::path& dump) {
  if (!dump.empty()) create_folder(dump);
  int ran = 0;
  bool changed = true;
  for (int round = 0; changed; ++round) {
    CHECK(round < kMaxRounds, "the passes have not settled after {} rounds", round);
    changed = false;
    for (const Pass& pass : passes) {
      const bool fired = pass.run(graph);
      check_sound(graph, pass.name);
      changed = changed || fired;
      if (dump.empty() || (round > 0 && !fired)) continue;
      write_file(dump / fmt::format("{:02}_{}.txt", ran++, pass.name), print_graph(graph));
    }
  }
}

std::string print_graph(const Graph& graph) {
  std::string text = fmt::format("graph {}\n", graph.name);
  text += fmt::format("inputs {}\n", describe(graph, graph.inputs));
  for (const Node& node : graph.nodes) text += describe(graph, node) + "\n";
  text += fmt::format("outputs {}\n", describe(graph, graph.outputs));
  return text;
}

}  // namespace workbench
