#include "compiler/pulp/compile.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "compiler/pulp/emit.h"
#include "compiler/pulp/l2_plan.h"
#include "compiler/pulp/layer.h"
#include "compiler/pulp/plan_search.h"
#include "compiler/pulp/support.h"
#include "compiler/pulp/tile_loops.h"
#include "compiler/pulp/tiling_cache.h"
#include "core/error.h"
#include "isa/host_steps.h"
#include "isa/pulp/footprint.h"
#include "isa/pulp/machine.h"
#include "isa/pulp/mchan.h"
#include "isa/pulp/program.h"
#include "isa/pulp/schedule.h"

namespace workbench::pulp {

namespace {

bool meet(const std::vector<Region>& a, const std::vector<Region>& b) {
  return std::any_of(a.begin(), a.end(), [&](const Region& left) {
    return std::any_of(b.begin(), b.end(),
                       [&](const Region& right) { return overlap(left, right); });
  });
}

bool conflict(const Footprint& a, const Footprint& b) {
  return meet(a.writes, b.reads) || meet(a.reads, b.writes) || meet(a.writes, b.writes);
}

// Redundant barriers: emitters put one wherever a core may wait for data that other cores read;
// which core reads what depends on how the cores share each transfer.
class IdleBarriers {
 public:
  IdleBarriers(const Program& program, const Machine& machine)
      : program_(program), machine_(machine), touched_(program.instructions.size()) {
    for (const HostStep& step : program.host_steps) quiet_.insert(step.before);
  }

  // Their numbers, ascending.
  std::vector<std::size_t> run() {
    for (at_ = 0; at_ < touched_.size(); ++at_) {
      if (is_quiet(at_)) asked_.clear(), waited_.clear();
      std::visit([this](const auto& op) { pass(op); }, program_.instructions[at_]);
    }
    return std::move(idle_);
  }

 private:
  // The host has its turn before instruction `i`: everything asked for is done then.
  bool is_quiet(std::size_t i) const { return quiet_.contains(static_cast<std::int32_t>(i)); }

  void pass(const Barrier&) {
    if (counts_next() || needed()) {
      waited_.clear();
    } else {
      idle_.push_back(at_);
    }
  }
  void pass(const Kernel&) { waited_.clear(); }  // ends with a barrier
  void pass(const Dma&) { asked_.push_back(at_); }
  void pass(const L3Transfer&) { asked_.push_back(at_); }
  void pass(const DmaWait& op) { wait<Dma>(op.id); }
  void pass(const L3Wait& op) { wait<L3Transfer>(op.id); }
  template <typename Op>
  void pass(const Op&) {}

  template <typename Transfer>
  void wait(std::int64_t id) {
    const auto arrived = [&](std::size_t i) {
      const auto* transfer = std::get_if<Transfer>(&program_.instructions[i]);
      return transfer != nullptr && transfer->id == id;
    };
    std::copy_if(asked_.begin(), asked_.end(), std::back_inserter(waited_), arrived);
    std::erase_if(asked_, arrived);
  }

  bool counts_next() const {
    if (at_ + 1 == touched_.size()) return false;
    const Instruction& next = program_.instructions[at_ + 1];
    return std::holds_alternative<CounterStart>(next) || std::holds_alternative<CounterStop>(next);
  }

  const Footprint& touched(std::size_t i) {
    if (!touched_[i]) touched_[i] = footprint(program_.instructions[i], machine_);
    return *touched_[i];
  }

  bool needed() {
    for (std::size_t i = at_ + 1; i < touched_.size() && !is_quiet(i); ++i) {
      const Instruction& next = program_.instructions[i];
      if (std::holds_alternative<Barrier>(next)) return false;
      for (const std::size_t earlier : waited_) {
        if (conflict(touched(earlier), touched(i)) && !same_cores(earlier, i)) return true;
      }
      if (std::holds_alternative<Kernel>(next)) return false;
    }
    return false;
  }

  Footprint of_core(std::size_t i, std::int64_t core) {
    const auto* dma = std::get_if<Dma>(&program_.instructions[i]);
    if (dma == nullptr) return core == 0 ? touched(i) : Footprint{};
    const auto part = share_of_core(*dma, core, machine_.cluster.cores);
    return part ? footprint(*part, machine_) : Footprint{};
  }

  // Where both touch the same bytes, it is the same core's part of either.
  bool same_cores(std::size_t earlier, std::size_t later) {
    if (std::holds_alternative<Kernel>(program_.instructions[later])) return false;
    for (std::int64_t a = 0; a < machine_.cluster.cores; ++a) {
      const Footprint first = of_core(earlier, a);
      for (std::int64_t b = 0; b < machine_.cluster.cores; ++b) {
        if (a != b && conflict(first, of_core(later, b))) return false;
      }
    }
    return true;
  }

  const Program& program_;
  const Machine& machine_;
  std::vector<std::optional<Footprint>> touched_;  // computed on first use
  std::set<std::int32_t> quiet_;
  std::size_t at_ = 0;
  std::vector<std::size_t> asked_;   // transfers without a wait so far
  std::vector<std::size_t> waited_;  // known to be done to the issuing cores alone
  std::vector<std::size_t> idle_;
};

// Numbers of instructions without those of `gone`.
class Renumbering {
 public:
  Renumbering(const std::vector<std::size_t>& gone, std::size_t count) : kept_before_(count + 1) {
    auto next = gone.begin();
    for (std::size_t i = 0; i < count; ++i) {
      const bool kept = next == gone.end() || *next != i;
      kept_before_[i + 1] = kept_before_[i] + (kept ? 1 : 0);
      if (!kept) ++next;
    }
  }
  bool kept(std::size_t i) const { return kept_before_[i + 1] > kept_before_[i]; }
  // The first that is kept from `i` on; the last up to `i`.
  void from(std::int32_t& i) const { i = kept_before_[static_cast<std::size_t>(i)]; }
  void up_to(std::int32_t& i) const {
    i = std::max(0, kept_before_[static_cast<std::size_t>(i) + 1] - 1);
  }

 private:
  std::vector<std::int32_t> kept_before_;
};

template <typename T>
void keep(std::vector<T>& list, const Renumbering& numbers) {
  std::size_t to = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (!numbers.kept(i)) continue;
    if (to != i) list[to] = std::move(list[i]);
    ++to;
  }
  list.resize(to);
}

// Takes out each barrier before which no core has waited for anything that another core could touch
// before the next one. Barriers in front of counters stay: they delimit a measurement.
void drop_idle_barriers(LoopedProgram& looped, const Machine& machine) {
  Program& program = looped.program;
  const Renumbering numbers(IdleBarriers(program, machine).run(), program.instructions.size());
  keep(program.instructions, numbers);
  keep(program.info.instruction_layer, numbers);
  keep(program.info.instruction_text, numbers);
  keep(program.text_numbers, numbers);
  for (TileLoop& loop : looped.loops) {
    for (std::int32_t& at : loop.at) numbers.from(at);
  }
  for (Probe& probe : program.probes) numbers.up_to(probe.after);
  for (HostStep& step : program.host_steps) numbers.from(step.before);
  for (Volume& volume : program.memory_map) {
    numbers.from(volume.first);
    numbers.up_to(volume.last);
  }
}

// Behind the last layer: what classifiers end with is the host's by design.
bool in_tail(const HostTurn& turn, const Network& network) {
  return turn.before == static_cast<std::int32_t>(network.layers.size());
}

// `moves`: codes to codes, which the cluster would have as they are.
std::string host_reason(const Graph& graph, const Node& node, const Machine& machine,
                        const CompileOptions& options, bool moves) {
  const auto left = options.left_to_host.find(node.name);
  if (left != options.left_to_host.end()) return left->second;
  if (moves) return "the codes lie in another order than its reader takes them in";
  const auto* join = std::get_if<Concat>(&node.op);
  if (join != nullptr && join->axis == 1 && graph.value(node.outputs[0]).shape.size() == 4) {
    return "no layer reads what it joins: each part keeps its own scale";
  }
  const auto too_large = host_reasons(machine)(graph, node);
  return too_large ? *too_large : fmt::format("no kernel of PULP-NN computes {}", op_name(node.op));
}

void describe_host_steps(const Graph& graph, const Network& network,
                         const std::vector<HostTurn>& turns, const Machine& machine,
                         const CompileOptions& options, Program& program) {
  std::map<std::string, std::string> reasons;
  for (const HostTurn& turn : turns) {
    for (const std::size_t n : turn.nodes) {
      const Node& node = graph.nodes[n];
      const bool moves = on_cluster(graph, node);
      if (traits(node.op).silent && !moves) continue;
      std::string why = host_reason(graph, node, machine, options, moves);
      if (!options.allow_host && !in_tail(turn, network)) {
        fail("{}: node '{}' ({}) would run on the host, which --no-host forbids: {}", graph.name,
             node.name, op_name(node.op), why);
      }
      reasons.emplace(node.name, std::move(why));
    }
  }
  std::vector<std::vector<std::size_t>> nodes;
  for (const HostStep& step : program.host_steps) nodes.push_back(step.nodes);
  program.info.host_steps = describe_host_steps(
      program.host, nodes, reasons, {machine.host.gflops, machine.host.gigabytes_per_second});
}

// Checked before tiling: L3 must hold the weights.
void require_room_for_weights(const Network& network, const Machine& machine) {
  std::int64_t bytes = 0;
  for (const Layer& layer : network.layers) {
    const auto weights = static_cast<std::int64_t>(layer.weights.size());
    const auto norms = static_cast<std::int64_t>(layer.kappa.size() + layer.lambda.size());
    bytes += ceil_div(weights * layer.call.weight_bits, 8) + norms * layer.call.norm_bits / 8 +
             4 * static_cast<std::int64_t>(layer.bias.size());
  }
  const std::string obstacle = l3_obstacle("weights need", bytes, machine);
  if (!obstacle.empty()) fail("{}", obstacle);
}

void describe(const Graph& graph, const Machine& machine, const MemoryPlan& plan,
              ProgramInfo& info) {
  info.network = graph.name;
  info.machine = machine.name;
  for (const LayerPlan& layer : plan.layers) {
    info.peak_bytes = std::max(info.peak_bytes, layer.l2_bytes);
  }
  info.minimum_bytes = info.peak_bytes;
  info.extent_bytes = plan.l2_bytes;
  info.capacity_bytes = machine.l2.buffer_bytes;
}

// Programs are weighed until they have so many instructions in all.
constexpr std::size_t kWeighed = 60'000;

// The program of a plan, without the bytes of its constants.
LoopedProgram program_of(const Graph& quantized, const PlannedNetwork& way,
                         const std::vector<HostTurn>& turns, const HostUses& uses, Tiler tiler,
                         const Machine& machine) {
  LoopedProgram looped =
      emit_without_constants(quantized, *way.network, way.plan, turns, uses, tiler, machine);
  if (tiler == Tiler::Optimal) drop_idle_barriers(looped, machine);
  return looped;
}

Program compiled(const Graph& quantized, const Machine& machine, const CompileOptions& options,
                 const std::function<void(const std::string&)>& remark, TilingCache* cache) {
  const auto norms = options.tiler == Tiler::Dory ? NormStyle::Dorys : NormStyle::Ours;
  const Network network = layers_of(quantized, machine, options.norm_bits, norms);
  require_room_for_weights(network, machine);
  const std::vector<HostTurn> turns = host_turns(quantized, network);
  const HostUses uses = host_uses(quantized, network, turns);
  PlanSearch search(network, machine, options.tiler, options.choices, turns, uses, cache);
  const std::vector<PlannedNetwork> ways = search.run();
  if (search.stopped()) {
    remark("the search for tiles and addresses stopped at its limit: they are the best so far");
  }
  const auto written = [&](const PlannedNetwork& way) {
    return program_of(quantized, way, turns, uses, options.tiler, machine);
  };
  const PlannedNetwork* best = nullptr;
  LoopedProgram looped;
  Cycles least;
  std::size_t instructions = 0;
  for (const PlannedNetwork& way : ways) {
    if (instructions > kWeighed) break;
    LoopedProgram other = written(way);
    instructions += other.program.instructions.size();
    const Cycles cycles = ways.size() > 1 ? expected_end(other.program, machine) : Cycles{};
    if (best != nullptr && cycles >= least) continue;
    best = &way;
    least = cycles;
    looped = std::move(other);
  }
  add_constants(*best->network, best->plan, looped.program);
  Program program = in_tile_loops(std::move(looped));
  describe(quantized, machine, best->plan, program.info);
  describe_host_steps(quantized, network, turns, machine, options, program);
  return program;
}

}  // namespace

Program compile(const Graph& quantized, const Machine& machine, const CompileOptions& options) {
  return compile(quantized, machine, options, [](const std::string&) {});
}

Program compile(const Graph& quantized, const Machine& machine, const CompileOptions& options,
                const std::function<void(const std::string&)>& remark) {
  return compiled(quantized, machine, options, remark, nullptr);
}

Program compile(const Graph& quantized, const Machine& machine, const CompileOptions& options,
                const std::function<void(const std::string&)>& remark, TilingCache& cache) {
  return compiled(quantized, machine, options, remark, &cache);
}

}  // namespace workbench::pulp
