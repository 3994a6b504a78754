#include "compiler/xdnn/network_tasks.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "compiler/xdnn/emit.h"
#include "compiler/xdnn/layout.h"
#include "compiler/xdnn/order.h"
#include "compiler/xdnn/order_search.h"
#include "compiler/xdnn/place.h"

namespace workbench::xdnn {

// --- nodes that are one task ---------------------------------------------------------------------

namespace {

// Which task each node belongs to. Tasks are numbered in the order of their first nodes, so that
// operands have lower numbers than their readers.
class Grouper {
 public:
  Grouper(const Graph& graph, const Lowered& lowered, const std::vector<std::size_t>& order,
          Grouping grouping)
      : graph_(graph),
        order_(order),
        grouping_(grouping),
        readers_(consumers(graph)),
        writer_(producers(graph)),
        task_of_(graph.nodes.size(), kPrologue) {
    for (const LoweredOp& op : lowered.ops) {
      if (op.owner >= 0) executes_.insert(op.owner);
      if (op.fused_pool >= 0) fused_.insert(op.fused_pool);
    }
  }

  Groups run() {
    Groups groups;
    const std::vector<bool> leads_on = leads_to_accelerator();
    for (const std::size_t n : order_) {
      const Node& node = graph_.nodes[n];
      const int latest = latest_operand(node);
      int task = kPrologue;
      if (on_accelerator(graph_, node) ? goes_with_operand(n) : latest < 0 || !leads_on[n]) {
        task = latest;
      } else if (const int twin = merged_into(n); twin >= 0) {
        task = twin;
      } else {
        task = static_cast<int>(groups.nodes.size());
        groups.nodes.emplace_back();
      }
      task_of_[n] = task;
      (task < 0 ? groups.prologue : groups.nodes[static_cast<std::size_t>(task)]).push_back(n);
    }
    groups.task_of = std::move(task_of_);
    return groups;
  }

 private:
  std::vector<bool> leads_to_accelerator() const {
    std::vector<bool> leads(graph_.nodes.size(), false);
    for (std::size_t i = order_.size(); i-- > 0;) {
      const Node& node = graph_.nodes[order_[i]];
      for (const ValueId id : node.outputs) {
        if (id == kNoValue) continue;
        for (const std::size_t reader : readers_[static_cast<std::size_t>(id)]) {
          if (leads[reader] || on_accelerator(graph_, graph_.nodes[reader])) {
            leads[order_[i]] = true;
          }
        }
      }
    }
    return leads;
  }

  int latest_operand(const Node& node) const {
    int latest = kPrologue;
    for (const ValueId id : node.inputs) {
      const std::ptrdiff_t from = id == kNoValue ? -1 : writer_[static_cast<std::size_t>(id)];
      if (from >= 0) latest = std::max(latest, task_of_[static_cast<std::size_t>(from)]);
    }
    return latest;
  }

  bool goes_with_operand(std::size_t n) const {
    const auto id = static_cast<std::ptrdiff_t>(n);
    const bool join = std::holds_alternative<Concat>(graph_.nodes[n].op);
    return fused_.contains(id) || (!join && !executes_.contains(id));
  }

  // A reduce: 1x1, dense, and read by convolutions only.
  bool reduces(const Node& node) const {
    const auto* conv = std::get_if<workbench::Conv>(&node.op);
    if (conv == nullptr || conv->groups > 1) return false;
    const auto& kernel = conv->window.kernel;
    if (!std::all_of(kernel.begin(), kernel.end(), [](auto k) { return k == 1; })) return false;
    const auto& readers = readers_[static_cast<std::size_t>(node.outputs[0])];
    return !readers.empty() && std::all_of(readers.begin(), readers.end(), [&](std::size_t n) {
      return std::holds_alternative<workbench::Conv>(graph_.nodes[n].op);
    });
  }

  // The task of an earlier reduce that `n` can be one convolution with; -1: none.
  int merged_into(std::size_t n) {
    const Node& node = graph_.nodes[n];
    if (grouping_ != Grouping::MergedReduces || !reduces(node)) return -1;
    const Window& window = std::get<workbench::Conv>(node.op).window;
    for (const std::size_t other : readers_[static_cast<std::size_t>(node.inputs[0])]) {
      const Node& twin = graph_.nodes[other];
      if (other == n || task_of_[other] < 0 || !reduces(twin)) continue;
      if (std::get<workbench::Conv>(twin.op).window == window) return task_of_[other];
    }
    return -1;
  }

  const Graph& graph_;
  const std::vector<std::size_t>& order_;
  Grouping grouping_;
  std::vector<std::vector<std::size_t>> readers_;
  std::vector<std::ptrdiff_t> writer_;
  std::vector<int> task_of_;
  std::set<std::ptrdiff_t> executes_, fused_;
};

}  // namespace

Groups group_nodes(const Graph& graph, const Lowered& lowered,
                   const std::vector<std::size_t>& order, Grouping grouping) {
  return Grouper(graph, lowered, order, grouping).run();
}

// --- tasks and regions ---------------------------------------------------------------------------

namespace {

Work work_of(const Lowered& lowered, const LoweredOp& op, const Machine& machine) {
  Step step{instruction_of(lowered, op, machine), 0, {}};
  // Addresses are not known yet; operands are put where both can be read (reuse_operands).
  if (auto* add = std::get_if<Eltwise>(&step.instruction)) add->tail.parallel_read = true;
  Work work{.unit = unit_of(step.instruction)};
  if (work.unit != Unit::Conv) {
    work.busy = duration(step, machine);
    return work;
  }
  work.conv = conv_work(step.instruction, machine);
  work.drain = conv_cost(step.instruction, machine).drain;
  return work;
}

void add_once(std::vector<int>& list, int item) {
  if (std::find(list.begin(), list.end(), item) == list.end()) list.push_back(item);
}

void add_compiled_spaces(const Lowered& lowered, const Machine& machine,
                         const std::vector<int>& task_of, OrderProblem& problem) {
  std::vector<int> maps(lowered.volumes.size(), 0);
  for (const LoweredVolume& v : lowered.volumes) {
    problem.spaces.push_back({.bytes = v.words(machine.geometry()) * machine.word_bytes()});
  }
  for (const Map& map : lowered.maps) {
    if (map.volume < 0) continue;
    const auto v = static_cast<std::size_t>(map.volume);
    ++maps[v];
    if (!map.whole) problem.spaces[v].reusable = false;
  }
  for (const LoweredOp& op : lowered.ops) {
    const int owner = op.owner < 0 ? kPrologue : task_of[static_cast<std::size_t>(op.owner)];
    if (owner < 0) continue;
    Task& task = problem.tasks[static_cast<std::size_t>(owner)];
    task.works.push_back(work_of(lowered, op, machine));
    for (const int volume : volumes_read(lowered, op)) add_once(task.reads, volume);
    const int written = volume_written(lowered, op);
    if (written >= 0) add_once(task.writes, written);
    if (op.kind == LoweredKind::Eltwise) {
      const auto v = static_cast<std::size_t>(written);
      task.in_place = maps[v] == 1 && problem.spaces[v].reusable &&
                      !lowered.volumes[v].layout.replicated() && task.writes.size() == 1;
    }
    if (has_tile_buffers(op)) {  // two while it runs
      task.reads.push_back(static_cast<int>(problem.spaces.size()));
      problem.spaces.push_back({.bytes = 2 * op.buffer_words * machine.word_bytes()});
    }
  }
}

void add_published_spaces(const Graph& graph, const std::vector<int>& task_of,
                          OrderProblem& problem) {
  constexpr std::int64_t kBytesPerPixel = 2;  // docs/facts/xdnn.md 4.2, option -b
  const auto readers = consumers(graph);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    if (task_of[n] < 0 || !on_accelerator(graph, node)) continue;
    const Value& value = graph.value(node.outputs[0]);
    std::set<int> tasks;
    bool inside = true;  // between a conv and its fused pool: never in memory
    for (const std::size_t reader : readers[static_cast<std::size_t>(node.outputs[0])]) {
      tasks.insert(task_of[reader]);
      inside =
          inside && task_of[reader] == task_of[n] && on_accelerator(graph, graph.nodes[reader]);
    }
    if (inside) continue;
    const int space = static_cast<int>(problem.spaces.size());
    problem.spaces.push_back({.bytes = element_count(value.shape) * kBytesPerPixel});
    add_once(problem.tasks[static_cast<std::size_t>(task_of[n])].writes, space);
    for (const int task : tasks) {
      if (task != task_of[n]) problem.tasks[static_cast<std::size_t>(task)].reads.push_back(space);
    }
  }
}

// "inception_3b/5x5_reduce_merged_3x3_reduce" for two that are done as one.
std::string merged_name(const std::string& first, const std::string& second) {
  return second + "_merged_" + first.substr(first.rfind('/') + 1);
}

std::vector<Task> bare_tasks(const Graph& graph, const Groups& groups) {
  const auto writer = producers(graph);
  std::vector<Task> tasks;
  for (std::size_t t = 0; t < groups.nodes.size(); ++t) {
    Task task;
    for (const std::size_t n : groups.nodes[t]) {
      bool of_its_own = true;  // reads nothing of its task
      for (const ValueId id : graph.nodes[n].inputs) {
        const std::ptrdiff_t from = id == kNoValue ? -1 : writer[static_cast<std::size_t>(id)];
        if (from < 0) continue;
        const int operand = groups.task_of[static_cast<std::size_t>(from)];
        if (operand == static_cast<int>(t)) of_its_own = false;
        if (operand >= 0 && operand != static_cast<int>(t)) add_once(task.after, operand);
      }
      if (!of_its_own) continue;
      const std::string& name = graph.nodes[n].name;
      task.name = task.name.empty() ? name : merged_name(task.name, name);
    }
    tasks.push_back(std::move(task));
  }
  return tasks;
}

// Tasks that every other one leads to or comes from, ascending.
std::vector<int> bottlenecks(const std::vector<Task>& tasks) {
  const std::size_t count = tasks.size();
  std::vector<TaskSet> before(count, TaskSet(count));
  std::vector<std::size_t> related(count, 1);  // ancestors and descendants, and itself
  for (std::size_t t = 0; t < count; ++t) {
    for (const int operand : tasks[t].after) {
      before[t].insert(operand);
      before[t].add(before[static_cast<std::size_t>(operand)]);
    }
    for (std::size_t other = 0; other < t; ++other) {
      if (!before[t].contains(static_cast<int>(other))) continue;
      ++related[t];
      ++related[other];
    }
  }
  std::vector<int> found;
  for (std::size_t t = 0; t < count; ++t) {
    if (related[t] == count) found.push_back(static_cast<int>(t));
  }
  return found;
}

std::vector<Region> regions_of(const std::vector<Task>& tasks) {
  std::vector<int> ends = bottlenecks(tasks);
  const int last = static_cast<int>(tasks.size()) - 1;
  if (last >= 0 && (ends.empty() || ends.back() != last)) ends.push_back(last);
  std::vector<Region> regions;
  for (const int end : ends) {
    Region region{.name = tasks[static_cast<std::size_t>(end)].name, .end = end + 1};
    if (!regions.empty()) region.entry = regions.back().name, region.begin = regions.back().end;
    regions.push_back(region);
  }
  return regions;
}

}  // namespace

NetworkTasks network_tasks(const Graph& quantized, const Machine& machine, Grouping grouping) {
  const std::vector<std::size_t> order = natural_order(quantized);
  Lowered lowered = lower(quantized, machine, order);
  if (!lowered.obstacle.empty()) fail("{}", lowered.obstacle);
  choose_layouts(lowered, machine, SharedLayout::Plain);
  choose_tiles(lowered, machine, machine.am_words() / 3);  // as place() does at first
  NetworkTasks network{.groups = group_nodes(quantized, lowered, order, grouping)};
  OrderProblem& compiled = network.compiled;
  compiled.tasks = bare_tasks(quantized, network.groups);
  compiled.serial = machine.serial();
  compiled.issue_cycles = machine.control.issue_cycles;
  compiled.queue_depth = machine.control.queue_depth;
  network.published = compiled;
  add_compiled_spaces(lowered, machine, network.groups.task_of, compiled);
  add_published_spaces(quantized, network.groups.task_of, network.published);
  for (std::size_t t = 0; t < compiled.tasks.size(); ++t) {
    network.published.tasks[t].works = compiled.tasks[t].works;
  }
  network.regions = regions_of(compiled.tasks);
  return network;
}

NetworkParts::NetworkParts(const OrderProblem& whole)
    : whole_(whole),
      units_(result_units(whole.tasks)),
      first_(whole.spaces.size(), kNever),
      last_(whole.spaces.size(), kNever),
      begun_(whole.tasks.size() + 1, 0),
      ended_(whole.tasks.size() + 1, 0) {
  for (std::size_t t = 0; t < whole.tasks.size(); ++t) {
    for (const auto* list : {&whole.tasks[t].reads, &whole.tasks[t].writes}) {
      for (const int space : *list) {
        const auto s = static_cast<std::size_t>(space);
        first_[s] = std::min(first_[s], static_cast<int>(t));
        last_[s] = static_cast<int>(t);
      }
    }
  }
  for (std::size_t s = 0; s < whole.spaces.size(); ++s) {
    const Space& space = whole.spaces[s];
    const bool touched = first_[s] != kNever;
    if (space.before) first_[s] = -1;
    if (space.behind) last_[s] = kNever;
    if (space.before && !space.behind && !touched) last_[s] = -1;
    // of tasks from here on it is alive before, or behind no more
    if (first_[s] != kNever) begun_[static_cast<std::size_t>(first_[s] + 1)] += space.bytes;
    if (last_[s] != kNever) ended_[static_cast<std::size_t>(last_[s] + 1)] += space.bytes;
  }
  std::partial_sum(begun_.begin(), begun_.end(), begun_.begin());
  std::partial_sum(ended_.begin(), ended_.end(), ended_.begin());
}

OrderProblem NetworkParts::part(const Region& region, const EngineClock& start) const {
  OrderProblem part{.serial = whole_.serial,
                    .issue_cycles = whole_.issue_cycles,
                    .queue_depth = whole_.queue_depth,
                    .start = start};
  std::map<int, int> renumbered;  // in the order of the whole's
  for (int t = region.begin; t < region.end; ++t) {
    const Task& task = whole_.tasks[static_cast<std::size_t>(t)];
    for (const auto* list : {&task.reads, &task.writes}) {
      for (const int space : *list) renumbered.emplace(space, 0);
    }
  }
  // What lives from before to behind, but for what the region itself touches.
  const auto begin = static_cast<std::size_t>(region.begin);
  part.resident_bytes = begun_[begin] - ended_[begin];
  for (auto& [number, own] : renumbered) {
    const auto s = static_cast<std::size_t>(number);
    Space space = whole_.spaces[s];
    space.before = first_[s] < region.begin;
    space.behind = last_[s] >= region.end;
    if (space.before) part.resident_bytes -= space.bytes;
    own = static_cast<int>(part.spaces.size());
    part.spaces.push_back(space);
  }
  for (int t = region.begin; t < region.end; ++t) {
    Task task = whole_.tasks[static_cast<std::size_t>(t)];
    std::vector<int> after;
    for (const int operand : task.after) {
      if (operand < region.begin) task.units_before |= units_[static_cast<std::size_t>(operand)];
      if (operand >= region.begin) after.push_back(operand - region.begin);
    }
    task.after = std::move(after);
    for (auto* list : {&task.reads, &task.writes}) {
      for (int& space : *list) space = renumbered.at(space);
    }
    part.tasks.push_back(std::move(task));
  }
  return part;
}

OrderProblem part_of(const OrderProblem& whole, const Region& region, const EngineClock& start) {
  return NetworkParts(whole).part(region, start);
}

std::vector<std::size_t> nodes_in(const NetworkTasks& network, const TaskOrder& order) {
  std::vector<std::size_t> nodes = network.groups.prologue;
  for (const int task : order) {
    const auto& group = network.groups.nodes[static_cast<std::size_t>(task)];
    nodes.insert(nodes.end(), group.begin(), group.end());
  }
  return nodes;
}

}  // namespace workbench::xdnn
