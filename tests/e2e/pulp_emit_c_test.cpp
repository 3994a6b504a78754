// Emitted applications of random networks, built with this machine's compiler and run: every layer
// and output comes to what the golden model says. The application compares (network/network.c), and
// ends with 0 only then.
#include <gtest/gtest.h>

#include <cstdlib>
#include <optional>
#include <random>

#include "compiler/import/export.h"
#include "compiler/pulp/c_kernels.h"
#include "compiler/pulp/compile.h"
#include "compiler/pulp/emit_c.h"
#include "core/error.h"
#include "core/file.h"
#include "explore/flow/application.h"
#include "explore/flow/detailed.h"
#include "explore/flow/machine.h"
#include "sim/golden/golden.h"
#include "sim/pulp/simulate.h"
#include "sim/riscv/network.h"
#include "tests/support/host_ops.h"
#include "tests/support/integer_graphs.h"
#include "tests/support/random_graph.h"
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

void write_files(const TemporaryFolder& folder,
                 const std::vector<std::pair<std::string, std::string>>& files) {
  for (const auto& [path, contents] : files) {
    std::filesystem::create_directories((folder.path() / path).parent_path());
    write_file(folder.path() / path, contents);
  }
}

void write_application(const TemporaryFolder& folder, const Graph& graph, const Program& program,
                       const Machine& machine, std::span<const Tensor> inputs) {
  write_files(folder, emit_c(program, machine, golden_by_name(graph, inputs)).files);
}

// Built with this machine's compiler, every warning an error, and run.
void expect_it_runs(const TemporaryFolder& folder) {
  const std::string command = fmt::format(
      "cd {} && make -s -f Makefile.host CFLAGS='-O0 -Wall -Wextra -Werror' run > log 2>&1",
      folder.path().string());
  const int status = std::system(command.c_str());
  const std::string log = read_file(folder.path() / "log");
  ASSERT_EQ(status, 0) << log;
  EXPECT_NE(log.find("all as expected"), std::string::npos) << log;
  EXPECT_NE(log.find(", ok"), std::string::npos) << log;  // something was compared on the way
}

void expect_it_runs(IntegerGraph& g, const Machine& machine, Tiler tiler) {
  const TemporaryFolder folder;
  const Program program = compile(g.graph(), machine, {.tiler = tiler});
  const std::vector<Tensor> inputs = g.random_inputs();
  write_application(folder, g.graph(), program, machine, inputs);
  expect_it_runs(folder);
}

// Built for the modelled cores.
riscv::Application built(const TemporaryFolder& folder, const Program& program) {
  const std::string command =
      fmt::format("make -s -C {} -f Makefile.plain REPORT=0 main.elf", folder.path().string());
  EXPECT_EQ(std::system(command.c_str()), 0);
  riscv::Application application{
      .program = program,
      .kernels = {},
      .elf = riscv::parse_elf(read_file(folder.path() / "main.elf"), "main.elf"),
      .files = {}};
  for (const Instruction& instruction : program.instructions) {
    const auto* kernel = std::get_if<Kernel>(&instruction);
    if (kernel != nullptr) application.kernels.push_back(c_kernel(*kernel));
  }
  for (const auto& entry : std::filesystem::directory_iterator(folder.path() / "hex")) {
    application.files[entry.path().filename().string()] = read_file(entry.path());
  }
  return application;
}

// Values of the transaction tier, and of the application's instructions.
void expect_tiers_to_agree(IntegerGraph& g, const Machine& machine) {
  const TemporaryFolder folder;
  const Program program = compile(g.graph(), machine);
  const std::vector<Tensor> inputs = g.random_inputs();
  write_application(folder, g.graph(), program, machine, inputs);
  const riscv::NetworkRun detailed = riscv::run_network(built(folder, program), machine, inputs);
  const SimulationResult transaction = simulate(program, machine, inputs);
  EXPECT_EQ(detailed.exit_code, 0) << detailed.console;
  EXPECT_TRUE(detailed.result.outputs == transaction.outputs);
  EXPECT_FALSE(detailed.result.tensors.empty());
  for (const auto& [name, tensor] : detailed.result.tensors) {
    ASSERT_TRUE(transaction.tensors.contains(name)) << name;
    EXPECT_TRUE(tensor == transaction.tensors.at(name)) << name;
  }
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

TEST(PulpEmitC, random_networks_have_the_same_values_in_both_tiers) {
  if (std::system("command -v riscv64-unknown-elf-gcc > /dev/null") != 0) {
    GTEST_SKIP() << "no riscv64-unknown-elf-gcc";
  }
  int ran = 0;
  for (std::uint64_t seed = 101; seed <= 120 && ran < 3; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine = load_machine("configs/pulp_open.yaml");
    machine.l1.buffer_bytes = seed % 2 == 0 ? 3000 : 38000;
    IntegerGraph g = random_integer_graph(seed);
    if (!compiles(g.graph(), machine)) continue;
    expect_tiers_to_agree(g, machine);
    ++ran;
  }
  EXPECT_EQ(ran, 3);
}

// Two to four inputs, which meet in sums, in joins (there they lie with gaps) and behind layers
// that others have run before; one or two outputs.
IntegerGraph graph_of_several_inputs(std::uint64_t seed) {
  IntegerGraph g(seed);
  const std::int64_t side = g.between(3, 12), count = g.between(2, 4);
  const auto affine = [&](std::int64_t channels) {
    return g.random_affine(channels, 20000, kUnsigned8);
  };
  std::vector<ValueId> inputs;
  for (std::int64_t i = 0; i < count; ++i) {
    inputs.push_back(g.input({1, g.between(1, 12), side, side}, kUnsigned8));
  }
  ValueId x = g.conv(inputs[0], 8, square_window(3, 1, 1), 1, affine(8), kUnsigned8);
  for (std::size_t i = 1; i < inputs.size(); ++i) {
    if (g.between(0, 2) > 0) {
      x = g.concat({x, inputs[i]});
    } else {
      x = g.concat({inputs[i], inputs[0], x});
    }
    x = g.conv(x, 8, square_window(3, 1, 1), 1, affine(8), kUnsigned8);
  }
  if (g.between(0, 1) == 1) g.output(g.conv(x, 5, square_window(1), 1, affine(5), kUnsigned8));
  g.output(g.gemm(g.flatten(x), 10, raw_accumulators(), kInt32));
  return g;
}

TEST(PulpEmitC, networks_of_several_inputs_run_bit_exactly_on_the_host) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Machine machine = load_machine("configs/pulp_open.yaml");
    machine.l1.buffer_bytes = seed % 2 == 0 ? 6000 : 20000;
    if (seed == 3) machine.l2.buffer_bytes = 6000;  // inputs in L3
    IntegerGraph g = graph_of_several_inputs(seed);
    expect_it_runs(g, machine, seed % 2 == 0 ? Tiler::Dory : Tiler::Optimal);
  }
}

// Steps of the host between layers of the cluster.
std::int64_t steps_between(const Program& program) {
  return std::count_if(program.host_steps.begin(), program.host_steps.end(), [&](const auto& step) {
    return step.before > 0 && step.before < std::ssize(program.instructions);
  });
}

// Nothing: the file of one of its operators is refused when it is read.
std::optional<Compiled> network_with_work_of_the_host(std::uint64_t seed,
                                                      const std::filesystem::path& file,
                                                      int host_ops = 2) {
  std::mt19937_64 random(seed);
  Graph graph = random_graph(random, {.max_layers = 6,
                                      .max_input_channels = 8,
                                      .max_channels = 16,
                                      .max_elements = 3'000,
                                      .max_macs = 100'000,
                                      .wide = 0,
                                      .host_op = 0.3});
  add_host_ops(graph, random, host_ops, static_cast<std::size_t>(seed));
  export_onnx(graph, file);
  try {
    return compile_network({.model = {.name = file.string()},
                            .machine = find_machine_file(seed % 2 == 0 ? "gap8" : "pulp_open"),
                            .placement = Placement::All});
  } catch (const Error&) {
    return std::nullopt;
  }
}

TEST(PulpEmitC, what_the_host_runs_between_layers_has_the_same_values_in_both_tiers) {
  if (std::system("command -v riscv64-unknown-elf-gcc > /dev/null") != 0) {
    GTEST_SKIP() << "no riscv64-unknown-elf-gcc";
  }
  const TemporaryFolder folder;
  int ran = 0;
  for (std::uint64_t seed = 1; seed <= 30 && ran < 3; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const auto compiled =
        network_with_work_of_the_host(seed, folder.path() / fmt::format("{}.onnx", seed));
    if (!compiled || steps_between(compiled->pulp_program()) < 2) continue;
    const DetailedRun detailed = run_detailed(*compiled, {});
    const SimulatedNetwork transaction = run_network(*compiled);
    ASSERT_TRUE(detailed.network.result.verdict.has_value());
    EXPECT_TRUE(detailed.network.result.verdict->bit_exact());
    EXPECT_GT(detailed.network.result.verdict->values_compared, 0);
    EXPECT_TRUE(detailed.network.outputs == transaction.outputs);
    EXPECT_TRUE(verify(detailed.network.result.timeline).empty());
    // The parts follow each other: every layer has its cycles, and all of them are the total.
    Cycles sum;
    for (const LayerReport& layer : detailed.network.result.report.layers) {
      EXPECT_GT(layer.cycles.value, 0) << layer.name;
      sum += layer.cycles;
    }
    EXPECT_EQ(sum, detailed.network.result.report.cycles);
    EXPECT_EQ(detailed.network.result.report.cycles, detailed.network.result.timeline.end);
    ++ran;
  }
  EXPECT_EQ(ran, 3);
}

// A network with work between layers, of one row of the table of operators that no kernel computes.
std::optional<Compiled> network_with_host_op(std::size_t row) {
  const TemporaryFolder folder;
  for (std::uint64_t seed = row; seed < 40000; seed += 1000) {  // the rows are a divisor of 1000
    auto compiled = network_with_work_of_the_host(seed, folder.path() / "network.onnx", 1);
    if (compiled && steps_between(compiled->pulp_program()) > 0) return compiled;
  }
  return std::nullopt;
}

TEST(PulpEmitC, what_the_host_runs_between_layers_is_in_the_application) {
  const std::vector<std::string> names = host_op_names();
  ASSERT_EQ(1000 % names.size(), 0U);
  for (std::size_t row = 0; row < names.size(); ++row) {
    SCOPED_TRACE(names[row]);
    const auto compiled = network_with_host_op(row);
    ASSERT_TRUE(compiled.has_value());
    const TemporaryFolder folder;
    write_files(folder, application_of(*compiled).files);
    expect_it_runs(folder);
  }
}

// Of random networks, too, what comes before the layers and behind them.
TEST(PulpEmitC, what_the_host_runs_before_and_behind_the_layers_is_in_the_application) {
  const TemporaryFolder networks;
  int before = 0, behind = 0;
  for (std::uint64_t seed = 501; seed <= 540 && (before < 2 || behind < 4); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const auto compiled =
        network_with_work_of_the_host(seed, networks.path() / fmt::format("{}.onnx", seed), 3);
    if (!compiled || compiled->pulp_program().instructions.empty()) continue;
    std::optional<CApplication> application;
    try {
      application = application_of(*compiled);
    } catch (const Error&) {
      continue;
    }
    bool has_before = false, has_behind = false;
    for (const auto& [path, text] : application->files) {
      const bool turns = path == "src/network_data.c";
      has_before |= turns && text.find("network_turns[] = {fabric_00") != std::string::npos;
      has_behind |= turns && text.find("fabric_") != std::string::npos &&
                    text.find(", 0};\n\n// By the index") == std::string::npos;
    }
    if (!has_before && !has_behind) continue;
    const TemporaryFolder folder;
    write_files(folder, application->files);
    expect_it_runs(folder);
    before += has_before ? 1 : 0;
    behind += has_behind ? 1 : 0;
  }
  EXPECT_GE(before, 2);
  EXPECT_GE(behind, 4);
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
