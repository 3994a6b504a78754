#include "isa/xdnn/schedule.h"

#include <algorithm>
#include <array>

#include "isa/xdnn/cost.h"

namespace workbench::xdnn {

namespace {

// One engine: when it can take the next command, when all it was given is finished.
struct Engine {
  Cycles free, finished;
  std::vector<Cycles> taken;  // per command
};

class Schedule {
 public:
  Schedule(const Program& program, const Machine& machine) : program_(program), machine_(machine) {}

  AnalyticSchedule run() {
    AnalyticSchedule result;
    std::size_t next_host_step = 0;
    for (std::size_t i = 0; i < program_.steps.size(); ++i) {
      const auto& host = program_.host_steps;
      while (next_host_step < host.size() &&
             host[next_host_step].before <= static_cast<std::int32_t>(i)) {
        for (const Engine& engine : engines_) dispatch_ = std::max(dispatch_, engine.finished);
        ++next_host_step;
      }
      result.finish.push_back(issue(program_.steps[i]));
    }
    result.end = dispatch_;
    for (const Engine& engine : engines_) result.end = std::max(result.end, engine.finished);
    return result;
  }

 private:
  Cycles issue(const Step& step) {
    dispatch_ += Cycles{machine_.control.issue_cycles};
    const Tail& t = tail(step.instruction);
    for (int u = 0; u < kUnits; ++u) {
      if (!machine_.serial() && !waits_for(t, static_cast<Unit>(u))) continue;
      dispatch_ = std::max(dispatch_, engines_[static_cast<std::size_t>(u)].finished);
    }
    const Unit unit = unit_of(step.instruction);
    Engine& engine = engines_[static_cast<std::size_t>(unit)];
    const auto depth = static_cast<std::size_t>(machine_.control.queue_depth);
    if (engine.taken.size() >= depth) {  // the queue has room once this one has left it
      dispatch_ = std::max(dispatch_, engine.taken[engine.taken.size() - depth]);
    }
    const Cycles start = std::max(dispatch_, engine.free);
    engine.taken.push_back(start);
    Cycles finish;
    if (unit == Unit::Conv) {
      finish = convolve(step.instruction, start, engine);
    } else {
      finish = engine.free = start + duration(step, machine_);
    }
    engine.finished = std::max(engine.finished, finish);
    return finish;
  }

  // The filter loader runs ahead of the array, into the next command; the array follows.
  Cycles convolve(const Instruction& instruction, Cycles start, Engine& engine) {
    const ConvCost cost = conv_cost(instruction, machine_);
    const ConvWork work = conv_work(instruction, machine_);
    const Cycles first_slab = std::max(dispatch_, loader_free_) + work.first_load;
    const Cycles begin = std::max(start, first_slab);
    Cycles end = std::max(begin + work.compute, first_slab + work.later_loads + work.last_pass);
    if (!work.overlapped) end = std::max(end, begin + work.compute + work.later_loads);
    end = std::max(end, dispatch_ + work.inputs);
    loader_free_ = first_slab + work.later_loads;
    engine.free = end;
    return std::max(end + cost.drain, first_slab + work.results);
  }

  const Program& program_;
  const Machine& machine_;
  std::array<Engine, kUnits> engines_;
  Cycles dispatch_, loader_free_;
};

}  // namespace

AnalyticSchedule analytic_schedule(const Program& program, const Machine& machine) {
  return Schedule(program, machine).run();
}

}  // namespace workbench::xdnn
