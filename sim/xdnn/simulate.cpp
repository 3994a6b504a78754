#include "sim/xdnn/simulate.h"

#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <systemc>

#include "core/error.h"
#include "isa/xdnn/well_formed.h"
#include "sim/common/kernel.h"
#include "sim/xdnn/host.h"
#include "sim/xdnn/overlay.h"
#include "sim/xdnn/units.h"

namespace workbench::xdnn {

namespace {

using sim::now;

// Fetches the instructions of one slice in order, waits for the units their bits name, hands them
// out, image after image. Host steps run here, between instructions, when everything before has
// finished.
class Dispatcher : public sc_core::sc_module {
 public:
  // `host`: null where no values are computed.
  Dispatcher(sc_core::sc_module_name name, Overlay& overlay, Host* host, std::int64_t images)
      : sc_module(name), overlay_(overlay), host_(host), images_(images) {
    SC_HAS_PROCESS(Dispatcher);
    SC_THREAD(run);
    set_stack_size(host == nullptr ? 1 << 20 : 8 << 20);
  }

  bool finished() const { return finished_; }
  std::int32_t current() const { return current_; }

 private:
  void run() {
    auto& engine = overlay_.engine;
    const auto slice = static_cast<std::size_t>(overlay_.slice);
    for (std::int64_t image = 0; image < images_ && !engine.broken; ++image) {
      wait_for_turn(image);
      overlay_.image = image;
      run_program();
      engine.finished[slice].push_back(now());
      engine.image_done[slice].notify(sc_core::SC_ZERO_TIME);
    }
    finished_ = true;  // no event is pending: the kernel returns
    engine.image_done[slice].notify(sc_core::SC_ZERO_TIME);
  }

  // Slice 1 works on what slice 0 has put into a buffer, slice 0 needs one that is free.
  void wait_for_turn(std::int64_t image) {
    auto& engine = overlay_.engine;
    if (!engine.has_slice0) return;
    const std::size_t other = overlay_.slice == 0 ? 1 : 0;
    const std::int64_t needed = overlay_.slice == 0 ? image + 1 - kSliceBuffers : image + 1;
    const std::int64_t begin = now();
    while (static_cast<std::int64_t>(engine.finished[other].size()) < needed && !engine.broken) {
      wait(engine.image_done[other]);
    }
    overlay_.recorder.record(overlay_.resources.dispatch, -1, begin, begin, now(),
                             Cause::WaitEngine);
  }

  void run_program() {
    const auto& mine = overlay_.instructions;
    for (next_host_step_ = first_host_step(); const std::int32_t instruction : mine) {
      if (overlay_.engine.broken) break;
      current_ = instruction;
      host_steps_before(instruction);
      issue();
    }
    current_ = -1;  // what follows belongs to no instruction
    if (overlay_.slice == 1) {
      host_steps_before(static_cast<std::int32_t>(overlay_.program.steps.size()));
    }
    for (int u = 0; u < kUnits; ++u) wait_for(static_cast<Unit>(u));
  }

  // Slice 0 runs the beginning of a program and what the host does before it.
  std::size_t first_host_step() const {
    if (overlay_.slice == 0 || !overlay_.engine.has_slice0) return 0;
    const auto& steps = overlay_.program.host_steps;
    const auto& mine = overlay_.instructions;
    std::int32_t last_of_slice0 = -1;
    for (std::size_t i = 0; i < overlay_.program.steps.size(); ++i) {
      const auto number = static_cast<std::int32_t>(i);
      if (!std::binary_search(mine.begin(), mine.end(), number)) last_of_slice0 = number;
    }
    std::size_t first = 0;
    while (first < steps.size() && steps[first].before <= last_of_slice0) ++first;
    return first;
  }

  void host_steps_before(std::int32_t instruction) {
    const auto& steps = overlay_.program.host_steps;
    while (next_host_step_ < steps.size() && steps[next_host_step_].before <= instruction) {
      for (int u = 0; u < kUnits; ++u) wait_for(static_cast<Unit>(u));
      if (overlay_.computing() && !overlay_.engine.broken) host_->run(steps[next_host_step_]);
      ++next_host_step_;
    }
  }

  void issue() {
    const std::int64_t begin = now();
    sim::wait_until(begin + overlay_.machine.control.issue_cycles);
    overlay_.recorder.record(overlay_.resources.dispatch, current_, begin, begin, now(),
                             Cause::Issue);
    const Instruction& instruction = overlay_.step(current_).instruction;
    for (int u = 0; u < kUnits; ++u) {
      if (overlay_.machine.serial() || waits_for(tail(instruction), static_cast<Unit>(u))) {
        wait_for(static_cast<Unit>(u));
      }
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
    overlay_.recorder.record(overlay_.resources.dispatch, current_, begin, begin, now(),
                             Cause::WaitEngine, 0, overlay_.resources.unit[unit]);
  }

  Overlay& overlay_;
  Host* host_;
  std::int64_t images_;
  std::size_t next_host_step_ = 0;
  std::int32_t current_ = 0;
  bool finished_ = false;
};

// One slice with its units.
class Slice {
 public:
  Slice(Engine& engine, int number, Host* host, std::int64_t images)
      : overlay_(engine, number),
        dispatcher_(named("dispatcher").c_str(), overlay_, host, images),
        conv_(named("conv").c_str(), overlay_) {
    if (number == 0) return;
    add_stream("pool", Unit::Pool, Client::Pool);
    add_stream("eltwise", Unit::Eltwise, Client::Eltwise);
    add_stream("upsample", Unit::Upsample, Client::Upsample);
    add_stream("download", Unit::Download, Client::Download);
    add_stream("upload", Unit::Upload, Client::Upload);
  }

  const Dispatcher& dispatcher() const { return dispatcher_; }

 private:
  std::string named(const std::string& what) const { return overlay_.name + "_" + what; }
  void add_stream(const std::string& what, Unit unit, Client client) {
    streams_.push_back(std::make_unique<StreamUnit>(named(what).c_str(), overlay_, unit, client));
  }

  Overlay overlay_;
  Dispatcher dispatcher_;
  ConvUnit conv_;
  std::vector<std::unique_ptr<StreamUnit>> streams_;
};

// All engines of a card and the banks of DDR they share.
class Card {
 public:
  Card(const Program& program, const Machine& machine, std::span<const Tensor> inputs,
       const SimulateOptions& options)
      : images_(uses_slice0(program) ? kThroughputImages : 1) {
    const auto count = static_cast<int>(machine.board.engines);
    const auto banks = std::min(machine.board.engines, machine.board.ddr_banks);
    for (std::int64_t bank = 0; bank < banks; ++bank) {
      banks_.push_back(std::make_unique<sim::Arbiter>(fmt::format("ddr_bank{}", bank).c_str(), 1));
    }
    for (int e = 0; e < count; ++e) {
      auto& bank = *banks_[static_cast<std::size_t>(e) % banks_.size()];
      engines_.push_back(std::make_unique<Engine>(e, program, machine, options, bank));
      Engine& engine = *engines_.back();
      if (e == 0) {
        host_.emplace(program, engine.memory, *engine.hazards, inputs, options.threads);
      }
      Host* host = e == 0 ? &*host_ : nullptr;
      slices_.push_back(std::make_unique<Slice>(engine, 1, host, images_));
      if (!engine.has_slice0) continue;
      slices_.push_back(std::make_unique<Slice>(engine, 0, host, images_ + 1));
    }
  }

  Engine& first_engine() { return *engines_.front(); }
  const Host& host() const { return *host_; }

  // The dispatcher of engine 0 that still waits at the end of the simulation; null: none.
  const Dispatcher* stuck() const {
    const std::size_t own = engines_.front()->has_slice0 ? 2 : 1;
    for (std::size_t i = 0; i < own; ++i) {
      if (!slices_[i]->dispatcher().finished()) return &slices_[i]->dispatcher();
    }
    return nullptr;
  }

  std::vector<EngineTimes> times() const {
    std::vector<EngineTimes> result;
    for (const auto& engine : engines_) {
      const auto& ends = engine->finished[1];
      EngineTimes times{.images = static_cast<std::int64_t>(ends.size())};
      times.ddr_waited = {engine->ddr_waited};
      if (!ends.empty()) times.latency = times.interval = {ends.front()};
      if (ends.size() > 1) times.interval = {ends.back() - ends[ends.size() - 2]};
      result.push_back(times);
    }
    return result;
  }

  static bool uses_slice0(const Program& program) {
    return std::any_of(program.steps.begin(), program.steps.end(),
                       [](const Step& step) { return tail(step.instruction).slice == 0; });
  }

 private:
  std::int64_t images_;
  std::vector<std::unique_ptr<sim::Arbiter>> banks_;
  std::vector<std::unique_ptr<Engine>> engines_;
  std::optional<Host> host_;
  std::vector<std::unique_ptr<Slice>> slices_;
};

// [begin, end) of a timeline, as if it were all there is.
Timeline window(const Timeline& timeline, Cycles begin, Cycles end) {
  Timeline result{.resources = timeline.resources, .end = end - begin};
  for (Interval interval : timeline.intervals) {
    interval.begin = std::max(interval.begin, begin) - begin;
    interval.end = std::min(interval.end, end) - begin;
    if (interval.begin >= interval.end) continue;
    interval.ready = std::max(interval.ready, begin) - begin;
    result.intervals.push_back(interval);
  }
  return result;
}

// A program's demands on slice 0, checked first.
void check_slices(const Program& program, const Machine& machine) {
  bool main_slice = false;
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const Instruction& instruction = program.steps[i].instruction;
    const auto layer = static_cast<std::size_t>(program.info.instruction_layer[i]);
    const std::string& name = program.info.layers[layer].name;
    if (tail(instruction).slice != 0) {
      main_slice = true;
      continue;
    }
    if (main_slice) fail("{}: '{}' is on slice 0, which works first", program.info.network, name);
    const std::string obstacle = slice0_obstacle(instruction, machine);
    if (!obstacle.empty()) {
      fail("{}: '{}' cannot run on slice 0: {}", program.info.network, name, obstacle);
    }
  }
}

void check_well_formed(const Program& program, const Machine& machine) {
  for (std::size_t i = 0; i < program.steps.size(); ++i) {
    const std::string fault = malformed(program.steps[i], machine);
    if (fault.empty()) continue;
    const auto layer = static_cast<std::size_t>(program.info.instruction_layer[i]);
    fail("{}: instruction {} ('{}'): {}", program.info.network, i, program.info.layers[layer].name,
         fault);
  }
}

}  // namespace

SimulationResult simulate(const Program& program, const Machine& machine,
                          std::span<const Tensor> inputs, const SimulateOptions& options) {
  const sim::FreshKernel kernel;
  // sc_stop() announces itself on stdout, which belongs to reports.
  sc_core::sc_report_handler::set_actions("/OSCI/SystemC", sc_core::SC_INFO,
                                          sc_core::SC_DO_NOTHING);
  check_slices(program, machine);
  check_well_formed(program, machine);
  Card card(program, machine, inputs, options);
  try {
    const sim::StackBounds own_stack;
    sc_core::sc_start();
  } catch (const sc_core::sc_report& report) {  // what a process threw, in the kernel's wrapping
    fail("{}: simulation failed: {}", program.info.network, report.what());
  }
  Engine& engine = card.first_engine();
  const Dispatcher* stuck = card.stuck();
  if (stuck != nullptr && !program.steps.empty()) {
    const auto last = static_cast<std::int32_t>(program.steps.size()) - 1;
    engine.hazards->deadlock(stuck->current() < 0 ? last : stuck->current(), now());
  }
  SimulationResult result;
  result.hazards = engine.hazards->hazards();
  result.wide_accumulators = std::move(engine.wide_accumulators);
  result.engines = card.times();
  if (engine.broken || stuck != nullptr) {
    result.timeline = engine.recorder.timeline(now());
    return result;
  }
  const auto& ends = engine.finished[1];
  const Cycles end{ends.back()}, begin = end - result.engines[0].interval;
  result.timeline = window(engine.recorder.timeline(end.value), begin, end);
  result.outputs = card.host().values().outputs();
  result.tensors = std::move(engine.tensors);
  if (options.collect) result.tensors.merge(card.host().values().by_name());
  return result;
}

}  // namespace workbench::xdnn
