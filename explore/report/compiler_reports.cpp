#include "explore/report/compiler_reports.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include "compiler/memory/allocate.h"
#include "compiler/xdnn/minimum_memory.h"
#include "compiler/xdnn/network_tasks.h"
#include "compiler/xdnn/placed.h"
#include "explore/report/text.h"
#include "isa/xdnn/memory.h"

namespace workbench {

namespace {

using xdnn::MemoryTensor;
using xdnn::MinimumMemory;

constexpr double kListedShare = 0.95;  // of the maximum: xfDNN v1.1 lists steps within 5 %
constexpr std::size_t kTop = 5;
constexpr std::uint64_t kSeed = 1;

// The order in which the program computes the nodes: by the first instruction of each.
std::vector<std::size_t> program_order(const Compiled& compiled) {
  std::set<std::string> names;
  for (const Node& node : compiled.quantized.nodes) names.insert(node.name);
  const ProgramInfo& info = compiled.xdnn_program().info;
  xdnn::OrderFile file{.path = "the program", .entries = {}};
  std::set<std::string> done;
  for (const std::int32_t layer : info.instruction_layer) {
    for (const std::string& name : info.layers[static_cast<std::size_t>(layer)].merged) {
      if (!names.contains(name) || !done.insert(name).second) continue;
      file.entries.push_back({name, static_cast<int>(done.size())});
    }
  }
  return order_nodes(compiled.quantized, file);
}

class ConsoleReport {
 public:
  ConsoleReport(const Compiled& compiled, StepOrder order)
      : compiled_(compiled), info_(compiled.xdnn_program().info) {
    memory_ = minimum_memory(compiled.quantized, compiled.xdnn_machine(),
                             order == StepOrder::Model ? xdnn::model_order(compiled.quantized)
                                                       : program_order(compiled));
    for (const MemoryTensor& tensor : memory_.tensors) tensor_of_.emplace(tensor.value, &tensor);
    find_steps();
  }

  std::string run() {
    banner("BUILDING NETWORK SCHEDULE");
    schedule();
    banner("COMPUTING MEMORY REQUIREMENTS");
    before_allocation();
    banner("ALLOCATING DYNAMIC MEMORY SCHEDULE");
    strategies();
    after_allocation();
    banner("GENERATING OUTPUT REPORTS");
    totals();
    return std::move(text_);
  }

 private:
  void line(const std::string& text) { text_ += text + "\n"; }
  void banner(std::string_view title) {
    line(std::string(70, '*'));
    line(fmt::format("* {}", title));
    line(std::string(70, '*'));
  }
  const std::string& step_name(int step) const {
    return memory_.steps[static_cast<std::size_t>(step)].name;
  }
  std::int64_t live(int step) const { return memory_.live_bytes[static_cast<std::size_t>(step)]; }

  // Step of each instruction; a Gather belongs to what is computed behind it, a Scatter to what was
  // computed before it.
  void find_steps() {
    std::map<std::string, int> step_of;
    for (std::size_t n = 0; n < memory_.step_of_node.size(); ++n) {
      if (memory_.step_of_node[n] < 0) continue;
      step_of[compiled_.quantized.nodes[n].name] = memory_.step_of_node[n];
    }
    int step = 0;
    std::vector<std::size_t> gathers;
    for (std::size_t i = 0; i < info_.instruction_layer.size(); ++i) {
      const auto layer = static_cast<std::size_t>(info_.instruction_layer[i]);
      const std::vector<std::string>& nodes = info_.layers[layer].merged;
      const auto found = nodes.empty() ? step_of.end() : step_of.find(nodes[0]);
      if (found != step_of.end()) {
        step = found->second;
        for (const std::size_t gather : gathers) step_of_instruction_[gather] = step;
        gathers.clear();
      } else if (std::holds_alternative<xdnn::Gather>(
                     compiled_.xdnn_program().steps[i].instruction)) {
        gathers.push_back(i);
      }
      step_of_instruction_.push_back(step);
    }
  }

  void schedule() {
    line(fmt::format("Schedule: {} steps", memory_.steps.size()));
    for (std::size_t i = 0; i < memory_.steps.size(); ++i) {
      line(fmt::format("{} {}{}", i, memory_.steps[i].name,
                       memory_.steps[i].on_host ? " (on the host)" : ""));
    }
  }

  // "res2a_branch2b_blob M[0,458752] Z=458752 F=[14, 15] ..."
  std::string tensor_line(const std::string& name, std::int64_t begin, std::int64_t bytes,
                          const MemoryTensor* tensor, const std::vector<int>& moved,
                          std::string_view placed, int level) const {
    static const MemoryTensor kUnknown;
    const MemoryTensor& t = tensor != nullptr ? *tensor : kUnknown;
    std::string shape = "None";
    if (t.shape.size() == 4) {
      shape = fmt::format("SizeType(batches={}, channels={}, height={}, width={})", t.shape[0],
                          t.shape[1], t.shape[2], t.shape[3]);
    }
    return fmt::format("{}_blob M[{},{}] Z={} F=[{}] B=[{}] E=[{}] S=['{}'] [{}] L={} T={}", name,
                       begin, begin + bytes, bytes, fmt::join(t.readers, ", "),
                       fmt::join(t.writers, ", "), fmt::join(moved, ", "),
                       t.replaces ? "replace_layer" : "layer", placed, level, shape);
  }

  void before_allocation() {
    const int worst = memory_.worst();
    line("Minimum Memory __________");
    for (int step = 0; step < static_cast<int>(memory_.steps.size()); ++step) {
      if (static_cast<double>(live(step)) < kListedShare * static_cast<double>(live(worst))) {
        continue;
      }
      line(fmt::format("{} ['{}'] size:{}.0 remap:[] data movement:[]", step, step_name(step),
                       live(step)));
      for (const MemoryTensor& tensor : memory_.tensors) {
        if (step < tensor.first || tensor.last < step) continue;
        line(fmt::format("{}\t{}", step,
                         tensor_line(tensor.name, 0, tensor.bytes, &tensor, {}, "", -1)));
      }
      line("__________");
    }
    line(fmt::format("MAX step {} ['{}'] {}.0", worst, step_name(worst), live(worst)));
    std::vector<int> steps(memory_.steps.size());
    std::iota(steps.begin(), steps.end(), 0);
    std::stable_sort(steps.begin(), steps.end(), [&](int a, int b) { return live(a) > live(b); });
    steps.resize(std::min(steps.size(), kTop));
    line(fmt::format("TOP {}", steps.size()));
    for (const int step : steps) {
      line(fmt::format("{} ['{}'] {}.0", step, step_name(step), live(step)));
    }
  }

  // What each published strategy would have made of the program's volumes.
  void strategies() {
    const xdnn::Machine& machine = compiled_.xdnn_machine();
    Problem problem{.capacity = machine.am_words()};
    if (machine.am.buffers > 0) problem.bucket = machine.am_words() / machine.am.buffers;
    for (const xdnn::Volume& v : compiled_.xdnn_program().memory_map) {
      problem.buffers.push_back({v.name, v.words, v.first, v.last + 1});
    }
    for (const Strategy& strategy : workbench::strategies()) {
      const auto solution = place_by(strategy.name, problem, kSeed);
      line(fmt::format(
          "Trying strategy {}: {}", strategy.name,
          solution ? fmt::format("fits, extent {}.0", solution->extent * machine.word_bytes())
                   : "does not fit"));
    }
    line(fmt::format("Program placed by our own allocator: extent {}.0 of {}, {} alive at most",
                     info_.extent_bytes, info_.capacity_bytes, info_.peak_bytes));
  }

  // The first instruction at which the highest address is in use.
  std::int32_t highest_instruction() const {
    const auto& map = compiled_.xdnn_program().memory_map;
    const auto end = [](const xdnn::Volume& v) { return v.address + v.words; };
    const auto top = std::max_element(map.begin(), map.end(), [&](const auto& a, const auto& b) {
      return std::pair(end(a), -a.first) < std::pair(end(b), -b.first);
    });
    return top == map.end() ? -1 : top->first;
  }

  // Steps at which instructions move a tensor of that name between AM and DDR.
  std::vector<int> moves_of(const std::string& name) const {
    std::set<int> steps;
    for (std::size_t i = 0; i < step_of_instruction_.size(); ++i) {
      const auto& instruction = compiled_.xdnn_program().steps[i].instruction;
      const bool moves = std::holds_alternative<xdnn::Gather>(instruction) ||
                         std::holds_alternative<xdnn::Scatter>(instruction);
      const auto row = static_cast<std::size_t>(info_.instruction_layer[i]);
      if (moves && info_.layers[row].name.starts_with(name + " (")) {
        steps.insert(step_of_instruction_[i]);
      }
    }
    return {steps.begin(), steps.end()};
  }

  const MemoryTensor* tensor_named(const std::string& value) const {
    const auto found = tensor_of_.find(value);
    return found == tensor_of_.end() ? nullptr : found->second;
  }

  void after_allocation() {
    const std::int32_t at = highest_instruction();
    if (at < 0) return;
    const std::int64_t word = compiled_.xdnn_machine().word_bytes();
    std::vector<const xdnn::Volume*> alive;
    for (const xdnn::Volume& v : compiled_.xdnn_program().memory_map) {
      if (v.first <= at && at <= v.last) alive.push_back(&v);
    }
    std::stable_sort(alive.begin(), alive.end(),
                     [](const auto* a, const auto* b) { return a->address < b->address; });
    std::int64_t end = 0;
    for (const auto* v : alive) end = std::max(end, v->address + v->words);
    const int step = step_of_instruction_[static_cast<std::size_t>(at)];
    line(fmt::format("Minimum Memory {} ['{}'] {}.0", step, step_name(step), end * word));
    for (const auto* v : alive) {
      const std::size_t piece = std::min(v->name.find(" ["), v->name.size());  // carried.h
      const MemoryTensor* tensor = tensor_named(v->name.substr(0, piece));
      line(tensor_line(tensor != nullptr ? tensor->name + v->name.substr(piece) : v->name,
                       v->address * word, v->words * word, tensor, moves_of(v->name), "'own'", 0));
    }
    spilled();
  }

  // Tensors that live in DDR for a time.
  void spilled() {
    for (const xdnn::DdrTensor& stored : compiled_.xdnn_program().ddr_tensors) {
      const std::string name = stored.value.substr(0, stored.value.find(" (DDR"));
      if (name == stored.value) continue;  // the network's own, or the host's
      const std::int64_t bytes = xdnn::ddr_tensor_bytes(
          stored.channels, stored.height, stored.width, compiled_.xdnn_machine().geometry());
      const MemoryTensor* tensor = tensor_named(name);
      line(tensor_line(tensor != nullptr ? tensor->name : name, stored.address, bytes, tensor,
                       moves_of(name), "", 1));
    }
  }

  void totals() {
    std::vector<std::array<std::string, 3>> rows;  // name, operation, reason
    for (const ValueId id : compiled_.quantized.inputs) {
      rows.push_back({compiled_.quantized.value(id).name, "Input", "the host writes it"});
    }
    for (const HostStepInfo& step : info_.host_steps) {
      for (const HostNodeInfo& node : step.nodes) {
        rows.push_back({node.name, node.op, node.reason});
      }
    }
    line(fmt::format("Unsupported Layers: {}", rows.size()));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      line(fmt::format("{} {} ({}): {}", i, rows[i][0], rows[i][1], rows[i][2]));
    }
    line(fmt::format("Network Operations Count: {}", info_.network_ops));
    line(fmt::format("DDR Transfers (bytes): {}", info_.moveops));
    line("SUCCESS");
  }

  const Compiled& compiled_;
  const ProgramInfo& info_;
  MinimumMemory memory_;
  std::map<std::string, const MemoryTensor*> tensor_of_;  // by value
  std::vector<int> step_of_instruction_;
  std::string text_;
};

}  // namespace

std::string xfdnn_report(const Compiled& compiled, StepOrder order) {
  return ConsoleReport(compiled, order).run();
}

namespace {

std::string sizes(const std::array<std::int64_t, 3>& chw) {
  return fmt::format("{}x{}x{}", chw[0], chw[1], chw[2]);
}

// Sum of the bytes that hold the codes: two's complement, int32 codes as four bytes.
std::optional<std::int64_t> checksum(const NamedTensors& tensors, const std::string& name) {
  const auto found = tensors.find(name);
  if (found == tensors.end() || found->second.type() == ElementType::Float32) return std::nullopt;
  const Tensor& tensor = found->second;
  std::int64_t sum = 0;
  for (std::int64_t i = 0; i < tensor.size_bytes(); ++i)
    sum += std::to_integer<int>(tensor.data()[i]);
  return sum;
}

std::string text(const std::optional<std::int64_t>& sum) {
  return sum ? std::to_string(*sum) : "not kept";
}

// The node of the graph that a layer begins with, and the one whose result it leaves.
struct Ends {
  const Node* first = nullptr;
  const Node* last = nullptr;
};

Ends ends_of(const Graph& graph, const LayerInfo& layer) {
  Ends ends;
  for (const Node& node : graph.nodes) {
    const bool part =
        std::find(layer.merged.begin(), layer.merged.end(), node.name) != layer.merged.end();
    if (!part && node.name != layer.name) continue;
    if (ends.first == nullptr) ends.first = &node;
    ends.last = &node;
  }
  return ends;
}

std::string kernel_text(const pulp::LayerTiling& tiling) {
  if (tiling.cores == 0) return tiling.kernel;
  return fmt::format("{} on {} core{}", tiling.kernel, tiling.cores, tiling.cores == 1 ? "" : "s");
}

std::string layer_lines(const Compiled& compiled, const SimulatedNetwork& run,
                        const pulp::LayerTiling& tiling) {
  const auto index = static_cast<std::size_t>(tiling.layer);
  const LayerInfo& layer = compiled.info().layers.at(index);
  const std::int64_t cycles = run.counters.at(index).value;
  std::string lines = fmt::format(
      "Layer {}: {} ({})\n"
      "  num_cycles: {}  MACs: {}  MAC/cycle: {:.3f}\n"
      "  L2 slice  in {} out {}, {} slices, {} bytes\n"
      "  L1 tile   in {} out {}, {} tiles, {} buffered, {} bytes of {} ({:.1f} %)\n",
      index, layer.name, kernel_text(tiling), cycles, layer.macs,
      cycles == 0 ? 0.0 : static_cast<double>(layer.macs) / static_cast<double>(cycles),
      sizes(tiling.l2_in), sizes(tiling.l2_out), tiling.l2_slices, tiling.l2_bytes,
      sizes(tiling.l1_in), sizes(tiling.l1_out), tiling.l1_tiles,
      tiling.double_buffered ? "double" : "single", tiling.l1_bytes,
      compiled.pulp_machine().l1.buffer_bytes,
      100.0 * static_cast<double>(tiling.l1_bytes) /
          static_cast<double>(compiled.pulp_machine().l1.buffer_bytes));
  if (!tiling.wide_norm.empty()) lines += fmt::format("  batch norm in {}\n", tiling.wide_norm);
  const Ends ends = ends_of(compiled.quantized, layer);
  const auto sum_of = [&](ValueId id) {
    return checksum(run.tensors, compiled.quantized.value(id).name);
  };
  lines += fmt::format("  checksum  weights {}", tiling.weight_checksum);
  if (ends.first != nullptr) lines += fmt::format(", in {}", text(sum_of(ends.first->inputs[0])));
  if (ends.last != nullptr) lines += fmt::format(", out {}", text(sum_of(ends.last->outputs[0])));
  return lines + "\n";
}

}  // namespace

std::string dory_report(const Compiled& compiled, const SimulatedNetwork& run) {
  std::string lines;
  for (const pulp::LayerTiling& tiling : compiled.pulp_program().tilings) {
    lines += layer_lines(compiled, run, tiling);
  }
  std::int64_t macs = 0, cycles = 0;
  for (const LayerInfo& layer : compiled.info().layers) macs += layer.macs;
  for (const Cycles& counter : run.counters) cycles += counter.value;
  return lines +
         fmt::format("[0] : num_cycles: {}\n[0] : MACs: {}\n[0] : MAC/cycle: {:.6f}\n\n", cycles,
                     macs,
                     cycles == 0 ? 0.0 : static_cast<double>(macs) / static_cast<double>(cycles));
}

namespace {

using xdnn::Goal;
using xdnn::OrderProblem;
using xdnn::Score;
using xdnn::TaskOrder;

constexpr std::size_t kRowsMax = 10;  // ranks printed per sub-graph

struct Ranked {
  TaskOrder order;
  Score compiled, published;
  std::string note;
};

// "inception_3b/" when all names begin with it.
std::string common_folder(const std::vector<xdnn::Task>& tasks) {
  std::string prefix = tasks.front().name;
  for (const xdnn::Task& task : tasks) {
    const auto end =
        std::mismatch(prefix.begin(), prefix.end(), task.name.begin(), task.name.end()).first;
    prefix.erase(end, prefix.end());
  }
  const std::size_t slash = prefix.rfind('/');
  return slash == std::string::npos ? "" : prefix.substr(0, slash + 1);
}

std::string steps_text(const OrderProblem& problem, const TaskOrder& order,
                       const std::string& folder) {
  std::string text;
  for (const int task : order) {
    if (!text.empty()) text += ", ";
    text += problem.tasks[static_cast<std::size_t>(task)].name.substr(folder.size());
  }
  return text;
}

// Largest tensor of each way into the last task: from it backwards as long as every task reads one
// tensor of the sub-graph and is read by one task.
std::vector<std::int64_t> path_bytes(const OrderProblem& problem) {
  std::vector<int> readers(problem.tasks.size(), 0);
  for (const xdnn::Task& task : problem.tasks) {
    for (const int operand : task.after) ++readers[static_cast<std::size_t>(operand)];
  }
  std::vector<std::int64_t> paths;
  for (int at : problem.tasks.back().after) {
    std::int64_t largest = 0;
    while (readers[static_cast<std::size_t>(at)] == 1) {
      const xdnn::Task& task = problem.tasks[static_cast<std::size_t>(at)];
      for (const int space : task.writes) {
        largest = std::max(largest, problem.spaces[static_cast<std::size_t>(space)].bytes);
      }
      if (task.after.size() != 1) break;
      at = task.after[0];
    }
    if (largest > 0) paths.push_back(largest);
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

// All valid schedules, best first; or the best found, and the natural one, where they are too many.
std::vector<Ranked> ranking(const OrderProblem& compiled, const OrderProblem& published, Goal goal,
                            bool enumerable) {
  std::vector<Ranked> list;
  const auto add = [&](TaskOrder order, std::string note) {
    list.push_back({std::move(order), {}, {}, std::move(note)});
    list.back().compiled = score(compiled, list.back().order);
    list.back().published = score(published, list.back().order);
  };
  TaskOrder natural(compiled.tasks.size());
  std::iota(natural.begin(), natural.end(), 0);
  if (enumerable) {
    for (TaskOrder& order : all_orders(compiled)) {
      const bool is_natural = order == natural;
      add(std::move(order), is_natural ? "natural" : "");
    }
  } else {
    add(best_order(compiled, Goal::Time).order, "least time found");
    add(best_order(compiled, Goal::Space).order, "least space found");
    add(natural, "natural");
  }
  std::stable_sort(list.begin(), list.end(), [&](const Ranked& a, const Ranked& b) {
    return better(a.compiled, b.compiled, goal);
  });
  return list;
}

std::string join(const std::vector<std::int64_t>& numbers) {
  std::string text;
  for (const std::int64_t number : numbers) {
    text += (text.empty() ? "" : ", ") + std::to_string(number);
  }
  return text;
}

std::string ranking_table(const std::vector<Ranked>& list, const OrderProblem& problem,
                          const std::string& folder) {
  Table table{.columns = {{"rank"},
                          {"cycles"},
                          {"space"},
                          {"AM bytes"},
                          {"AM byte-steps"},
                          {"", false},
                          {"steps", false}},
              .rows = {}};
  for (std::size_t i = 0; i < list.size(); ++i) {
    const Ranked& r = list[i];
    if (i >= kRowsMax && r.note.empty()) continue;
    table.rows.push_back({std::to_string(i + 1), std::to_string(r.compiled.time.value),
                          std::to_string(r.published.peak), std::to_string(r.compiled.peak),
                          std::to_string(r.compiled.area), r.note,
                          steps_text(problem, r.order, folder)});
  }
  std::string text;
  for (const std::string& line : lines(table)) text += "  " + line + "\n";
  return text;
}

constexpr std::int64_t kEnumerated = 5000;  // as SearchLimits: beyond, the best found are shown

std::string region_text(const xdnn::NetworkTasks& network, const xdnn::Region& region, Goal goal) {
  const OrderProblem compiled = part_of(network.compiled, region);
  const OrderProblem published = part_of(network.published, region);
  const auto count = count_orders(compiled);
  if (count == 1) return "";
  const bool enumerable = count && *count <= kEnumerated;
  const std::vector<Ranked> list = ranking(compiled, published, goal, enumerable);
  const auto least = [&](auto value) {
    return value(*std::min_element(list.begin(), list.end(), [&](const auto& a, const auto& b) {
      return value(a) < value(b);
    }));
  };
  const std::string folder = common_folder(compiled.tasks);
  return fmt::format(
      "{}{}: {} tasks, {} valid schedules\n"
      "  path memories {}; best space {}; best AM bytes {}; best time {} cycles\n{}",
      region.name, region.entry.empty() ? "" : " (from " + region.entry + ")",
      compiled.tasks.size(), count ? std::to_string(*count) : "too many",
      join(path_bytes(published)), least([](const Ranked& r) { return r.published.peak; }),
      least([](const Ranked& r) { return r.compiled.peak; }),
      least([](const Ranked& r) { return r.compiled.time.value; }),
      ranking_table(list, compiled, folder));
}

std::string orders_text(const Graph& quantized, const xdnn::Machine& machine,
                        const xdnn::OrderOptions& options) {
  Table table{.columns = {{"order", false}, {"cycles"}, {"AM peak"}, {"AM extent"}}, .rows = {}};
  for (const xdnn::CandidateOrder& candidate : candidate_orders(quantized, machine, options)) {
    const auto placed = xdnn::place_in_order(quantized, machine, candidate.nodes);
    if (!placed) {
      table.rows.push_back({candidate.name, "does not fit", "", ""});
      continue;
    }
    const std::int64_t word = machine.word_bytes();
    table.rows.push_back({candidate.name, std::to_string(placed->time.value),
                          std::to_string(placed->placement.peak_words * word),
                          std::to_string(placed->placement.extent_words * word)});
  }
  std::string text = "orders of the whole network, placed\n";
  for (const std::string& line : lines(table)) text += "  " + line + "\n";
  return text;
}

}  // namespace

std::string schedule_report(const Graph& quantized, const xdnn::Machine& machine,
                            const xdnn::OrderOptions& options) {
  const Goal goal = options.goal == xdnn::OrderGoal::Space ? Goal::Space : Goal::Time;
  const auto plain = network_tasks(quantized, machine, xdnn::Grouping::Nodes);
  const auto merged = network_tasks(quantized, machine, xdnn::Grouping::MergedReduces);
  std::string text = fmt::format(
      "schedules of {} on {}: {} tasks in {} sub-graphs\n"
      "space: bytes alive at most, 2 per pixel and channel, a concat copying its parts; AM bytes: "
      "as "
      "this compiler allocates\n",
      quantized.name, machine.name, plain.compiled.tasks.size(), plain.regions.size());
  for (const xdnn::Region& region : plain.regions) {
    text += region_text(plain, region, goal);
    for (const xdnn::Region& other : merged.regions) {
      const bool changed = other.end - other.begin != region.end - region.begin;
      if (other.name == region.name && changed) {
        text += "merged reduces: " + region_text(merged, other, goal);
      }
    }
  }
  return text + orders_text(quantized, machine, options);
}

}  // namespace workbench
