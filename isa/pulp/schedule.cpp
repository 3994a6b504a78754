#include "isa/pulp/schedule.h"

#include <algorithm>
#include <variant>

#include "isa/pulp/earliest_times.h"
#include "isa/pulp/expected_times.h"
#include "isa/pulp/kernel_figures.h"

namespace workbench::pulp {

namespace {

class Scheduler {
 public:
  Scheduler(const Program& program, const Machine& machine)
      : program_(program),
        kernels_(machine),
        expected_(program.instructions.size()),
        earliest_times_(machine),
        expected_times_(machine, kernels_, expected_) {}

  AnalyticSchedule run() {
    const auto count = static_cast<std::int32_t>(program_.instructions.size());
    earliest_.reserve(program_.instructions.size());
    for (std::int32_t i = 0; i < count; ++i) {
      host_steps_before(i);
      std::visit([&](const auto& op) { execute(i, op); },
                 program_.instructions[static_cast<std::size_t>(i)]);
    }
    const std::int64_t earliest_end = earliest_times_.quiesce();
    const std::int64_t expected_end = expected_times_.quiesce();
    return {.earliest = times(earliest_, earliest_end), .expected = times(expected_, expected_end)};
  }

 private:
  // The host runs while all is at rest.
  void host_steps_before(std::int32_t instruction) {
    const auto& steps = program_.host_steps;
    for (; next_host_step_ < steps.size() && steps[next_host_step_].before <= instruction;
         ++next_host_step_) {
      earliest_times_.quiesce();
      expected_times_.quiesce();
    }
  }

  template <typename Op>
  void execute(std::int32_t instruction, const Op& op) {
    Occupied& expected = expected_[static_cast<std::size_t>(instruction)];
    if constexpr (std::same_as<Op, Kernel>) {
      KernelFigures& figures = kernels_.of(op);
      earliest_.push_back(earliest_times_.execute(op, figures));
      expected = expected_times_.execute(op, figures);
    } else if constexpr (std::same_as<Op, Dma>) {
      earliest_.push_back(earliest_times_.execute(op));
      expected_times_.issue(instruction, op);
    } else if constexpr (std::same_as<Op, CounterStart> || std::same_as<Op, CounterStop>) {
      earliest_.push_back({earliest_times_.latest(), earliest_times_.latest()});
      expected = {expected_times_.latest(), expected_times_.latest()};
    } else {
      earliest_.push_back(earliest_times_.execute(op));
      expected = expected_times_.execute(op);
    }
  }

  ScheduleTimes times(const std::vector<Occupied>& occupied, std::int64_t end) const {
    ScheduleTimes result;
    result.end = Cycles{end};
    result.begin.reserve(occupied.size());
    result.finish.reserve(occupied.size());
    result.layer_end.resize(program_.info.layers.size());
    const std::vector<std::int32_t>& layers = program_.info.instruction_layer;
    for (std::size_t i = 0; i < occupied.size(); ++i) {
      result.begin.push_back(Cycles{occupied[i].begin});
      result.finish.push_back(Cycles{occupied[i].end});
      const auto layer =
          i < layers.size() ? static_cast<std::size_t>(layers[i]) : result.layer_end.size();
      if (layer >= result.layer_end.size()) continue;
      result.layer_end[layer] = std::max(result.layer_end[layer], result.finish[i]);
    }
    return result;
  }

  const Program& program_;
  KernelTable kernels_;
  std::vector<Occupied> earliest_, expected_;
  EarliestTimes earliest_times_;
  ExpectedTimes expected_times_;
  std::size_t next_host_step_ = 0;
};

}  // namespace

AnalyticSchedule analytic_schedule(const Program& program, const Machine& machine) {
  return Scheduler(program, machine).run();
}

}  // namespace workbench::pulp
