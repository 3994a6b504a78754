#include "compiler/pulp/compile.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "compiler/pulp/bounds.h"
#include "compiler/pulp/compile_longer.h"
#include "compiler/pulp/emit.h"
#include "compiler/pulp/emit_orders.h"
#include "compiler/pulp/l2_plan.h"
#include "compiler/pulp/layer.h"
#include "compiler/pulp/plan_search.h"
#include "compiler/pulp/search_steps.h"
#include "compiler/pulp/support.h"
#include "compiler/pulp/tile_loops.h"
#include "compiler/pulp/tiling_cache.h"
#include "compiler/pulp/weighing.h"
#include "core/error.h"
#include "isa/host_steps.h"
#include "isa/pulp/machine.h"
#include "isa/pulp/program.h"

namespace workbench::pulp {

namespace {

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

void require_dma_identifiers(const Network& network, const Machine& machine, Tiler tiler) {
  const std::int64_t needed = dma_identifiers(tiler), there = machine.dma.identifiers;
  if (network.layers.empty() || there >= needed) return;
  fail(
      "transfers need {} identifiers of the DMA, {} has {}: --set dma.identifiers={} gives it more",
      needed, machine.name, there, needed);
}

// Lines of a tile are not cut: where a tile has longer ones than the DMA moves by a command, there
// is no program. With another limit other tiles may be best, whose lines are longer yet.
void require_dma_commands(const Program& program, const Machine& machine) {
  const auto command_bytes = [](const Dma& op) {
    return op.two_d ? op.length * op.lines : op.length;
  };
  std::int64_t longest = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < program.instructions.size(); ++i) {
    const auto* dma = std::get_if<Dma>(&program.instructions[i]);
    if (dma != nullptr && command_bytes(*dma) > longest) longest = command_bytes(*dma), at = i;
  }
  if (longest <= machine.dma.length_max) return;
  const auto layer = static_cast<std::size_t>(program.info.instruction_layer[at]);
  fail(
      "layer '{}' moves {} bytes by one command of the DMA, {} takes {}: dma.length_max must be at "
      "least {}",
      program.info.layers[layer].name, longest, machine.name, machine.dma.length_max, longest);
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

// Best so far in the analytic tier, bound and gap, after each search.
class SearchReport {
 public:
  SearchReport(const Machine& machine, const SearchTalk& talk) : machine_(machine), talk_(talk) {}

  void see(Weighing& weighing) {
    const Cycles end = weighing.end();
    if (seen_ && end >= end_) return;
    seen_ = true;
    end_ = end;
    const Bounds bounds = least_times(weighing.program(), machine_);
    const std::size_t resource = binding(bounds.total);
    bound_ = std::max<std::int64_t>(1, bounds.total[resource].value);
    resource_ = bounds.resources[resource];
  }
  // `share` of the last search's budget is spent.
  void tell(double share) const {
    if (!talk_.progress) return;
    share = std::min(share, 1.0);
    talk_.progress(fmt::format("searching, {:.0f} % of the budget: {}, bound {} ({})", 100 * share,
                               now(), bound_, resource_),
                   share);
  }
  void end_search() { text_ += now() + "; "; }
  bool empty() const { return end_.value == 0; }  // all is the host's
  std::string text() const {
    return fmt::format("search: {}bound {} ({})", text_, bound_, resource_);
  }

 private:
  std::string now() const {
    const double gap = static_cast<double>(end_.value) / static_cast<double>(bound_) - 1;
    return fmt::format("best so far {} cycles, gap to the bound {:.1f} %", end_.value, 100 * gap);
  }

  const Machine& machine_;
  const SearchTalk& talk_;
  std::string text_, resource_;
  bool seen_ = false;
  Cycles end_;
  std::int64_t bound_ = 1;
};

// From each of the best plans a search of its own, the last of which has what is left of the
// budget.
void refine_starts(std::optional<Weighing>& best, const Machine& machine,
                   const std::vector<HostTurn>& turns, const HostUses& uses, TilingMemo& memo,
                   SearchReport& report) {
  const std::vector<Weighing::Start> starts = best->starts();
  std::size_t spent = 0;
  for (std::size_t i = 0; i < starts.size(); ++i) {
    Weighing own = best->anew();
    own.add(*starts[i].network, starts[i].plan);
    const auto tell = [&] {
      report.see(own);
      report.tell(static_cast<double>(spent + own.instructions()) / static_cast<double>(kRefined));
    };
    refine(own, machine, turns, uses, memo, (kRefined - spent) / (starts.size() - i), tell);
    spent = std::min(kRefined, spent + own.instructions());
    if (own.end() < best->end()) best.emplace(std::move(own));
  }
}

// Beside what the usual effort has weighed, so that the result is never worse.
void search_on(std::optional<Weighing>& best, PlanSearch& search, const Machine& machine,
               const std::vector<HostTurn>& turns, const HostUses& uses, const SearchTalk& talk) {
  SearchReport report(machine, talk);
  const auto end_search = [&] {
    report.see(*best);
    report.end_search();
    report.tell(0);
  };
  end_search();
  best->add(search.run_on(), kMoreWeighed);
  end_search();
  refine_starts(best, machine, turns, uses, search.memo(), report);
  report.see(*best);
  report.end_search();
  if (talk.remark && !report.empty()) talk.remark(report.text());
}

Program compiled(const Graph& quantized, const Machine& machine, const CompileOptions& options,
                 const SearchTalk& talk, bool longer, TilingCache* cache) {
  const auto norms = options.tiler == Tiler::Dory ? NormStyle::Dorys : NormStyle::Ours;
  const Network network = layers_of(quantized, machine, options.norm_bits, norms);
  require_room_for_weights(network, machine);
  require_dma_identifiers(network, machine, options.tiler);
  const std::vector<HostTurn> turns = host_turns(quantized, network);
  const HostUses uses = host_uses(quantized, network, turns);
  PlanSearch search(network, machine, options.tiler, options.choices, turns, uses, cache);
  std::optional<Weighing> best(std::in_place, quantized, machine, options.tiler, turns, uses);
  best->add(search.run(), kWeighed);
  if (longer && options.tiler == Tiler::Optimal && !network.layers.empty()) {
    search_on(best, search, machine, turns, uses, talk);
  }
  if (search.stopped() && talk.remark) {
    talk.remark(
        "the search for tiles and addresses stopped at its limit: they are the best so far");
  }
  const MemoryPlan& plan = best->plan();
  LoopedProgram looped = best->take();
  add_constants(best->network(), plan, looped.program);
  Program program = in_tile_loops(std::move(looped));
  require_dma_commands(program, machine);
  describe(quantized, machine, plan, program.info);
  describe_host_steps(quantized, network, turns, machine, options, program);
  return program;
}

}  // namespace

Program compile(const Graph& quantized, const Machine& machine, const CompileOptions& options) {
  return compile(quantized, machine, options, [](const std::string&) {});
}

Program compile(const Graph& quantized, const Machine& machine, const CompileOptions& options,
                const std::function<void(const std::string&)>& remark) {
  return compiled(quantized, machine, options, {.remark = remark}, false, nullptr);
}

Program compile(const Graph& quantized, const Machine& machine, const CompileOptions& options,
                const std::function<void(const std::string&)>& remark, TilingCache& cache) {
  return compiled(quantized, machine, options, {.remark = remark}, false, &cache);
}

Program compile_longer(const Graph& quantized, const Machine& machine,
                       const CompileOptions& options, const SearchTalk& talk, TilingCache* cache) {
  return compiled(quantized, machine, options, talk, true, cache);
}

}  // namespace workbench::pulp
