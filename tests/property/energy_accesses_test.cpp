// What is counted of a program against what its simulation moved and how long that took.
#include <gtest/gtest.h>

#include "explore/energy/accesses.h"
#include "explore/flow/machine.h"
#include "explore/flow/pipeline.h"

namespace workbench {
namespace {

Compiled compiled(const std::string& network, const std::string& machine) {
  CompileRequest request;
  request.model.name = "zoo:" + network;
  request.machine = find_machine_file(machine);
  request.keep_reference = false;
  return compile_network(request);
}

std::int64_t bytes_of(const Timeline& timeline, const std::string& resource) {
  std::int64_t bytes = 0;
  for (const Interval& one : timeline.intervals) {
    if (timeline.resources.at(static_cast<std::size_t>(one.resource)) == resource) {
      bytes += one.bytes.value;
    }
  }
  return bytes;
}

TEST(EnergyAccesses, of_an_engine_are_the_bytes_it_moves_and_the_slots_it_has) {
  for (const char* machine : {"v3_96", "v2_28", "darius_32"}) {
    for (const char* network : {"tiny_cnn", "tiny_residual", "tiny_inception"}) {
      SCOPED_TRACE(std::string(network) + " on " + machine);
      const Compiled c = compiled(network, machine);
      const XdnnAccesses counted = sum(accesses(c.xdnn_program(), c.xdnn_machine()));
      const Report report = run_network(c, {.golden = false}).result.report;
      EXPECT_EQ(counted.ddr_bytes, report.external_bytes);
      EXPECT_LE(counted.filter_bytes, counted.ddr_bytes);
      EXPECT_EQ(counted.instructions, std::ssize(c.xdnn_program().steps));
      std::int64_t macs = 0;  // of the network: padding is not in them
      for (const LayerReport& layer : report.layers) macs += layer.macs * c.xdnn_machine().images();
      EXPECT_GE(counted.macs, macs);
      const double slots = static_cast<double>(counted.macs + counted.idle_slots);
      EXPECT_LE(slots,
                static_cast<double>(report.cycles.value) * c.xdnn_machine().peak_macs_per_cycle());
      // Every result is written once at least, every port moves a word a cycle at most.
      const xdnn::Machine::ActivationMemory& am = c.xdnn_machine().am;
      EXPECT_LE(counted.am_bytes, (am.read_ports + am.write_ports) * report.cycles.value *
                                      c.xdnn_machine().word_bytes());
      std::int64_t words = 0;
      for (const LayerInfo& layer : c.info().layers) words += layer.result_words;
      EXPECT_GE(counted.am_bytes, words * c.xdnn_machine().word_bytes());
    }
  }
}

TEST(EnergyAccesses, of_a_cluster_are_the_bytes_it_moves_within_the_time_it_has) {
  for (const char* machine : {"gap8", "pulp_open_2026"}) {
    for (const char* network : {"tiny_cnn", "tiny_residual", "tiny_mobile"}) {
      SCOPED_TRACE(std::string(network) + " on " + machine);
      const Compiled c = compiled(network, machine);
      const PulpAccesses counted = sum(accesses(c.pulp_program(), c.pulp_machine()));
      const Timeline timeline = run_network(c, {.golden = false, .values = false}).result.timeline;
      const std::int64_t dma = bytes_of(timeline, "dma in") + bytes_of(timeline, "dma out");
      EXPECT_EQ(counted.l3_bytes, bytes_of(timeline, "l3"));
      EXPECT_GE(counted.l2_bytes, dma + counted.l3_bytes);
      EXPECT_GT(4 * counted.l1_words, dma);
      std::int64_t macs = 0;
      for (const LayerInfo& layer : c.info().layers) macs += layer.macs;
      EXPECT_GE(counted.macs, macs);
      const std::int64_t all = c.pulp_machine().cluster.cores * timeline.end.value;
      EXPECT_LE(counted.core_cycles, all);
      EXPECT_GE(counted.core_cycles, counted.macs / 4) << "four a cycle";
      EXPECT_LE(counted.l1_words, all + dma);
    }
  }
}

}  // namespace
}  // namespace workbench
