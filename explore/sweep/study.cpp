#include "explore/sweep/study.h"

#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "core/file.h"
#include "core/yaml.h"
#include "explore/flow/inputs.h"
#include "explore/flow/machine.h"
#include "explore/sweep/conditions.h"
#include "explore/sweep/parameter.h"
#include "explore/sweep/values.h"
#include "isa/yaml_fields.h"
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

namespace {

// A parameter is compared by its values: it has some, and they are numbers.
void check_objectives(const Study& study) {
  for (const SweepObjective& objective : study.objectives) {
    const std::string& name = objective.metric;
    if (find_point_metric(name) != nullptr) continue;
    const auto parameter = std::ranges::find(study.parameters, name, &Dimension::name);
    if (parameter == study.parameters.end()) {
      fail("{}: objective {}: expected values of that parameter (--set {}=...), found none",
           study.name, name, name);
    }
    for (const std::string& value : parameter->values) {
      if (numeric_value(value)) continue;
      fail("{}: objective {}: expected numbers as its values, found '{}'", study.name, name, value);
    }
  }
}

}  // namespace

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
  check_objectives(study);
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

namespace {

using Json = nlohmann::ordered_json;

// A mapping whose keys are known, or that takes any key.
class Mapping {
 public:
  Mapping(const YAML::Node& node, const std::string& file, const std::string& what)
      : node_(node), file_(file) {
    if (!node.IsMap()) {
      const char* found = node.IsSequence() ? "a list" : node.IsScalar() ? "a value" : "nothing";
      fail("{}: expected {} as a mapping of keys to values, found {}",
           node.IsNull() ? file : yaml::where(file, node), what, found);
    }
  }

  // Calls visit(key, value, where) for every entry, in the order of the file.
  void each(const auto& visit) const {
    std::set<std::string> seen;
    for (const auto& entry : node_) {
      const std::string where = yaml::where(file_, entry.first);
      if (!entry.first.IsScalar())
        fail("{}: expected a name as the key, found something else", where);
      const std::string key = entry.first.Scalar();
      if (!seen.insert(key).second) fail("{}: key '{}' appears twice", where, key);
      if (entry.second.IsNull()) fail("{}: {}: expected a value, found none", where, key);
      visit(key, entry.second, where);
    }
  }

 private:
  const YAML::Node& node_;
  const std::string& file_;
};

std::vector<std::string> scalars(const YAML::Node& node, const std::string& where,
                                 const std::string& key) {
  std::vector<std::string> texts;
  const auto add = [&](const YAML::Node& item) {
    if (!item.IsScalar()) fail("{}: {}: expected a value or a list of values", where, key);
    texts.push_back(item.Scalar());
  };
  if (!node.IsSequence()) {
    add(node);
    return texts;
  }
  for (const YAML::Node& item : node) add(item);
  if (texts.empty()) fail("{}: {}: expected a value, found an empty list", where, key);
  return texts;
}

std::string scalar(const YAML::Node& node, const std::string& where, const std::string& key) {
  if (!node.IsScalar()) fail("{}: {}: expected a single value", where, key);
  return node.Scalar();
}

template <typename T>
void read(const YAML::Node& node, const std::string& where, const std::string& key, double low,
          T& member) {
  yaml::read_scalar(node, member, where, key);
  if constexpr (!std::same_as<T, bool>) {
    if (static_cast<double>(member) < low) {
      fail("{}: {}: expected at least {}, found {}", where, key, low, node.Scalar());
    }
  }
}

[[noreturn]] void refuse_key(const std::string& where, const std::string& key,
                             const std::vector<std::string>& known) {
  fail("{}: expected one of the keys {}, the nearest is {}; found '{}'", where,
       fmt::join(known, ", "), nearest_name(key, known), key);
}

Dimension dimension(const YAML::Node& node, const std::string& where, const std::string& key) {
  const std::string place = where + ": " + key;
  if (node.IsScalar()) return {key, parse_values(node.Scalar(), place)};
  return {key, parse_values(scalars(node, where, key), place)};
}

Refinement refinement(const YAML::Node& node, const std::string& file, const std::string& where) {
  Refinement refine;
  if (node.IsScalar()) {
    if (node.Scalar() != "true") {
      fail("{}: refine: expected true or a mapping, found '{}'", where, node.Scalar());
    }
    return refine;
  }
  Mapping(node, file, "refine")
      .each([&](const std::string& key, const YAML::Node& value, const std::string& at) {
        if (key == "front") return read(value, at, key, 0, refine.front);
        if (key == "neighbours") return read(value, at, key, 0, refine.neighbours);
        if (key == "sample") return read(value, at, key, 0, refine.sample);
        if (key == "seed") return read(value, at, key, 0, refine.seed);
        refuse_key(at, key, {"front", "neighbours", "sample", "seed"});
      });
  return refine;
}

SearchOptions search_options(const YAML::Node& node, const std::string& file,
                             const std::string& where) {
  SearchOptions search;
  if (node.IsScalar()) {
    if (node.Scalar() != "nsga2") {
      fail("{}: search: expected nsga2 or a mapping, found '{}'", where, node.Scalar());
    }
    return search;
  }
  Mapping(node, file, "search")
      .each([&](const std::string& key, const YAML::Node& value, const std::string& at) {
        if (key == "method") {
          const std::string method = scalar(value, at, key);
          if (method != "nsga2") fail("{}: method: expected nsga2, found '{}'", at, method);
          return;
        }
        if (key == "population") return read(value, at, key, 8, search.population);
        if (key == "generations") return read(value, at, key, 1, search.generations);
        if (key == "seed") return read(value, at, key, 0, search.seed);
        if (key == "above") return read(value, at, key, 0, search.above);
        refuse_key(at, key, {"method", "population", "generations", "seed", "above"});
      });
  if (search.population % 4 != 0) {
    fail("{}: population: expected a multiple of 4, found {}", where, search.population);
  }
  return search;
}

Tier tier_of(const std::string& text, const std::string& where) {
  for (const Tier tier : {Tier::Analytic, Tier::Transaction}) {
    if (text == to_string(tier)) return tier;
  }
  fail("{}: tier: expected analytic or transaction, found '{}'", where, text);
}

const std::vector<std::string> kKeys = {"name",        "networks",   "machines", "parameters",
                                        "options",     "conditions", "tier",     "objectives",
                                        "constraints", "refine",     "search"};

void read_key(Study& study, const std::string& key, const YAML::Node& value,
              const std::string& where, const std::string& file) {
  const auto in = [&](const char* what) { return where + ": " + what; };
  if (key == "name") {
    study.name = scalar(value, where, key);
  } else if (key == "networks") {
    study.networks = scalars(value, where, key);
  } else if (key == "machines") {
    study.machines = scalars(value, where, key);
  } else if (key == "parameters") {
    Mapping(value, file, key)
        .each([&](const std::string& name, const YAML::Node& values, const std::string& at) {
          study.parameters.push_back(dimension(values, at, name));
        });
  } else if (key == "options") {
    Mapping(value, file, key)
        .each([&](const std::string& name, const YAML::Node& one, const std::string& at) {
          study.options.push_back({name, scalar(one, at, name)});
        });
  } else if (key == "conditions") {
    study.conditions = scalars(value, where, key);
  } else if (key == "tier") {
    study.tier = tier_of(scalar(value, where, key), where);
  } else if (key == "objectives") {
    for (const std::string& text : scalars(value, where, key)) {
      study.objectives.push_back(parse_objective(text, in("objectives")));
    }
  } else if (key == "constraints") {
    for (const std::string& text : scalars(value, where, key)) {
      study.constraints.push_back(parse_constraint(text, in("constraints")));
    }
  } else if (key == "refine") {
    study.refine = refinement(value, file, where);
  } else if (key == "search") {
    study.search = search_options(value, file, where);
  } else {
    refuse_key(where, key, kKeys);
  }
}

}  // namespace

Study parse_study(const std::string& yaml, const std::string& file) {
  const YAML::Node root = parse_yaml(yaml, file);
  Study study{.name = std::filesystem::path(file).stem().string()};
  Mapping(root, file, "a study")
      .each([&](const std::string& key, const YAML::Node& value, const std::string& where) {
        read_key(study, key, value, where, file);
      });
  return study;
}

Study read_study(const std::filesystem::path& path) {
  return parse_study(read_file(path), path.string());
}

std::string study_json(const Study& study) {
  Json json = {{"name", study.name}, {"networks", study.networks}, {"machines", study.machines}};
  json["parameters"] = Json::object();
  for (const Dimension& parameter : study.parameters) {
    json["parameters"][parameter.name] = parameter.values;
  }
  json["options"] = Json::object();
  for (const Setting& option : study.options) json["options"][option.name] = option.value;
  json["conditions"] = study.conditions;
  json["tier"] = to_string(study.tier);
  for (const SweepObjective& objective : study.objectives) {
    json["objectives"].push_back(to_string(objective));
  }
  json["constraints"] = Json::array();
  for (const Constraint& constraint : study.constraints) {
    json["constraints"].push_back(to_string(constraint));
  }
  if (study.refine) {
    json["refine"] = {{"front", study.refine->front},
                      {"neighbours", study.refine->neighbours},
                      {"sample", study.refine->sample},
                      {"seed", study.refine->seed}};
  }
  if (study.search) {
    json["search"] = {{"method", "nsga2"},
                      {"population", study.search->population},
                      {"generations", study.search->generations},
                      {"seed", study.search->seed},
                      {"above", study.search->above}};
  }
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace workbench
