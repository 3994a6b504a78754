// Random networks with operators that only a host computes, written as ONNX files and run as a user
// would: on both families the simulated values are the golden model's, bit for bit.
#include <gtest/gtest.h>

#include <random>

#include "compiler/import/export.h"
#include "compiler/import/import.h"
#include "core/eval/evaluate.h"
#include "explore/flow/machine.h"
#include "explore/flow/pipeline.h"
#include "tests/support/host_ops.h"
#include "tests/support/random_graph.h"
#include "tests/support/sanitized.h"
#include "tests/support/temporary_folder.h"

namespace workbench {
namespace {

constexpr std::uint64_t kSeed = 11;
constexpr int kOps = 3;  // of the table in each network

Graph host_network(std::size_t first) {
  std::mt19937_64 random(kSeed + first);
  Graph graph = random_graph(random, {.max_layers = 6,
                                      .max_input_channels = 8,
                                      .max_channels = 16,
                                      .max_elements = 3'000,
                                      .max_macs = 100'000,
                                      .wide = 0});
  add_host_ops(graph, random, kOps, first);
  return graph;
}

void expect_bit_exact(const std::filesystem::path& file, const char* machine) {
  SCOPED_TRACE(machine);
  const Compiled compiled =
      compile_network({.model = {.name = file.string()}, .machine = find_machine_file(machine)});
  const SimulatedNetwork run = run_network(compiled);
  ASSERT_TRUE(run.result.verdict.has_value());
  EXPECT_EQ(run.result.verdict->mismatches, 0);
  EXPECT_GT(run.result.verdict->values_compared, 0);
}

TEST(HostNetworks, are_well_formed_and_use_the_whole_table) {
  const std::size_t rows = host_op_names().size();
  std::size_t with_ops = 0;
  for (std::size_t first = 0; first < rows; ++first) {
    const Graph graph = host_network(first);
    const std::vector<Violation> violations = verify(graph);
    ASSERT_TRUE(violations.empty()) << host_op_names()[first] << ": " << violations[0].message;
    with_ops += std::ranges::any_of(
        graph.nodes, [](const Node& node) { return node.name.starts_with("host_op"); });
  }
  EXPECT_GE(with_ops, rows - 2);
}

// Values come back the same from a file, except where the file's definition of a function rounds
// between its steps.
TEST(HostNetworks, survive_export_and_import) {
  for (std::size_t first = 0; first < host_op_names().size(); ++first) {
    SCOPED_TRACE(host_op_names()[first]);
    const Graph graph = host_network(first);
    const Graph back = import_onnx_bytes(export_onnx_bytes(graph), "back");
    const Shape& shape = graph.value(graph.inputs[0]).shape;
    std::mt19937_64 random(first);
    Tensor input = Tensor::uninitialized(ElementType::Float32, shape);
    for (float& v : input.mutable_values<float>()) {
      v = static_cast<float>(static_cast<std::int64_t>(random() % 256) - 128);
    }
    const EvaluateOptions options{.arithmetic = Arithmetic::Exact, .threads = 1};
    const auto wanted = evaluate(graph, std::vector{input}, options);
    const auto found = evaluate(back, std::vector{input}, options);
    ASSERT_EQ(wanted.size(), found.size());
    for (std::size_t o = 0; o < wanted.size(); ++o) {
      const auto a = wanted[o].values<float>(), b = found[o].values<float>();
      ASSERT_EQ(a.size(), b.size());
      for (std::size_t i = 0; i < a.size(); ++i) {
        EXPECT_NEAR(a[i], b[i], 1e-3 * (1 + std::abs(a[i]))) << "output " << o << " element " << i;
      }
    }
  }
}

TEST(HostNetworks, run_bit_exactly_on_both_families) {
  const TemporaryFolder folder;
  constexpr std::size_t kStep = kSanitized ? kOps : 1;
  for (std::size_t first = 0; first < host_op_names().size(); first += kStep) {
    SCOPED_TRACE(host_op_names()[first]);
    const auto file = folder.path() / fmt::format("network_{}.onnx", first);
    export_onnx(host_network(first), file);
    expect_bit_exact(file, "v3_96");
    expect_bit_exact(file, "gap8");
  }
}

}  // namespace
}  // namespace workbench
