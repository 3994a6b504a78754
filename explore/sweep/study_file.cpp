#include "explore/sweep/study_file.h"

#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "core/file.h"
#include "explore/sweep/values.h"
#include "isa/yaml_fields.h"

namespace workbench {

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
  YAML::Node root;
  try {
    root = YAML::Load(yaml);
  } catch (const YAML::Exception& error) {
    fail("{}:{}: expected YAML: {}", file, error.mark.line + 1, error.msg);
  }
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
