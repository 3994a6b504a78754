#include "explore/sweep/study.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>

#include "core/error.h"
#include "explore/flow/inputs.h"
#include "explore/flow/machine.h"
#include "explore/sweep/conditions.h"
#include "explore/sweep/parameter.h"
#include "workloads/workloads.h"

namespace workbench {

namespace {

constexpr std::size_t kNetwork = 0, kMachine = 1;  // of a Choice
constexpr std::ptrdiff_t kFirstParameter = 2;

// Options are parameters of one value.
std::vector<Dimension> dimensions_and_options(const Study& study) {
  std::vector<Dimension> all = study.parameters;
  for (const Setting& option : study.options) all.push_back({option.name, {option.value}});
  return all;
}

void check_zoo_name(const std::string& network) {
  const ModelSource source{.name = network};
  if (!is_zoo(source)) {
    std::error_code ignored;
    if (!std::filesystem::exists(network, ignored)) {
      fail("{}: expected an ONNX file or zoo:NAME, found no such file", network);
    }
    return;
  }
  const std::size_t begin = network.find(':') + 1;
  const std::string name = network.substr(begin, network.find('?') - begin);
  if (is_workload(name)) return;
  std::vector<std::string> names;
  for (const WorkloadInfo& workload : workloads()) names.push_back(workload.name);
  fail("{}: expected a network of the zoo, the nearest is zoo:{}; found none of that name", network,
       nearest_name(name, names));
}

template <typename Names>
void check_distinct(const Names& names, const char* what) {
  std::set<std::string> seen;
  for (const std::string& name : names) {
    if (!seen.insert(name).second) fail("{} {}: expected once, found twice", what, name);
  }
}

void check_knobs(const std::vector<std::string>& parameters) {
  std::map<std::string, std::string> parameter_of;
  for (const std::string& name : parameters) {
    const std::string knob = knob_of(name);
    if (knob.empty()) continue;
    const auto [other, fresh] = parameter_of.emplace(knob, name);
    if (!fresh) {
      fail("parameter {}: expected no {} beside it, which sets the same number of the machine",
           name, other->second);
    }
  }
}

// Calls visit(indices) for every combination of that many values, the last index fastest.
void for_each_combination(std::span<const std::size_t> sizes, const auto& visit) {
  std::vector<std::size_t> indices(sizes.size());
  for (;;) {
    visit(indices);
    std::size_t digit = sizes.size();
    while (digit > 0 && ++indices[digit - 1] == sizes[digit - 1]) indices[--digit] = 0;
    if (digit == 0) return;
  }
}

// Combinations of the parameters' values that the conditions leave.
std::vector<std::vector<std::size_t>> combinations(const Study& study) {
  const auto left_over = left_by_conditions(study);
  std::vector<std::size_t> sizes = choice_sizes(study);
  sizes[kNetwork] = sizes[kMachine] = 1;  // conditions do not see them
  std::vector<std::vector<std::size_t>> left;
  for_each_combination(sizes, [&](const Choice& choice) {
    if (left_over(choice)) left.emplace_back(choice.begin() + kFirstParameter, choice.end());
  });
  return left;
}

}  // namespace

SweepObjective default_objective(const Study& study) {
  const auto varies = [&](auto matches) {
    return std::ranges::any_of(study.parameters, [&](const Dimension& parameter) {
      return parameter.values.size() > 1 && matches(parameter.name);
    });
  };
  if (varies([](const std::string& name) {
        return name == "engines" || name == "mode" || name == knob_of("engines") ||
               name == knob_of("mode");
      })) {
    return {"images_per_second", Better::Higher};
  }
  const bool clocks = varies([](const std::string& name) {
    return name.starts_with("clock.") || name.starts_with("clocks.");
  });
  return {clocks || study.machines.size() > 1 ? "latency_ms" : "cycles", Better::Lower};
}

void check(const Study& study) {
  if (study.networks.empty()) fail("{}: expected a network, found none", study.name);
  if (study.machines.empty()) fail("{}: expected a machine (--hw), found none", study.name);
  check_distinct(study.networks, "network");
  check_distinct(study.machines, "machine");
  for (const std::string& network : study.networks) check_zoo_name(network);
  const std::vector<Dimension> all = dimensions_and_options(study);
  std::vector<std::string> names;
  for (const Dimension& dimension : all) names.push_back(dimension.name);
  check_distinct(names, "parameter");
  check_knobs(names);
  for (const std::string& machine : study.machines) {
    for (const Dimension& dimension : all) {
      check_values(dimension.name, dimension.values, machine);
    }
  }
  (void)Conditions(study.conditions, all, study.name + ": conditions");
  CHECK(!study.objectives.empty(), "a study without an objective");
  std::vector<std::string> objectives;
  for (const SweepObjective& objective : study.objectives) objectives.push_back(objective.metric);
  check_distinct(objectives, "objective");
  if (study.refine && study.tier == Tier::Transaction) {
    fail("{}: expected the analytic tier where the front is refined, found transaction",
         study.name);
  }
  if (study.search &&
      (study.search->population > kPointsMax || study.search->generations > kPointsMax)) {
    fail(
        "{}: expected a search of at most {} points in each of at most {} generations, found {}, "
        "{}",
        study.name, kPointsMax, kPointsMax, study.search->population, study.search->generations);
  }
}

std::vector<std::size_t> choice_sizes(const Study& study) {
  std::vector<std::size_t> sizes = {study.networks.size(), study.machines.size()};
  for (const Dimension& parameter : study.parameters) sizes.push_back(parameter.values.size());
  return sizes;
}

double choice_count(const Study& study) {
  double count = 1;
  for (const std::size_t size : choice_sizes(study)) count *= static_cast<double>(size);
  return count;
}

std::vector<Choice> choices(const Study& study) {
  if (choice_count(study) > static_cast<double>(kPointsMax)) {
    fail("{}: expected at most {} points, found {:.6g} ({}); a search takes any number", study.name,
         kPointsMax, choice_count(study), shape_text(study));
  }
  const std::vector<std::vector<std::size_t>> left = combinations(study);
  if (left.empty()) {
    fail("{}: expected conditions that leave a point, found that {} leave none of {:.6g}",
         study.name, fmt::join(study.conditions, " and "), choice_count(study));
  }
  std::vector<Choice> all;
  all.reserve(study.networks.size() * study.machines.size() * left.size());
  for (std::size_t network = 0; network < study.networks.size(); ++network) {
    for (std::size_t machine = 0; machine < study.machines.size(); ++machine) {
      for (const std::vector<std::size_t>& combination : left) {
        Choice& choice = all.emplace_back(Choice{network, machine});
        choice.insert(choice.end(), combination.begin(), combination.end());
      }
    }
  }
  return all;
}

std::function<bool(const Choice&)> left_by_conditions(const Study& study) {
  const std::vector<Dimension> variables = dimensions_and_options(study);
  const auto conditions =
      std::make_shared<Conditions>(study.conditions, variables, study.name + ": conditions");
  std::vector<std::size_t> indices(variables.size());  // those of the options stay 0
  return [conditions, indices](const Choice& choice) mutable {
    std::copy(choice.begin() + kFirstParameter, choice.end(), indices.begin());
    return conditions->hold(indices);
  };
}

Point point_of(const Study& study, const Choice& choice, Tier tier) {
  Point point{.network = study.networks[choice[kNetwork]],
              .machine = study.machines[choice[kMachine]],
              .settings = study.options,
              .tier = tier};
  for (std::size_t i = 0; i < study.parameters.size(); ++i) {
    const Dimension& parameter = study.parameters[i];
    point.settings.push_back({parameter.name, parameter.values[choice[i + kFirstParameter]]});
  }
  return point;
}

std::vector<Point> points(const Study& study) {
  std::vector<Point> all;
  for (const Choice& choice : choices(study)) all.push_back(point_of(study, choice, study.tier));
  return all;
}

std::string shape_text(const Study& study) {
  const auto counted = [](std::size_t count, const char* what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
  };
  std::string text =
      counted(study.networks.size(), "network") + " x " + counted(study.machines.size(), "machine");
  for (const Dimension& parameter : study.parameters) {
    if (parameter.values.size() > 1) {
      text += fmt::format(" x {} {}", parameter.values.size(), parameter.name);
    }
  }
  return text;
}

}  // namespace workbench
