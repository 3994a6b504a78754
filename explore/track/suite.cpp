#include "explore/track/suite.h"

#include <algorithm>
#include <set>

#include "core/error.h"
#include "core/file.h"
#include "isa/yaml_fields.h"

namespace workbench::track {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kCasesMax = 10000;

// A mapping whose keys are all in `known`, each once and with a value.
void check_keys(const YAML::Node& map, const std::vector<std::string>& known,
                const std::string& what, const std::string& file) {
  if (!map.IsMap()) {
    fail("{}: {}: expected a mapping of keys to values", yaml::where(file, map), what);
  }
  std::set<std::string> seen;
  for (const auto& entry : map) {
    const std::string place = yaml::where(file, entry.first);
    const std::string key = entry.first.IsScalar() ? entry.first.Scalar() : "";
    if (!seen.insert(key).second) fail("{}: {}: key '{}' appears twice", place, what, key);
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      fail("{}: {}: expected one of the keys {}, found '{}'", place, what, fmt::join(known, ", "),
           key);
    }
    if (entry.second.IsNull()) fail("{}: {}: {} has no value", place, what, key);
  }
}

std::string text_of(const YAML::Node& map, const std::string& key, const std::string& what,
                    const std::string& file) {
  const YAML::Node node = map[key];
  if (!node) fail("{}: {}: key '{}' is missing", yaml::where(file, map), what, key);
  std::string text;
  yaml::read_scalar(node, text, yaml::where(file, node), key);
  const bool printable = std::all_of(text.begin(), text.end(),
                                     [](char c) { return static_cast<unsigned char>(c) >= 32; });
  if (text.empty() || !printable) {
    fail("{}: {}: expected a line of text for {}, found '{}'", yaml::where(file, node), what, key,
         text.empty() ? "" : "control characters");
  }
  return text;
}

std::vector<Setting> settings_of(const YAML::Node& map, const std::string& what,
                                 const std::string& file) {
  if (!map.IsMap()) {
    fail("{}: {}: settings: expected a mapping of parameters to values", yaml::where(file, map),
         what);
  }
  std::vector<Setting> settings;
  for (const auto& entry : map) {
    const std::string place = yaml::where(file, entry.first);
    Setting setting;
    yaml::read_scalar(entry.first, setting.name, place, "a parameter");
    if (entry.second.IsNull()) fail("{}: {}: {} has no value", place, what, setting.name);
    yaml::read_scalar(entry.second, setting.value, place, setting.name);
    settings.push_back(std::move(setting));
  }
  std::sort(settings.begin(), settings.end());
  const auto twice =
      std::adjacent_find(settings.begin(), settings.end(),
                         [](const Setting& a, const Setting& b) { return a.name == b.name; });
  if (twice != settings.end()) {
    fail("{}: {}: parameter '{}' appears twice", yaml::where(file, map), what, twice->name);
  }
  return settings;
}

Tier tier_of(const YAML::Node& map, const std::string& what, const std::string& file) {
  if (!map["tier"]) return Tier::Transaction;
  const std::string name = text_of(map, "tier", what, file);
  for (const Tier tier : {Tier::Analytic, Tier::Transaction}) {
    if (to_string(tier) == name) return tier;
  }
  fail("{}: {}: expected the tier analytic or transaction, found '{}'",
       yaml::where(file, map["tier"]), what, name);
}

Case case_of(const YAML::Node& map, const fs::path& folder, const std::string& file) {
  check_keys(map, {"name", "network", "machine", "settings", "tier"}, "a case", file);
  Case one;
  one.line = map.Mark().line + 1;
  one.name = text_of(map, "name", "a case", file);
  const std::string what = "case '" + one.name + "'";
  one.point.network = resolved(text_of(map, "network", what, file), folder);
  one.point.machine = resolved(text_of(map, "machine", what, file), folder);
  if (map["settings"]) one.point.settings = settings_of(map["settings"], what, file);
  one.point.tier = tier_of(map, what, file);
  return one;
}

bool is_name(const std::string& name) {
  return name.starts_with("zoo:") ||
         (name.find('/') == std::string::npos && name.find('.') == std::string::npos);
}

Suite suite_of(const YAML::Node& root, const fs::path& path) {
  const std::string file = path.string();
  if (!root.IsDefined() || root.IsNull()) fail("{}:1: the suite is empty", file);
  check_keys(root, {"name", "golden", "cases"}, "a suite", file);
  Suite suite{.name = text_of(root, "name", "a suite", file), .file = path, .cases = {}};
  if (const YAML::Node golden = root["golden"]) {
    yaml::read_scalar(golden, suite.golden, yaml::where(file, golden), "golden");
  }
  const YAML::Node cases = root["cases"];
  if (!cases || !cases.IsSequence() || cases.size() == 0 || cases.size() > kCasesMax) {
    fail("{}: expected a list of 1 to {} cases under 'cases'",
         yaml::where(file, cases ? cases : root), kCasesMax);
  }
  std::set<std::string> names;
  for (const YAML::Node& node : cases) {
    suite.cases.push_back(case_of(node, path.parent_path(), file));
    const Case& one = suite.cases.back();
    if (!names.insert(one.name).second) {
      fail("{}:{}: case '{}' appears twice", file, one.line, one.name);
    }
  }
  return suite;
}

}  // namespace

std::string resolved(const std::string& name, const fs::path& folder) {
  if (is_name(name)) return name;
  return (folder / name).lexically_normal().string();
}

std::string named_from(const std::string& name, const fs::path& folder) {
  if (is_name(name)) return name;
  const std::string path =
      fs::absolute(name).lexically_relative(fs::absolute(folder.empty() ? "." : folder)).string();
  // Without a slash or dot it would be a name.
  return path.find_first_of("/.") == std::string::npos ? "./" + path : path;
}

Suite parse_suite(const std::string& yaml, const fs::path& path) {
  try {
    return suite_of(YAML::Load(yaml), path);
  } catch (const YAML::Exception& error) {
    fail("{}:{}: not valid YAML: {}", path.string(), error.mark.line + 1, error.msg);
  }
}

Suite load_suite(const fs::path& path) { return parse_suite(read_file(path), path); }

}  // namespace workbench::track
