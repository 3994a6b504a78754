// The cluster's processes: the team of cores, the two directions of its DMA, and the fabric
// controller with the uDMA. The team runs ahead of the kernel's time between barriers; its cores
// keep clocks of their own.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <systemc>
#include <vector>

#include "isa/pulp/machine.h"
#include "isa/pulp/mchan.h"
#include "isa/pulp/program.h"
#include "isa/pulp/semantics.h"
#include "sim/common/recorder.h"
#include "sim/pulp/hazards.h"
#include "sim/pulp/host.h"
#include "sim/pulp/simulate.h"
#include "sim/pulp/tcdm.h"

namespace workbench::pulp {

// State shared by the processes.
struct Cluster {
  struct L3Request {
    std::int32_t instruction = -1;
    std::int64_t begin = 0, done = 0, bytes = 0;
  };

  Cluster(const Program& program, const Machine& machine, const SimulateOptions& options);

  // Moves the bytes of a transfer, where values are wanted.
  template <typename Op>
  void carry_out(std::int32_t instruction) {
    if (!options.values) return;
    execute(std::get<Op>(program.instructions[static_cast<std::size_t>(instruction)]), memory);
  }

  const Program& program;
  const Machine& machine;
  const SimulateOptions& options;
  Memory memory;
  HazardMonitor hazards;
  Mchan mchan;
  KernelTimes kernel_times;
  std::vector<std::int64_t> code_refills;  // of the instruction cache, per instruction
  sim::Recorder recorder;
  int cores_resource = 0, l3_resource = 0;
  std::array<int, kDirections> dma_resource{};
  std::deque<L3Request> l3_requests;  // in order of `done`
  sc_core::sc_event l3_changed;
  std::array<sc_core::sc_event, kDirections> dma_changed;
};

// Carries out what one direction of the DMA has been given, when it is done.
class DmaLane : public sc_core::sc_module {
 public:
  DmaLane(sc_core::sc_module_name name, Cluster& cluster, Direction direction);

 private:
  void run();
  Cluster& cluster_;
  Direction direction_;
};

// The same for the uDMA.
class L3Port : public sc_core::sc_module {
 public:
  L3Port(sc_core::sc_module_name name, Cluster& cluster);

 private:
  void run();
  Cluster& cluster_;
};

// All cores: they run the same program.
class Team : public sc_core::sc_module {
 public:
  Team(sc_core::sc_module_name name, Cluster& cluster, Host& host);

  bool finished() const { return finished_; }
  // False: the program ended at an address out of range.
  bool complete() const { return complete_; }
  std::vector<Cycles> counters() const { return counters_; }
  const std::map<std::string, Tensor>& tensors() const { return tensors_; }

 private:
  void run();
  void run_program();
  void host_steps_before(std::int32_t instruction);
  void execute(const Barrier& op);
  void execute(const Dma& op);
  void execute(const DmaWait& op);
  void execute(const L3Transfer& op);
  void execute(const L3Wait& op);
  void execute(const Code& op);
  void execute(const CounterStart& op);
  void execute(const CounterStop& op);
  void execute(const Kernel& op);
  void leave_scratch(const Kernel& op);
  void collect(std::int32_t instruction);

  std::int64_t latest() const;
  void all_at(std::int64_t time);
  // Until everything that happens up to `time` has happened.
  void catch_up(std::int64_t time);
  // Everything before is over, transfers without a wait, too.
  void quiesce();
  // Activity of the slowest core since the last call, until `time`.
  void account(std::int64_t time, Cause cause, int blocked_on = -1);
  void account_kernel(std::int64_t begin, std::int64_t end, const std::vector<std::int64_t>& alone,
                      std::int64_t conflicts);

  Cluster& cluster_;
  Host& host_;
  std::vector<std::int64_t> clocks_;  // per core
  std::int64_t accounted_ = 0;        // of the resource "cores"
  std::int32_t current_ = 0;
  std::int64_t counter_begin_ = 0;
  std::int64_t l3_free_at_ = 0;
  std::map<std::int64_t, std::int64_t> l3_done_;  // by counter
  std::size_t next_host_step_ = 0, next_probe_ = 0;
  bool finished_ = false, complete_ = false;
  std::vector<Cycles> counters_;
  std::map<std::string, Tensor> tensors_;
};

}  // namespace workbench::pulp
