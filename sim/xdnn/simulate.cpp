#include "sim/xdnn/simulate.h"

#include <memory>
#include <systemc>

#include "core/error.h"
#include "sim/common/clock.h"
#include "sim/common/stack_bounds.h"
#include "sim/xdnn/conv_unit.h"
#include "sim/xdnn/host.h"
#include "sim/xdnn/overlay.h"
#include "sim/xdnn/stream_unit.h"

namespace workbench::xdnn {

namespace {

using sim::now;

// Fetches instructions in order, waits for the units their bits name, hands them out. Host steps
// run here, between instructions, when everything before has finished.
class Dispatcher : public sc_core::sc_module {
 public:
  Dispatcher(sc_core::sc_module_name name, Overlay& overlay, Host& host)
      : sc_module(name), overlay_(overlay), host_(host) {
    SC_HAS_PROCESS(Dispatcher);
    SC_THREAD(run);
    set_stack_size(8 << 20);
  }

  bool finished() const { return finished_; }
  std::int32_t current() const { return current_; }

 private:
  void run() {
    const auto count = static_cast<std::int32_t>(overlay_.program.steps.size());
    std::size_t next_host_step = 0;
    const auto host_steps_before = [&](std::int32_t instruction) {
      const auto& steps = overlay_.program.host_steps;
      while (next_host_step < steps.size() && steps[next_host_step].before <= instruction) {
        for (int u = 0; u < kUnits; ++u) wait_for(static_cast<Unit>(u));
        if (!overlay_.broken) host_.run(steps[next_host_step]);
        ++next_host_step;
      }
    };
    for (current_ = 0; current_ < count && !overlay_.broken; ++current_) {
      host_steps_before(current_);
      issue();
    }
    current_ = -1;  // what follows belongs to no instruction
    host_steps_before(count);
    for (int u = 0; u < kUnits; ++u) wait_for(static_cast<Unit>(u));
    finished_ = true;  // nothing is left to happen: the kernel returns by itself
  }

  void issue() {
    const std::int64_t begin = now();
    sim::wait_until(begin + overlay_.machine.control.issue_cycles);
    overlay_.recorder.record(overlay_.resources.dispatch, current_, begin, begin, now(),
                             Cause::Issue);
    const Instruction& instruction = overlay_.step(current_).instruction;
    for (int u = 0; u < kUnits; ++u) {
      if (waits_for(tail(instruction), static_cast<Unit>(u))) wait_for(static_cast<Unit>(u));
    }
    const auto unit = static_cast<std::size_t>(unit_of(instruction));
    const std::int64_t full_since = now();
    const std::int64_t room = overlay_.machine.control.queue_depth;
    while (overlay_.waiting[unit] >= room) wait(overlay_.taken[unit]);
    record_wait(full_since, unit);
    overlay_.queue[unit].push_back(current_);
    ++overlay_.outstanding[unit];
    ++overlay_.waiting[unit];
    overlay_.given[unit].notify(sc_core::SC_ZERO_TIME);
  }

  void wait_for(Unit unit) {
    const auto u = static_cast<std::size_t>(unit);
    const std::int64_t begin = now();
    while (overlay_.outstanding[u] > 0) wait(overlay_.done[u]);
    record_wait(begin, u);
  }

  void record_wait(std::int64_t begin, std::size_t unit) {
    const bool at_end = current_ >= static_cast<std::int32_t>(overlay_.program.steps.size());
    overlay_.recorder.record(overlay_.resources.dispatch, at_end ? -1 : current_, begin, begin,
                             now(), Cause::WaitEngine, 0, overlay_.resources.unit[unit]);
  }

  Overlay& overlay_;
  Host& host_;
  std::int32_t current_ = 0;
  bool finished_ = false;
};

// A fresh kernel for each simulation: no module can be built once another has run (platform.md 1).
class FreshKernel {
 public:
  FreshKernel() : context_(std::make_unique<sc_core::sc_simcontext>()) {
    sc_core::sc_curr_simcontext = context_.get();
    sc_core::sc_default_global_context = context_.get();
  }
  ~FreshKernel() {
    sc_core::sc_curr_simcontext = nullptr;
    sc_core::sc_default_global_context = nullptr;
  }
  FreshKernel(const FreshKernel&) = delete;
  FreshKernel& operator=(const FreshKernel&) = delete;

 private:
  std::unique_ptr<sc_core::sc_simcontext> context_;
};

}  // namespace

SimulationResult simulate(const Program& program, const Machine& machine,
                          std::span<const Tensor> inputs, const SimulateOptions& options) {
  const FreshKernel kernel;
  // sc_stop() announces itself on stdout, which belongs to reports.
  sc_core::sc_report_handler::set_actions("/OSCI/SystemC", sc_core::SC_INFO,
                                          sc_core::SC_DO_NOTHING);
  Overlay overlay(program, machine, options);
  Host host(program, overlay.memory, overlay.hazards, inputs, options.threads);
  Dispatcher dispatcher("dispatcher", overlay, host);
  ConvUnit conv("conv", overlay);
  StreamUnit pool("pool", overlay, Unit::Pool, Client::Pool);
  StreamUnit eltwise("eltwise", overlay, Unit::Eltwise, Client::Eltwise);
  StreamUnit upsample("upsample", overlay, Unit::Upsample, Client::Upsample);
  StreamUnit download("download", overlay, Unit::Download, Client::Download);
  StreamUnit upload("upload", overlay, Unit::Upload, Client::Upload);
  try {
    const sim::StackBounds own_stack;
    sc_core::sc_start();
  } catch (const sc_core::sc_report& report) {  // what a process threw, in the kernel's wrapping
    fail("{}: simulation failed: {}", program.info.network, report.what());
  }
  if (!dispatcher.finished() && !program.steps.empty()) {
    const auto last = static_cast<std::int32_t>(program.steps.size()) - 1;
    overlay.hazards.deadlock(dispatcher.current() < 0 ? last : dispatcher.current(), now());
  }
  SimulationResult result;
  result.timeline = overlay.recorder.timeline(now());
  result.hazards = overlay.hazards.hazards();
  result.wide_accumulators = std::move(overlay.wide_accumulators);
  if (overlay.broken || !dispatcher.finished()) return result;
  result.outputs = host.outputs();
  result.tensors = std::move(overlay.tensors);
  if (options.collect) result.tensors.merge(host.values());
  return result;
}

}  // namespace workbench::xdnn
