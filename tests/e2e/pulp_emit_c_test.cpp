// The C that a program is written as compiles, and makes the program's calls in its order with its
// figures: it is compiled with functions that print what they are called with, and run.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <set>

#include "compiler/pulp/compile.h"
#include "core/file.h"
#include "tests/support/integer_graphs.h"

namespace workbench::pulp {
namespace {

std::string called_as(const Instruction& op) {
  if (const auto* kernel = std::get_if<Kernel>(&op)) {
    return fmt::format("pulp_nn_{}", to_string(kernel->kind));
  }
  const std::string_view name = opcode(op);
  if (name == "barrier") return "pi_cl_team_barrier";
  if (name == "dma") return "dma_copy";
  if (name == "l3") return "l3_copy";
  if (name == "counter_start" || name == "counter_stop") return fmt::format("network_{}", name);
  return std::string(name);
}

// call(name) for each field but a kernel's kind.
template <typename Op, typename Call>
void each_field(const Op& op, Call call) {
  op.fields(op, [&](std::string_view name, const auto& value) {
    if constexpr (!std::is_same_v<std::decay_t<decltype(value)>, KernelKind>) {
      call(name, static_cast<std::int64_t>(value));
    }
  });
}

std::string expected_trace(const Program& program) {
  std::string text;
  for (std::size_t i = 0; i < program.instructions.size(); ++i) {
    const Instruction& op = program.instructions[i];
    if (std::holds_alternative<Code>(op)) continue;
    text += called_as(op);
    std::visit(
        [&](const auto& o) {
          each_field(o, [&](std::string_view, std::int64_t v) { text += fmt::format(" {}", v); });
        },
        op);
    if (std::holds_alternative<CounterStop>(op)) {
      text += fmt::format(" {}", program.info.instruction_layer[i]);
    }
    text += "\n";
  }
  return text;
}

template <typename Op>
std::string printer(const std::string& name, const char* type) {
  std::string text =
      fmt::format("void {}(const struct {}* c) {{\n  printf(\"{}\");\n", name, type, name);
  each_field(Op{}, [&](std::string_view field, std::int64_t) {
    text += fmt::format("  printf(\" %lld\", (long long)c->{});\n", field);
  });
  return text + "  printf(\"\\n\");\n}\n";
}

std::string runtime(const Program& program) {
  std::string text =
      "#include <stdio.h>\n#include \"network.h\"\n"
      "void pi_cl_team_barrier(void) { printf(\"pi_cl_team_barrier\\n\"); }\n"
      "void dma_wait(int id) { printf(\"dma_wait %d\\n\", id); }\n"
      "void l3_wait(int id) { printf(\"l3_wait %d\\n\", id); }\n"
      "void network_counter_start(void) { printf(\"network_counter_start\\n\"); }\n"
      "void network_counter_stop(int l) { printf(\"network_counter_stop %d\\n\", l); }\n"
      "int main(void) { network_run(); return 0; }\n";
  text += printer<Dma>("dma_copy", "dma_transfer") + printer<L3Transfer>("l3_copy", "l3_transfer");
  std::set<std::string> kernels;
  for (const Instruction& op : program.instructions) {
    if (std::holds_alternative<Kernel>(op)) kernels.insert(called_as(op));
  }
  for (const std::string& kernel : kernels) text += printer<Kernel>(kernel, "kernel_call");
  return text;
}

void expect_same_calls(const Program& program, const Machine& machine, const std::string& name) {
  const std::filesystem::path folder =
      std::filesystem::temp_directory_path() / fmt::format("pulp_emit_c_{}_{}", name, getpid());
  std::filesystem::create_directories(folder);
  for (const auto& [file, text] : emit_c(program, machine)) write_file(folder / file, text);
  write_file(folder / "runtime.c", runtime(program));
  const std::string command = fmt::format(
      "cc -std=c11 -O0 -Wall -Wextra -Werror -I {0} -I tests/support/pulp_stub {0}/*.c -o "
      "{0}/network && {0}/network > {0}/trace.txt",
      folder.string());
  ASSERT_EQ(std::system(command.c_str()), 0);
  EXPECT_EQ(read_file(folder / "trace.txt"), expected_trace(program)) << folder;
  std::filesystem::remove_all(folder);
}

IntegerGraph small_network() {
  IntegerGraph g;
  ValueId x = g.input({1, 3, 24, 20}, kUnsigned8);
  x = g.conv(x, 16, square_window(3, 1, 1), 1, g.random_affine(16, 30000, kUnsigned8), kUnsigned8);
  x = g.conv(x, 16, square_window(3, 2, 1), 16, g.random_affine(16, 20000, kUnsigned8), kUnsigned8);
  x = g.conv(x, 32, square_window(1), 1, g.random_affine(32, 30000, kUnsigned8), kUnsigned8);
  x = g.max_pool(x, square_window(2, 2));
  g.output(g.gemm(g.flatten(x), 10, raw_accumulators(), kInt32));
  return g;
}

TEST(PulpEmitC, generated_c_makes_the_programs_calls) {
  Machine machine = load_machine("configs/pulp_open.yaml");
  machine.l1.buffer_bytes = 6000;
  const IntegerGraph g = small_network();
  expect_same_calls(compile(g.graph(), machine, {.tiler = Tiler::Dory}), machine, "dory");
  machine.l2.buffer_bytes = 12000;
  expect_same_calls(compile(g.graph(), machine, {}), machine, "fastest");
}

}  // namespace
}  // namespace workbench::pulp
