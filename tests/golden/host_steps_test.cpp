// What the host is left with, for every network of the zoo on every shipped machine, against
// host_steps.txt beside this file. WORKBENCH_REBASE=1 writes it anew; the difference is reviewed
// like code. Calibration has no say in it: the networks are the float ones after all passes.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <vector>

#include "compiler/passes/passes.h"
#include "compiler/xdnn/fit_limits.h"
#include "compiler/xdnn/support.h"
#include "core/file.h"
#include "workloads/workloads.h"

namespace workbench {
namespace {

const char* const kFile = "tests/golden/host_steps.txt";

std::vector<xdnn::Machine> shipped_machines() {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::directory_iterator("configs")) {
    if (entry.path().extension() != ".yaml") continue;
    if (read_file(entry.path()).find("\nfamily: pulp") != std::string::npos) continue;
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<xdnn::Machine> machines;
  for (const std::filesystem::path& file : files) machines.push_back(xdnn::load_machine(file));
  return machines;
}

bool is_convolution(const Op& op) {
  return std::holds_alternative<Conv>(op) || std::holds_alternative<ConvTranspose>(op);
}

std::int64_t convolution_macs(const Graph& graph) {
  std::int64_t sum = 0;
  for (const Node& node : graph.nodes) {
    if (is_convolution(node.op)) sum += macs(graph, node);
  }
  return sum;
}

struct HostPart {
  std::string lines;  // one for each step: NODE OP: REASON
  std::int64_t convolution_macs = 0;
};

// `graph` is what float_pipeline() made of a network.
HostPart host_part(Graph graph, const xdnn::Machine& machine) {
  xdnn::fit_limits(graph, machine);
  const auto reason = xdnn::host_reasons(machine);
  HostPart part;
  for (const Node& node : graph.nodes) {
    // Reshapes and identities copy nothing that the host would be waited for.
    if (std::holds_alternative<Reshape>(node.op) || std::holds_alternative<Identity>(node.op)) {
      continue;
    }
    const auto why = reason(graph, node);
    if (!why) continue;
    part.lines += fmt::format("  {} {}: {}\n", node.name, op_name(node.op), *why);
    if (is_convolution(node.op)) part.convolution_macs += macs(graph, node);
  }
  return part;
}

TEST(HostSteps, of_the_zoo_on_every_machine_are_those_written_down) {
  const std::vector<xdnn::Machine> machines = shipped_machines();
  ASSERT_GE(machines.size(), 6u);
  std::string text;
  for (const WorkloadInfo& network : workloads()) {
    Graph graph = build_workload(network.name);
    // Of the network as it was given: a rewrite that adds products does not change the share.
    const auto all = static_cast<double>(convolution_macs(graph));
    run_passes(graph, float_pipeline());
    for (const xdnn::Machine& machine : machines) {
      const HostPart part = host_part(graph, machine);
      const double percent = 100 * (1 - static_cast<double>(part.convolution_macs) / all);
      EXPECT_GE(percent, 99) << network.name << " on " << machine.name;
      text += fmt::format("{} on {}: {:.2f} % of Conv MACs on the array\n{}", network.name,
                          machine.name, percent, part.lines);
    }
  }
  if (std::getenv("WORKBENCH_REBASE") != nullptr) write_file(kFile, text);
  EXPECT_EQ(text, read_file(kFile)) << "WORKBENCH_REBASE=1 rewrites the file; review it";
}

}  // namespace
}  // namespace workbench
