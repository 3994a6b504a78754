// The ONNX standard's own node tests, through import and the float evaluator. Every case whose
// operators are all in the importer's table runs, in both arithmetics, and once more with all
// operands constant, so that folding is checked against the same answers. See
// scripts/generate_onnx_node_tests.py for the files.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>

#include "compiler/import/import.h"
#include "core/error.h"
#include "core/eval/evaluate.h"

namespace workbench {
namespace {

namespace fs = std::filesystem;

struct Exclusion {
  std::string_view part;  // of the test's name
  std::string_view reason;
};
constexpr Exclusion kExcluded[] = {
    {"test_batchnorm_epsilon_training_mode", "training"},
    {"test_batchnorm_example_training_mode", "training"},
    {"test_training_dropout_default", "training: random"},
    {"test_training_dropout_mask", "training: random"},
    {"STRING", "strings"},
    {"BFLOAT16", "bfloat16 results: 8 bits are too few for the tolerance"},
    {"test_convinteger", "zero points other than 0"},
    {"test_matmulinteger", "zero points other than 0"},
    {"test_dynamicquantizelinear", "made static: the result is the operand"},
    {"test_einsum_batch_diagonal", "Einsum without ellipsis"},
    {"test_isnan", "constants that are not numbers are refused"},
    {"scales_cubic_align_corners", "divides by scale times size; we and ONNX Runtime by the size"},
    {"scales_linear_align_corners", "divides by scale times size; we and ONNX Runtime by the size"},
    {"_axis0_expanded", "tensors without elements are refused"},
    {"_axis0_epsilon_expanded", "tensors without elements are refused"},
    {"2d_axis_negative_2_expanded", "tensors without elements are refused"},
    {"3d_axis_negative_3_epsilon_expanded", "tensors without elements are refused"},
    {"4d_axis_negative_4_expanded", "tensors without elements are refused"},
    {"test_tril_zero", "tensors without elements are refused"},
    {"test_triu_zero", "tensors without elements are refused"},
    {"test_slice_start_out_of_bounds", "tensors without elements are refused"},
    {"test_if_seq", "sequences as results"},
    {"test_if_opt", "optional values as results"},
    {"test_sequence_", "sequences as inputs or results"},
    {"test_loop13_seq", "sequences as results"},
    {"test_loop16_seq_none", "sequences as results"},
    {"test_scan_sum", "Scan before opset 9"},
    {"test_lstm_with_peepholes", "lengths of sequences at run time"},
    {"test_split_zero_size_splits", "tensors without elements are refused"},
    {"test_reshape_allowzero_reordered", "tensors without elements are refused"},
};

// Operators that exist only to be folded: only the constant form of their cases is importable.
const std::set<std::string> kFoldedOnly{"ConstantOfShape", "If", "Loop", "NonZero", "Range"};

std::string_view exclusion(const std::string& test) {
  if (test == "test_training_dropout") return "training: random";
  for (const Exclusion& excluded : kExcluded) {
    if (test.find(excluded.part) != std::string::npos) return excluded.reason;
  }
  return {};
}

std::set<std::string> operators(const fs::path& test) {
  std::ifstream file(test / "ops.txt");
  std::set<std::string> ops;
  for (std::string op; file >> op;) ops.insert(op);
  return ops;
}

std::vector<Tensor> read_tensors(const fs::path& test, const std::string& kind) {
  std::vector<Tensor> tensors;
  for (;;) {
    const fs::path file = test / fmt::format("{}_{}.pb", kind, tensors.size());
    if (!fs::exists(file)) return tensors;
    tensors.push_back(read_tensor_proto(file));
  }
}

double element(const Tensor& tensor, std::size_t i) {
  switch (tensor.type()) {
    case ElementType::Float32:
      return tensor.values<float>()[i];
    case ElementType::Int32:
      return tensor.values<std::int32_t>()[i];
    case ElementType::Int64:
      return static_cast<double>(tensor.values<std::int64_t>()[i]);
    case ElementType::Int8:
      return tensor.values<std::int8_t>()[i];
    case ElementType::Uint8:
      return tensor.values<std::uint8_t>()[i];
    case ElementType::Int16:
      return tensor.values<std::int16_t>()[i];
    case ElementType::Uint16:
      return tensor.values<std::uint16_t>()[i];
    case ElementType::Uint32:
      return tensor.values<std::uint32_t>()[i];
    case ElementType::Uint64:
      return static_cast<double>(tensor.values<std::uint64_t>()[i]);
    case ElementType::Float64:
      return tensor.values<double>()[i];
    case ElementType::Bool:
      return tensor.values<bool>()[i] ? 1 : 0;
  }
  CHECK(false, "element type {}", static_cast<int>(tensor.type()));
}

// Empty: equal within the tolerance ONNX's own runner uses.
std::string difference(const Tensor& found, const Tensor& expected) {
  if (found.type() != expected.type() || found.shape() != expected.shape()) {
    return fmt::format("expected {} {}, found {} {}", to_string(expected.type()),
                       to_string(expected.shape()), to_string(found.type()),
                       to_string(found.shape()));
  }
  for (std::size_t i = 0; i < static_cast<std::size_t>(expected.size()); ++i) {
    const double want = element(expected, i);
    const double got = element(found, i);
    const bool both_nan = std::isnan(want) && std::isnan(got);
    if (want != got && !both_nan && !(std::abs(want - got) <= 1e-5 + 1e-3 * std::abs(want))) {
      return fmt::format("element {}: expected {}, found {}", i, want, got);
    }
  }
  return {};
}

std::string run_model(const fs::path& model, const std::vector<Tensor>& inputs,
                      const std::vector<Tensor>& expected, Arithmetic arithmetic) {
  try {
    const Graph graph = import_model(model);
    const std::vector<Tensor> found = evaluate(graph, inputs, {.arithmetic = arithmetic});
    if (found.size() != expected.size()) return fmt::format("found {} outputs", found.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      const std::string text = difference(found[i], expected[i]);
      if (!text.empty()) return fmt::format("output {}: {}", i, text);
    }
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

std::string run_case(const fs::path& test, bool constant_only) {
  const std::vector<Tensor> expected = read_tensors(test, "output");
  const std::vector<Tensor> inputs = read_tensors(test, "input");
  for (const Arithmetic arithmetic : {Arithmetic::Exact, Arithmetic::Fast}) {
    if (!constant_only) {
      const std::string text = run_model(test / "model.onnx", inputs, expected, arithmetic);
      if (!text.empty()) return text;
    }
    const std::string text = run_model(test / "constant.onnx", {}, expected, arithmetic);
    if (!text.empty()) return "as constants: " + text;
  }
  return {};
}

bool is_subset(const std::set<std::string>& ops, const std::set<std::string>& of) {
  return std::includes(of.begin(), of.end(), ops.begin(), ops.end());
}

std::string joined(const std::set<std::string>& ops) {
  std::string text;
  for (const std::string& op : ops) text += fmt::format("{}{}", text.empty() ? "" : "+", op);
  return text;
}

TEST(OnnxNodeTests, every_case_of_a_supported_operator_passes) {
  const fs::path folder = WORKBENCH_ONNX_NODE_TESTS;
  if (!fs::exists(folder)) GTEST_SKIP() << "python3-onnx was not there to write " << folder;
  std::set<std::string> importable;
  for (const SupportedOp& op : importable_ops()) importable.insert(op.name);
  std::set<fs::path> tests;
  for (const auto& entry : fs::directory_iterator(folder)) {
    if (entry.is_directory()) tests.insert(entry.path());
  }
  std::map<std::string, int> passed;
  int excluded = 0;
  for (const fs::path& test : tests) {
    const std::set<std::string> ops = operators(test);
    if (ops.empty() || !is_subset(ops, importable)) continue;
    if (!exclusion(test.filename()).empty()) {
      ++excluded;
      continue;
    }
    const bool constant_only = std::any_of(
        ops.begin(), ops.end(), [](const std::string& op) { return kFoldedOnly.contains(op); });
    const std::string text = run_case(test, constant_only);
    EXPECT_EQ(text, "") << test.filename();
    if (text.empty()) ++passed[joined(ops)];
  }
  int total = 0;
  for (const auto& [op, count] : passed) {
    std::cout << op << ' ' << count << '\n';
    total += count;
  }
  std::cout << total << " passed, " << excluded << " excluded\n";
  EXPECT_GE(total, 200);  // an empty folder proves nothing
}

}  // namespace
}  // namespace workbench
