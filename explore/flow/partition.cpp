#include "explore/flow/partition.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "compiler/quantize/calibrate.h"
#include "core/error.h"
#include "explore/flow/min_cut.h"
#include "isa/host_steps.h"
#include "isa/host_time.h"
#include "isa/pulp/schedule.h"
#include "isa/xdnn/cost.h"
#include "isa/xdnn/memory.h"

namespace workbench {

// --- what a program takes ------------------------------------------------------------------------

namespace {

HostRates host_rates(const Machine& machine) {
  return std::visit(
      [](const auto& family) {
        return HostRates{family.host.gflops, family.host.gigabytes_per_second};
      },
      machine);
}

double milliseconds(Cycles cycles, const Machine& machine) {
  return static_cast<double>(cycles.value) / (machine_info(machine).report_clock_mhz * 1e3);
}

std::vector<Cycles> finish_times(const Program& program, const Machine& machine) {
  if (const auto* xdnn = std::get_if<xdnn::Program>(&program)) {
    return xdnn::earliest_times(*xdnn, std::get<xdnn::Machine>(machine)).finish;
  }
  return pulp::analytic_schedule(std::get<pulp::Program>(program), std::get<pulp::Machine>(machine))
      .expected.finish;
}

// A network compiled for its times alone.
struct Timed {
  Program program;
  std::map<std::string, double> of_node;  // by the first node of the layer, on the machine
  double machine_ms = 0, host_ms = 0;
};

// Any numbers do: no time depends on them.
Thresholds any_thresholds(const Graph& graph) {
  Thresholds thresholds;
  for (const Value& value : graph.values) {
    if (!value.constant) thresholds[value.name] = 1;
  }
  return thresholds;
}

// By how much each layer puts off the end of all before it. Transfers are no node's.
void add_times(const Machine& machine, Timed& timed) {
  const ProgramInfo& about = info(timed.program);
  Cycles end;
  const std::vector<Cycles> finish = finish_times(timed.program, machine);
  for (std::size_t i = 0; i < finish.size(); ++i) {
    const Cycles later = std::max(end, finish[i]);
    const std::int32_t index = about.instruction_layer[i];
    if (index >= 0) {
      const LayerInfo& layer = about.layers[static_cast<std::size_t>(index)];
      const std::string& name = layer.merged.empty() ? layer.name : layer.merged.front();
      timed.of_node[name] += milliseconds(later - end, machine);
    }
    end = later;
  }
  timed.machine_ms = milliseconds(end, machine);
  for (const HostStepInfo& step : about.host_steps) timed.host_ms += step.milliseconds;
}

std::optional<Timed> timed(const Graph& prepared, const Target& target, const LeftToHost& left) {
  const Target leaving = target.leaving(left);
  CompileRequest for_times;
  for_times.schedule.goal = xdnn::OrderGoal::Natural;
  try {
    const Graph annotated = leaving.quantize.annotate(prepared, any_thresholds(prepared));
    Timed result{
        .program = leaving.compile(leaving.quantize.lower(annotated), for_times, false, {}).program,
        .of_node = {}};
    add_times(*target.machine, result);
    return result;
  } catch (const Error&) {
    return std::nullopt;  // the compilation that counts says why
  }
}

double total(const Timed& timed) { return timed.machine_ms + timed.host_ms; }

}  // namespace

std::optional<double> modelled_milliseconds(const Graph& prepared, const Target& target,
                                            const LeftToHost& left) {
  const auto result = timed(prepared, target, left);
  return result ? std::optional(total(*result)) : std::nullopt;
}

// --- the cut -------------------------------------------------------------------------------------

namespace {

std::size_t at(ValueId id) { return static_cast<std::size_t>(id); }

// Whether the host runs a node, more than a renaming, between two that the machine runs.
bool goes_to_host_and_back(const Graph& graph, const std::vector<bool>& by_machine) {
  const auto writers = producers(graph);
  const auto readers = consumers(graph);
  std::vector<bool> behind(graph.nodes.size(), false), before(graph.nodes.size(), false);
  const auto any = [](const auto& list, auto&& holds) {
    return std::any_of(list.begin(), list.end(), holds);
  };
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    behind[n] = any(graph.nodes[n].inputs, [&](ValueId id) {
      const std::ptrdiff_t from = id == kNoValue ? -1 : writers[at(id)];
      if (from < 0) return false;
      return by_machine[static_cast<std::size_t>(from)] || behind[static_cast<std::size_t>(from)];
    });
  }
  for (std::size_t n = graph.nodes.size(); n-- > 0;) {
    before[n] = any(graph.nodes[n].outputs, [&](ValueId id) {
      return id != kNoValue && any(readers[at(id)], [&](std::size_t reader) {
               return by_machine[reader] || before[reader];
             });
    });
  }
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    if (!by_machine[n] && behind[n] && before[n] && !traits(graph.nodes[n].op).silent) return true;
  }
  return false;
}

// Milliseconds on either side, and across.
struct Prices {
  std::vector<double> machine, host;  // by node; of nodes that the machine cannot run: of the host
  std::vector<double> crossing;       // by value
};

// The transfer on the machine's side; memories that the host shares with it need none.
double transfer_ms(const Shape& shape, const Machine& machine) {
  const auto* overlay = std::get_if<xdnn::Machine>(&machine);
  if (overlay == nullptr || shape.size() != 4) return 0;
  const auto bytes = static_cast<double>(
      xdnn::ddr_tensor_bytes(shape[1], shape[2], shape[3], overlay->geometry()));
  const double cycles =
      static_cast<double>(overlay->ddr.latency_cycles) + bytes / overlay->ddr_bytes_per_cycle();
  return cycles / (machine_info(machine).report_clock_mhz * 1e3);
}

double code_bytes(const Machine& machine) {
  const auto* overlay = std::get_if<xdnn::Machine>(&machine);
  return overlay == nullptr ? 1 : static_cast<double>(overlay->array.bits) / 8;
}

const Graph& host_of(const Program& program) {
  return std::visit([](const auto& family) -> const Graph& { return family.host; }, program);
}

std::vector<std::vector<std::size_t>> turns_of(const Program& program) {
  std::vector<std::vector<std::size_t>> turns;
  std::visit(
      [&](const auto& family) {
        for (const auto& step : family.host_steps) turns.push_back(step.nodes);
      },
      program);
  return turns;
}

// What the host does by tables where the machine runs all that it can.
struct Tables {
  std::map<std::string, double> saved;  // milliseconds, by the name of the codes that are looked up
  std::set<std::string> written;        // values whose codes a table writes
};

Tables tables_of(const Program& program, const HostRates& rates) {
  Tables tables;
  const Graph& host = host_of(program);
  for (const std::vector<std::size_t>& turn : turns_of(program)) {
    for (const HostPass& pass : host_passes(host, turn)) {
      const double saved = pass.work.milliseconds(rates) - pass.milliseconds(rates);
      if (saved <= 0) continue;
      tables.saved[host.value(pass.codes).name] += saved;
      for (const std::size_t n : pass.nodes) {
        if (!std::holds_alternative<Quantize>(host.nodes[n].op)) continue;
        tables.written.insert(host.value(host.nodes[n].inputs[0]).name);
      }
    }
  }
  return tables;
}

Prices prices_of(const Graph& graph, const std::vector<bool>& by_machine, const Timed& all,
                 const Machine& machine) {
  const HostRates rates = host_rates(machine);
  const Tables tables = tables_of(all.program, rates);
  Prices prices;
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    double host = traits(node.op).silent
                      ? 0
                      : host_milliseconds(graph, node, rates.gflops, rates.gigabytes_per_second);
    const auto table = tables.saved.find(graph.value(node.outputs[0]).name);
    if (by_machine[n] && table != tables.saved.end()) host += table->second;
    prices.host.push_back(host);
    const auto on_machine = all.of_node.find(node.name);
    prices.machine.push_back(on_machine == all.of_node.end() ? 0 : on_machine->second);
  }
  for (const Value& value : graph.values) {
    const auto count = static_cast<double>(element_count(value.shape));
    const bool by_table = tables.saved.contains(value.name) || tables.written.contains(value.name);
    const HostWork moved{.operations = by_table ? 0 : count, .bytes = count * code_bytes(machine)};
    prices.crossing.push_back(moved.milliseconds(rates) + transfer_ms(value.shape, machine));
  }
  return prices;
}

constexpr double kPicoseconds = 1e9;  // of a millisecond: the unit of capacities

std::int64_t capacity(double milliseconds) {
  return static_cast<std::int64_t>(std::llround(std::min(milliseconds, 1e8) * kPicoseconds));
}

// The network as a graph to cut: the source's side is the machine's, the sink's the host's.
class Cut {
 public:
  Cut(const Graph& graph, const std::vector<bool>& by_machine, const Prices& prices)
      : graph_(graph),
        by_machine_(by_machine),
        prices_(prices),
        source_(cut_.add_vertex()),
        sink_(cut_.add_vertex()) {}

  // Per node, whether the machine runs it.
  std::vector<bool> run() {
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) add_node(n);
    const auto readers = consumers(graph_);
    const auto writers = producers(graph_);
    for (std::size_t v = 0; v < graph_.values.size(); ++v) {
      if (!graph_.values[v].constant) add_value(static_cast<ValueId>(v), writers[v], readers[v]);
    }
    const std::vector<bool> side = cut_.source_side(source_, sink_);
    std::vector<bool> kept;
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      kept.push_back(by_machine_[n] && side[static_cast<std::size_t>(vertex_[n])]);
    }
    return kept;
  }

 private:
  void add_node(std::size_t n) {
    vertex_.push_back(cut_.add_vertex());
    cut_.add_edge(source_, vertex_[n], capacity(prices_.host[n]));
    cut_.add_edge(vertex_[n], sink_,
                  by_machine_[n] ? capacity(prices_.machine[n]) : MinCut::kUncut);
  }

  // Crosses at most once either way, however many read it.
  void add_value(ValueId id, std::ptrdiff_t writer, const std::vector<std::size_t>& readers) {
    const int from = writer < 0 ? sink_ : vertex_[static_cast<std::size_t>(writer)];
    const std::int64_t price = capacity(prices_.crossing[at(id)]);
    const int to_host = cut_.add_vertex(), to_machine = cut_.add_vertex();
    cut_.add_edge(from, to_host, price);
    cut_.add_edge(to_machine, from, price);
    for (const std::size_t reader : readers) {
      cut_.add_edge(to_host, vertex_[reader], MinCut::kUncut);
      cut_.add_edge(vertex_[reader], to_machine, MinCut::kUncut);
    }
    if (std::ranges::find(graph_.outputs, id) != graph_.outputs.end()) {
      cut_.add_edge(to_host, sink_, MinCut::kUncut);
    }
  }

  const Graph& graph_;
  const std::vector<bool>& by_machine_;
  const Prices& prices_;
  MinCut cut_;
  int source_, sink_;
  std::vector<int> vertex_;
};

// --- reasons -------------------------------------------------------------------------------------

// Nodes that are moved together, joined by what they hand to each other: one reason for each.
class Islands {
 public:
  Islands(const Graph& graph, const std::vector<bool>& by_machine, const std::vector<bool>& kept,
          const Prices& prices)
      : graph_(graph),
        by_machine_(by_machine),
        kept_(kept),
        prices_(prices),
        writers_(producers(graph)),
        readers_(consumers(graph)),
        island_(graph.nodes.size()) {
    std::iota(island_.begin(), island_.end(), std::size_t{0});
  }

  LeftToHost run(const std::string& machine) {
    for (std::size_t v = 0; v < graph_.values.size(); ++v) {
      for (const std::size_t reader : readers_[v]) {
        if (writers_[v] < 0 || !moved(reader) || !moved(writer(v))) continue;
        island_[root(reader)] = root(writer(v));
      }
    }
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      if (!moved(n)) continue;
      times_[root(n)].here += prices_.host[n];
      times_[root(n)].there += prices_.machine[n];
    }
    for (std::size_t v = 0; v < graph_.values.size(); ++v) add_crossings(v);
    LeftToHost reasons;
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      if (!moved(n)) continue;
      const Times& times = times_[root(n)];
      reasons.emplace(graph_.nodes[n].name,
                      fmt::format("the model says {:.3f} ms here and {:.3f} ms on {}, crossings "
                                  "counted",
                                  times.here, times.there, machine));
    }
    return reasons;
  }

 private:
  struct Times {
    double here = 0, there = 0;  // what crosses counted
  };

  std::size_t writer(std::size_t value) const { return static_cast<std::size_t>(writers_[value]); }
  bool moved(std::size_t n) const { return by_machine_[n] && !kept_[n]; }
  std::size_t root(std::size_t n) {
    while (island_[n] != n) n = island_[n] = island_[island_[n]];
    return n;
  }

  // What an island hands to others and takes from them crosses here where they are the machine's,
  // there where they are the host's.
  void add_crossings(std::size_t value) {
    if (graph_.values[value].constant) return;
    std::set<std::size_t> islands;  // that touch it
    bool meets_machine = false;
    const auto id = static_cast<ValueId>(value);
    bool meets_host =
        writers_[value] < 0 || std::ranges::find(graph_.outputs, id) != graph_.outputs.end();
    const auto touch = [&](std::size_t n) {
      if (moved(n)) {
        islands.insert(root(n));
      } else {
        (kept_[n] ? meets_machine : meets_host) = true;
      }
    };
    if (writers_[value] >= 0) touch(writer(value));
    for (const std::size_t reader : readers_[value]) touch(reader);
    for (const std::size_t island : islands) {
      if (meets_machine) times_[island].here += prices_.crossing[value];
      if (meets_host) times_[island].there += prices_.crossing[value];
    }
  }

  const Graph& graph_;
  const std::vector<bool>& by_machine_;
  const std::vector<bool>& kept_;
  const Prices& prices_;
  std::vector<std::ptrdiff_t> writers_;
  std::vector<std::vector<std::size_t>> readers_;
  std::vector<std::size_t> island_;
  std::map<std::size_t, Times> times_;  // by root
};

}  // namespace

Partition partition_by_gain(const Graph& prepared, const Target& target) {
  const std::vector<bool> by_machine = target.quantize.runs_on_target(prepared);
  if (!goes_to_host_and_back(prepared, by_machine)) return {};
  Partition best{.depends_on_times = true, .left = {}};
  const auto all = timed(prepared, target, {});
  if (!all) return best;
  const Machine& machine = *target.machine;
  const Prices prices = prices_of(prepared, by_machine, *all, machine);
  double least = total(*all);
  const std::vector<bool> none(prepared.nodes.size(), false);
  for (const std::vector<bool>& kept : {Cut(prepared, by_machine, prices).run(), none}) {
    LeftToHost left = Islands(prepared, by_machine, kept, prices).run(name(machine));
    if (left.empty()) continue;
    const auto milliseconds = modelled_milliseconds(prepared, target, left);
    if (!milliseconds || *milliseconds >= least) continue;
    least = *milliseconds;
    best.left = std::move(left);
  }
  return best;
}

}  // namespace workbench
