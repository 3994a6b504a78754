#include "explore/schedule_report.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "compiler/xdnn/regions.h"
#include "compiler/xdnn/scheduled.h"
#include "explore/table.h"

namespace workbench {

namespace {

using xdnn::Goal;
using xdnn::SchedulingProblem;
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

std::string steps_text(const SchedulingProblem& problem, const TaskOrder& order,
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
std::vector<std::int64_t> path_bytes(const SchedulingProblem& problem) {
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
std::vector<Ranked> ranking(const SchedulingProblem& compiled, const SchedulingProblem& published,
                            Goal goal, bool enumerable) {
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

std::string ranking_table(const std::vector<Ranked>& list, const SchedulingProblem& problem,
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
  const SchedulingProblem compiled = part_of(network.compiled, region);
  const SchedulingProblem published = part_of(network.published, region);
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
                        const xdnn::ScheduleOptions& options) {
  Table table{.columns = {{"order", false}, {"cycles"}, {"AM peak"}, {"AM extent"}}, .rows = {}};
  for (const xdnn::CandidateOrder& candidate : candidate_orders(quantized, machine, options)) {
    try {
      const xdnn::Scheduled placed = xdnn::schedule_in_order(quantized, machine, candidate.nodes);
      const std::int64_t word = machine.word_bytes();
      table.rows.push_back({candidate.name, std::to_string(placed.time.value),
                            std::to_string(placed.placement.peak_words * word),
                            std::to_string(placed.placement.extent_words * word)});
    } catch (const Error&) {
      table.rows.push_back({candidate.name, "does not fit", "", ""});
    }
  }
  std::string text = "orders of the whole network, placed\n";
  for (const std::string& line : lines(table)) text += "  " + line + "\n";
  return text;
}

}  // namespace

std::string schedule_report(const Graph& quantized, const xdnn::Machine& machine,
                            const xdnn::ScheduleOptions& options) {
  const Goal goal = options.goal == xdnn::ScheduleGoal::Space ? Goal::Space : Goal::Time;
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
