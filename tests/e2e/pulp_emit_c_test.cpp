// Emitted applications of random networks, built with this machine's compiler and run: every layer
// and output comes to what the golden model says. The application compares (network/network.c), and
// ends with 0 only then.
#include <gtest/gtest.h>

#include <cstdlib>

#include "compiler/pulp/compile.h"
#include "compiler/pulp/emit_c.h"
#include "core/error.h"
#include "core/file.h"
#include "sim/golden/golden.h"
#include "tests/support/integer_graphs.h"
#include "tests/support/temporary_folder.h"

namespace workbench::pulp {
namespace {

std::map<std::string, Tensor> golden_by_name(const Graph& graph, std::span<const Tensor> inputs) {
  const std::vector<Tensor> values = golden::run(graph, inputs);
  std::map<std::string, Tensor> by_name;
  for (std::size_t id = 0; id < values.size(); ++id) {
    if (values[id].type() != ElementType::Float32) by_name[graph.values[id].name] = values[id];
  }
  return by_name;
}

void expect_it_runs(IntegerGraph& g, const Machine& machine, Tiler tiler) {
  const TemporaryFolder folder;
  const Program program = compile(g.graph(), machine, {.tiler = tiler});
  const std::vector<Tensor> inputs = g.random_inputs();
  for (const auto& [path, contents] : emit_c(program, machine, golden_by_name(g.graph(), inputs))) {
    std::filesystem::create_directories((folder.path() / path).parent_path());
    write_file(folder.path() / path, contents);
  }
  const std::string command = fmt::format(
      "cd {} && make -s -f Makefile.host CFLAGS='-O0 -Wall -Wextra -Werror' run > log 2>&1",
      folder.path().string());
  const int status = std::system(command.c_str());
  const std::string log = read_file(folder.path() / "log");
  ASSERT_EQ(status, 0) << log;
  EXPECT_NE(log.find("all as expected"), std::string::npos) << log;
  EXPECT_NE(log.find(", ok"), std::string::npos) << log;  // something was compared on the way
}

// Some cannot be compiled: a view of a value in another order of channels.
bool compiles(const Graph& graph, const Machine& machine) {
  try {
    compile(graph, machine);
    return true;
  } catch (const Error&) {
    return false;
  }
}

TEST(PulpEmitC, random_networks_run_bit_exactly_on_the_host) {
  int ran = 0;
  for (std::uint64_t seed = 1; seed <= 20 && ran < 4; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine = load_machine("configs/pulp_open.yaml");
    machine.l1.buffer_bytes = seed % 2 == 0 ? 6000 : 20000;
    IntegerGraph g = random_integer_graph(seed);
    if (!compiles(g.graph(), machine)) continue;
    expect_it_runs(g, machine, Tiler::Optimal);
    ++ran;
  }
  EXPECT_EQ(ran, 4);
}

// Slices in L2, tiles in L1, by both tilers; a depthwise layer, a max pool.
TEST(PulpEmitC, tiled_networks_run_bit_exactly_on_the_host) {
  IntegerGraph g;
  ValueId x = g.input({1, 3, 24, 20}, kUnsigned8);
  x = g.conv(x, 16, square_window(3, 1, 1), 1, g.random_affine(16, 30000, kUnsigned8), kUnsigned8);
  x = g.conv(x, 16, square_window(3, 2, 1), 16, g.random_affine(16, 20000, kUnsigned8), kUnsigned8);
  x = g.conv(x, 32, square_window(1), 1, g.random_affine(32, 30000, kUnsigned8), kUnsigned8);
  x = g.max_pool(x, square_window(2, 2));
  g.output(g.gemm(g.flatten(x), 10, raw_accumulators(), kInt32));
  Machine machine = load_machine("configs/pulp_open.yaml");
  machine.l1.buffer_bytes = 6000;
  expect_it_runs(g, machine, Tiler::Dory);
  machine.l2.buffer_bytes = 12000;
  expect_it_runs(g, machine, Tiler::Optimal);
}

}  // namespace
}  // namespace workbench::pulp
