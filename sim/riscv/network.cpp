#include "sim/riscv/network.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <set>

#include "core/error.h"
#include "isa/pulp/layer_runs.h"
#include "sim/common/recorder.h"
#include "sim/pulp/host.h"

namespace workbench::riscv {
namespace {

constexpr const char* kLayerFunction = "layer_run";         // runtime/pulp/network/layer.h
constexpr const char* kHostFunction = "network_host_step";  // runtime/pulp/network/network.h
// Their places among the watched functions; kernels follow.
constexpr std::size_t kLayerWatched = 0, kHostWatched = 1;

// What layer_run() is called with: a1 points to memories_t, a3 to the layer's cycles.
constexpr std::size_t kMemoriesArgument = 11, kCyclesArgument = 13;

// Where the buffers begin that the program's addresses count from (memories_t).
struct Buffers {
  Word l1 = 0, l2 = 0, l3 = 0;
};

Word word_at(const Memories& memories, Word address) {
  Word word = 0;
  for (const Memory* memory : {&memories.l1, &memories.l2}) {
    if (memory->holds(address, 4)) std::memcpy(&word, memory->at(address), 4);
  }
  return word;
}

void copy_part(const Memory& from, Word begin, std::vector<std::uint8_t>& to) {
  if (!from.holds(begin, to.size())) {
    fail("the application's buffer of {} bytes at 0x{:x} is not in its memory", to.size(), begin);
  }
  if (!to.empty()) std::memcpy(to.data(), from.at(begin), to.size());
}

void copy_back(const std::vector<std::uint8_t>& from, Word begin, Memory& to) {
  if (!from.empty()) std::memcpy(to.at(begin), from.data(), from.size());
}

// Values whose every piece is still there behind a layer.
std::set<std::string> whole_values(const pulp::Program& program,
                                   const std::vector<pulp::LayerRun>& runs) {
  std::set<std::string> whole, not_whole;
  for (const pulp::Probe& probe : program.probes) {
    const bool stays = probe.place.space != pulp::Space::L1 &&
                       pulp::run_that_ends_with(program, runs, probe).has_value();
    (stays ? whole : not_whole).insert(probe.place.value);
  }
  for (const std::string& name : not_whole) whole.erase(name);
  return whole;
}

// The network's values in the application's memories, and those that the host makes of them.
class Values {
 public:
  Values(const pulp::Program& program, const pulp::Machine& machine,
         const std::vector<pulp::LayerRun>& runs, std::span<const Tensor> inputs)
      : program_(program),
        hazards_(program, machine, {program.l1_bytes, program.l2_bytes, program.l3_bytes}),
        host_(program, memory_, hazards_, inputs, 0),
        probes_(runs.size()) {
    memory_.l1.resize(static_cast<std::size_t>(program.l1_bytes));
    memory_.l2.resize(static_cast<std::size_t>(program.l2_bytes));
    memory_.l3.resize(static_cast<std::size_t>(program.l3_bytes));
    const std::set<std::string> whole = whole_values(program, runs);
    for (const pulp::Probe& probe : program.probes) {
      if (!whole.contains(probe.place.value)) continue;
      probes_[*pulp::run_that_ends_with(program, runs, probe)].push_back(&probe);
    }
    host_steps_before(0);
  }

  // What the host does before this instruction, in the application's memories.
  void host_steps_before(std::int64_t instruction, Memories& memories, const Buffers& buffers) {
    read(memories, buffers);
    host_steps_before(instruction);
    copy_back(memory_.l2, buffers.l2, memories.l2);
    copy_back(memory_.l3, buffers.l3, memories.l3);
  }

  // Behind the last run the memories are as the host finds them: then the buffers are given back.
  void collect(std::size_t run, const Memories& memories, const Buffers& buffers) {
    if (probes_[run].empty() && run + 1 < probes_.size()) return;
    read(memories, buffers);
    for (const pulp::Probe* probe : probes_[run]) {
      put_piece(*probe, read_tensor(memory_, probe->place), tensors_[probe->place.value]);
    }
  }

  void finish(pulp::SimulationResult& result) {
    host_steps_before(std::ssize(program_.instructions));
    result.outputs = host_.values().outputs();
    result.tensors = std::move(tensors_);
    pulp::name_shapes(program_.host, result.tensors);
    result.tensors.merge(host_.values().by_name());
  }

 private:
  void read(const Memories& memories, const Buffers& buffers) {
    copy_part(memories.l1, buffers.l1, memory_.l1);
    copy_part(memories.l2, buffers.l2, memory_.l2);
    copy_part(memories.l3, buffers.l3, memory_.l3);
  }
  // Those that have not run yet.
  void host_steps_before(std::int64_t instruction) {
    const auto& steps = program_.host_steps;
    while (next_step_ < steps.size() && steps[next_step_].before <= instruction) {
      host_.run(steps[next_step_++], 0);
    }
  }

  const pulp::Program& program_;
  pulp::Memory memory_;
  pulp::HazardMonitor hazards_;  // that the host asks; hazards are the transaction tier's subject
  pulp::Host host_;
  std::size_t next_step_ = 0;
  std::vector<std::vector<const pulp::Probe*>> probes_;  // by run
  std::map<std::string, Tensor> tensors_;
};

// What one core does, from one barrier to the next.
struct CoreLog {
  struct Piece {
    std::int64_t end = 0;
    Cause cause = Cause::Idle;
    std::int32_t instruction = -1;
  };
  bool started = false, arrived = false;
  std::size_t runs = 0;    // layers that it has begun
  std::size_t kernel = 0;  // calls in this one
  int depth = 0;           // of kernel calls
  std::int32_t instruction = 0;
  std::int64_t last = 0, arrived_at = 0;
  std::int64_t conflict = 0, fetch = 0, queue = 0;  // at `last`
  std::vector<Piece> pieces;
  Spent spent;  // when the layer began
};

// Layers between which the host has nothing to do: when the cores ran them, and where that is on
// the time line.
struct Part {
  std::size_t end = 0;  // the run behind its last one
  std::int64_t began = 0, reached = 0, at = 0;
  bool started = false;
};

class Watch {
 public:
  Watch(const Application& application, const pulp::Machine& machine,
        std::span<const Tensor> inputs)
      : program_(application.program),
        core_(machine.core),
        runs_(pulp::layer_runs(program_)),
        values_(program_, machine, runs_, inputs),
        logs_(static_cast<std::size_t>(machine.cluster.cores)),
        left_(runs_.size()),
        finished_(runs_.empty()) {
    run.layers.resize(program_.info.layers.size());
    run.result.counters.resize(program_.info.layers.size());
    for (const char* name : {"cores", "dma in", "dma out", "l3"}) recorder_.add_resource(name);
    for (const pulp::LayerRun& range : runs_) {
      kernels_.emplace_back();
      for (std::size_t i = range.begin; i < range.end; ++i) {
        if (!std::holds_alternative<pulp::Kernel>(program_.instructions[i])) continue;
        kernels_.back().push_back(static_cast<std::int32_t>(i));
      }
    }
    std::set<std::size_t> ends = {runs_.size()};
    for (const pulp::HostStep& step : program_.host_steps) {
      if (step.before > 0 && step.before < std::ssize(program_.instructions)) {
        ends.insert(pulp::run_at(runs_, step.before));
      }
    }
    for (const std::size_t end : ends) parts_.push_back({end});
  }

  void operator()(Cluster& cluster, const CoreEvent& event) {
    if (finished_) return;
    if (event.kind != CoreEvent::Kind::Slept && event.watched == kHostWatched) {
      if (event.kind == CoreEvent::Kind::Enters) host_step(cluster);
      return;
    }
    if (event.hart >= logs_.size()) return;
    const Hart& hart = cluster.harts()[event.hart];
    CoreLog& log = logs_[event.hart];
    const bool layer = event.watched == kLayerWatched;
    switch (event.kind) {
      case CoreEvent::Kind::Enters:
        layer ? begin_layer(cluster, hart, log, event.time) : begin_kernel(hart, log, event.time);
        return;
      case CoreEvent::Kind::Leaves:
        layer ? end_layer(cluster, hart, log, event.time) : end_kernel(hart, log, event.time);
        return;
      case CoreEvent::Kind::Slept:
        if (log.started) slept(hart, log, event);
    }
  }

  NetworkRun finish(const Cluster& cluster) {
    if (!finished_) {
      fail("the application has ended before its last layer, with exit code {}: {}", run.exit_code,
           last_line(cluster.console()));
    }
    add_moves(cluster.dma_moves(), 1);
    add_moves(cluster.l3_moves(), 3);
    run.result.timeline = recorder_.timeline(on_line(parts_.back(), parts_.back().reached));
    values_.finish(run.result);
    run.console = cluster.console();
    run.cycles = cluster.cycles();
    for (const Hart& hart : cluster.harts()) {
      run.instructions += spent_by(hart, cluster.code(), core_).instructions;
    }
    return std::move(run);
  }

  NetworkRun run;

 private:
  static std::string last_line(std::string text) {
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text.substr(text.rfind('\n') + 1);
  }

  void host_step(Cluster& cluster) {
    if (part_ + 1 >= parts_.size() || left_[parts_[part_].end - 1] < logs_.size()) {
      fail("the application asks for work of the host where its program has none");
    }
    values_.host_steps_before(static_cast<std::int64_t>(runs_[parts_[part_].end].begin),
                              cluster.memories(), buffers_);
    ++part_;
  }

  void begin_layer(const Cluster& cluster, const Hart& hart, CoreLog& log, std::int64_t time) {
    if (log.runs >= runs_.size()) fail("the application runs more layers than its program has");
    if (log.started) {
      settle(hart, log, time);
    } else {
      Part& part = parts_[part_];
      part.began = part.started ? std::min(part.began, time) : time;
      part.started = log.started = true;
      note(hart, log, time);
    }
    log.instruction = static_cast<std::int32_t>(runs_[log.runs].begin);
    log.kernel = 0;
    ++log.runs;
    log.spent = spent_by(hart, cluster.code(), core_);
    const Word memories = hart.x[kMemoriesArgument];
    buffers_ = {word_at(cluster.memories(), memories), word_at(cluster.memories(), memories + 4),
                word_at(cluster.memories(), memories + 8)};
    if (hart.number == 0) cycles_ = hart.x[kCyclesArgument];
  }

  void end_layer(const Cluster& cluster, const Hart& hart, CoreLog& log, std::int64_t time) {
    settle(hart, log, time);
    const std::size_t index = log.runs - 1, layer = runs_[index].layer;
    Spent spent = spent_by(hart, cluster.code(), core_);
    spent.subtract(log.spent);
    run.layers[layer].add(spent);
    if (hart.number == 0 && counts(index)) {
      run.result.counters[layer] += Cycles{word_at(cluster.memories(), cycles_)};
    }
    if (++left_[index] == logs_.size()) values_.collect(index, cluster.memories(), buffers_);
  }

  bool counts(std::size_t run_index) const {
    const auto at = [&](std::size_t i) {
      return program_.instructions.begin() + static_cast<std::ptrdiff_t>(i);
    };
    return std::any_of(at(runs_[run_index].begin), at(runs_[run_index].end), [](const auto& op) {
      return std::holds_alternative<pulp::CounterStop>(op);
    });
  }

  void begin_kernel(const Hart& hart, CoreLog& log, std::int64_t time) {
    if (!log.started) return;
    if (log.depth == 0) settle(hart, log, time);
    if (++log.depth > 1) return;
    const std::vector<std::int32_t>& calls = kernels_[log.runs - 1];
    if (log.kernel >= calls.size()) fail("the application calls more kernels than its program");
    log.instruction = calls[log.kernel++];
  }

  void end_kernel(const Hart& hart, CoreLog& log, std::int64_t time) {
    if (!log.started) return;
    if (log.depth == 1) settle(hart, log, time);
    if (--log.depth > 0) return;
    const auto last = static_cast<std::int32_t>(runs_[log.runs - 1].end) - 1;
    log.instruction = std::min(log.instruction + 1, last);
  }

  void slept(const Hart& hart, CoreLog& log, const CoreEvent& event) {
    settle(hart, log, event.begin);
    const bool for_data =
        event.waited == EventUnit::Wait::Event || event.waited == EventUnit::Wait::EventClear;
    log.pieces.push_back(
        {event.time, for_data ? Cause::MemoryWait : Cause::WaitEngine, log.instruction});
    note(hart, log, event.time);
    if (event.waited != EventUnit::Wait::Barrier) return;
    log.arrived = true;
    log.arrived_at = event.begin;
    const auto arrived = [](const CoreLog& one) { return one.arrived; };
    if (std::all_of(logs_.begin(), logs_.end(), arrived)) flush();
  }

  void note(const Hart& hart, CoreLog& log, std::int64_t time) const {
    log.last = time;
    log.conflict = hart.conflict;
    log.fetch = hart.fetch;
    log.queue = hart.queue;
  }

  // Since the last event the core has run. Of a kernel, what is no stall is work.
  void settle(const Hart& hart, CoreLog& log, std::int64_t time) const {
    const bool kernel = log.depth > 0;
    std::int64_t left = std::max<std::int64_t>(0, time - log.last), at = log.last;
    const auto take = [&](std::int64_t cycles) {
      const std::int64_t taken = std::min(cycles, left);
      left -= taken;
      return taken;
    };
    const std::int64_t conflict = take(hart.conflict - log.conflict);
    const std::int64_t queue = take(hart.queue - log.queue);
    const std::int64_t fetch = kernel ? take(hart.fetch - log.fetch) : 0;
    const std::pair<Cause, std::int64_t> parts[] = {{kernel ? Cause::Work : Cause::Issue, left},
                                                    {Cause::PortStall, conflict},
                                                    {Cause::Issue, fetch},
                                                    {Cause::WaitEngine, queue}};
    for (const auto& [cause, cycles] : parts) {
      if (cycles == 0) continue;
      at += cycles;
      log.pieces.push_back({at, cause, log.instruction});
    }
    note(hart, log, time);
  }

  // All cores have come to a barrier: the time since the one before is that of the last to come.
  void flush() {
    const auto later = [](const CoreLog& a, const CoreLog& b) {
      return a.arrived_at < b.arrived_at;
    };
    const CoreLog& last = *std::max_element(logs_.begin(), logs_.end(), later);
    Part& part = parts_[part_];
    part.reached = std::max(part.reached, part.began);
    for (const CoreLog::Piece& piece : last.pieces) {
      const std::int64_t begin = on_line(part, part.reached);
      recorder_.record(0, piece.instruction, begin, begin, on_line(part, piece.end), piece.cause);
      if (part.reached < piece.end) at_.emplace_back(part.reached, piece.instruction);
      part.reached = std::max(part.reached, piece.end);
    }
    for (CoreLog& log : logs_) {
      log.pieces.clear();
      log.arrived = false;
    }
    if (left_[part.end - 1] < logs_.size()) return;
    if (part_ + 1 == parts_.size()) {
      finished_ = true;
      return;
    }
    parts_[part_ + 1].at = on_line(part, part.reached);
    for (CoreLog& log : logs_) log.started = false;  // until the next part's first layer
  }

  static std::int64_t on_line(const Part& part, std::int64_t time) {
    return part.at + time - part.began;
  }

  // What the cores were at when a transfer began: it counts as that layer's.
  std::int32_t instruction_at(std::int64_t time) const {
    const auto after =
        std::upper_bound(at_.begin(), at_.end(), time,
                         [](std::int64_t value, const auto& entry) { return value < entry.first; });
    return after == at_.begin() ? 0 : std::prev(after)->second;
  }

  void add_moves(const std::vector<Move>& moves, int first_resource) {
    for (const Move& move : moves) {
      for (const Part& part : parts_) {
        const std::int64_t begin = std::max(move.begin, part.began);
        const std::int64_t end = std::min(move.end, part.reached);
        if (begin >= end) continue;
        recorder_.record(first_resource + static_cast<int>(move.lane), instruction_at(begin),
                         on_line(part, begin), on_line(part, begin), on_line(part, end),
                         Cause::Work, move.bytes);
      }
    }
  }

  const pulp::Program& program_;
  const pulp::Machine::Core& core_;
  std::vector<pulp::LayerRun> runs_;
  std::vector<std::vector<std::int32_t>> kernels_;  // instructions, by run
  Values values_;
  std::vector<CoreLog> logs_;
  std::vector<std::size_t> left_;  // cores that have ended it, by run
  sim::Recorder recorder_;
  std::vector<std::pair<std::int64_t, std::int32_t>> at_;  // since when, which instruction
  Buffers buffers_;
  Word cycles_ = 0;
  std::vector<Part> parts_;
  std::size_t part_ = 0;  // that runs, or is to run next
  bool finished_ = false;
};

}  // namespace

NetworkRun run_network(const Application& application, const pulp::Machine& machine,
                       std::span<const Tensor> inputs) {
  Watch watch(application, machine, inputs);
  ClusterOptions options{.files = application.files};
  options.watched = {kLayerFunction, kHostFunction};
  options.watched.insert(options.watched.end(), application.kernels.begin(),
                         application.kernels.end());
  options.observe = [&](Cluster& cluster, const CoreEvent& event) { watch(cluster, event); };
  Cluster cluster(application.elf, machine, options);
  watch.run.exit_code = cluster.run();
  return watch.finish(cluster);
}

}  // namespace workbench::riscv
