#include "explore/track/baseline.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "core/error.h"
#include "core/file.h"
#include "core/yaml.h"
#include "explore/report/metrics.h"
#include "explore/track/record_json.h"
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
    return suite_of(parse_yaml(yaml, path.string()), path);
  } catch (const YAML::Exception& error) {
    refuse_yaml(error, path.string());
  }
}

Suite load_suite(const fs::path& path) { return parse_suite(read_file(path), path); }

namespace {

constexpr const char* kWhat = "workbench track baseline";

void add_line(std::string& text, int indent, std::string_view key, const Json& value,
              bool last = false) {
  text += fmt::format("{:{}}\"{}\": {}{}\n", "", indent, key, dumped(value), last ? "" : ",");
}

// Members one to a line, so that a diff names the one that changed.
void add_object(std::string& text, int indent, std::string_view key, const Json& object) {
  text += fmt::format("{:{}}\"{}\": {{\n", "", indent, key);
  std::size_t left = object.size();
  for (const auto& [name, value] : object.items()) {
    text += fmt::format("{:{}}{}: {}{}\n", "", indent + 2, dumped(Json(name)), dumped(value),
                        --left == 0 ? "" : ",");
  }
  text += fmt::format("{:{}}}},\n", "", indent);
}

void add_case(std::string& text, const CaseRecord& record, const fs::path& folder, bool last) {
  const Point& point = record.asked.point;
  text += "    {\n";
  add_line(text, 6, "name", record.asked.name);
  add_line(text, 6, "network", named_from(point.network, folder));
  add_line(text, 6, "machine", named_from(point.machine, folder));
  Json settings = Json::object();
  for (const Setting& setting : point.settings) settings[setting.name] = setting.value;
  add_line(text, 6, "settings", settings);
  add_line(text, 6, "tier", std::string(to_string(point.tier)));
  add_line(text, 6, "verdict", record.verdict);
  if (record.wall) add_line(text, 6, "wall_seconds", record.wall->seconds);
  add_object(text, 6, "figures", figures_json(record.figures));
  add_object(text, 6, "fingerprints", fingerprints_json(record.fingerprints));
  Json constants = Json::object();
  for (const auto& [knob, value] : record.machine) constants[knob] = value;
  add_object(text, 6, "constants", constants);
  text += "      \"layers\": [\n";
  for (std::size_t i = 0; i < record.layers.size(); ++i) {
    text += fmt::format("        {}{}\n", dumped(layer_json(record.layers[i])),
                        i + 1 == record.layers.size() ? "" : ",");
  }
  text += fmt::format("      ]\n    }}{}\n", last ? "" : ",");
}

CaseRecord case_of(const Json& json, const Reader& reader, const fs::path& folder) {
  CaseRecord record;
  reader.allow(json, {"name", "network", "machine", "settings", "tier", "verdict", "wall_seconds",
                      "figures", "fingerprints", "constants", "layers"});
  record.asked.name = reader.text(json, "name");
  const Reader at = reader.within("case '" + record.asked.name + "'");
  Point& point = record.asked.point;
  point.network = resolved(at.text(json, "network"), folder);
  point.machine = resolved(at.text(json, "machine"), folder);
  for (const auto& [name, value] : at.object(json, "settings").items()) {
    point.settings.push_back({name, at.as_text(value, name)});
  }
  std::sort(point.settings.begin(), point.settings.end());
  const std::string tier = at.text(json, "tier");
  if (tier != to_string(Tier::Analytic) && tier != to_string(Tier::Transaction)) {
    at.refuse("the tier analytic or transaction", "'" + tier + "'");
  }
  point.tier = tier == to_string(Tier::Analytic) ? Tier::Analytic : Tier::Transaction;
  record.verdict = at.text(json, "verdict");
  if (json.contains("wall_seconds")) {
    record.wall.emplace();
    for (const Json& value : at.array(json, "wall_seconds")) {
      record.wall->seconds.push_back(at.as_number(value, "wall_seconds"));
      if (!(record.wall->seconds.back() > 0)) at.refuse("times above 0 s", dumped(value));
    }
    if (record.wall->seconds.empty()) at.refuse("times under 'wall_seconds'", "none");
  }
  for (const auto& [name, value] : at.object(json, "figures").items()) {
    record.figures[std::string(present_name(name))] = at.as_number(value, name);
  }
  if (!record.figures.contains("cycles")) at.refuse("a figure 'cycles'", "none");
  record.fingerprints = read_fingerprints(at.object(json, "fingerprints"), at);
  for (const auto& [knob, value] : at.object(json, "constants").items()) {
    record.machine.emplace_back(knob, at.as_text(value, knob));
  }
  for (const Json& layer : at.array(json, "layers")) record.layers.push_back(read_layer(layer, at));
  return record;
}

}  // namespace

const CaseRecord* Baseline::find(std::string_view case_name) const {
  for (const CaseRecord& record : cases) {
    if (record.asked.name == case_name) return &record;
  }
  return nullptr;
}

bool gates(std::string_view figure) {
  return figure == "cycles" || figure == "latency_ms" || figure == "images_per_second";
}

std::string baseline_text(const Baseline& baseline, const fs::path& folder) {
  std::string text = "{\n";
  add_line(text, 2, "what", kWhat);
  add_line(text, 2, "version", kBaselineVersion);
  add_line(text, 2, "name", baseline.name);
  add_line(text, 2, "revision", baseline.revision);
  add_line(text, 2, "date", baseline.date);
  add_line(text, 2, "golden", baseline.golden);
  text += "  \"cases\": [\n";
  for (const CaseRecord& record : baseline.cases) {
    add_case(text, record, folder, &record == &baseline.cases.back());
  }
  return text + "  ]\n}\n";
}

Baseline parse_baseline(const std::string& text, const std::string& name, const fs::path& folder) {
  const Reader reader(name);
  const Json json = reader.parse(text);
  if (!json.is_object() || !json.contains("what") || json["what"] != kWhat) {
    reader.refuse("a baseline that `workbench track record` wrote", "something else");
  }
  const std::int64_t version = reader.whole(json, "version");
  if (version != kBaselineVersion) {
    reader.refuse(fmt::format("a baseline of version {}", kBaselineVersion),
                  fmt::format("version {}", version));
  }
  reader.allow(json, {"what", "version", "name", "revision", "date", "golden", "cases"});
  Baseline baseline{.name = reader.text(json, "name"),
                    .revision = reader.text(json, "revision"),
                    .date = reader.text(json, "date"),
                    .golden = reader.flag(json, "golden"),
                    .cases = {}};
  for (const Json& one : reader.array(json, "cases")) {
    CaseRecord record = case_of(one, reader, folder);
    if (baseline.find(record.asked.name) != nullptr) {
      reader.refuse("each case once", "two named '" + record.asked.name + "'");
    }
    baseline.cases.push_back(std::move(record));
  }
  return baseline;
}

void save_baseline(const Baseline& baseline, const fs::path& path) {
  write_file(path, baseline_text(baseline, path.parent_path()));
}

Baseline load_baseline(const fs::path& path) {
  return parse_baseline(read_file(path), path.string(), path.parent_path());
}

namespace {

constexpr const char* kKind = "track";

StoredPoint stored(const CaseRecord& record, const std::string& key) {
  CHECK(record.answer.has_value(), "case '{}' was read, not computed", record.asked.name);
  StoredPoint stored{.key = key, .point = record.asked.point, .result = *record.answer};
  if (record.verdict == "bit-exact") stored.result.bit_exact = true;
  return stored;
}

}  // namespace

void add_to_store(const Baseline& baseline, const fs::path& store_path) {
  Store store(store_path);
  store.describe_metrics(point_metrics(), layer_metrics());
  std::vector<std::string> keys;
  for (const CaseRecord& record : baseline.cases) {
    keys.push_back(point_key(record.asked.point, program_version()));
    store.add(stored(record, keys.back()));
  }
  store.begin_run({.kind = kKind,
                   .name = baseline.name,
                   .revision = baseline.revision,
                   .version = program_version(),
                   .study = baseline_text(baseline, store_path.parent_path())},
                  keys);
}

std::vector<Baseline> baselines_in_store(const fs::path& store_path, const std::string& name) {
  const Store store(store_path, Store::Access::Read);
  std::vector<Baseline> baselines;
  for (const RunRecord& run : store.runs()) {
    if (run.kind != kKind || (!name.empty() && run.name != name)) continue;
    baselines.push_back(parse_baseline(run.study,
                                       fmt::format("{}: run {}", store_path.string(), run.id),
                                       store_path.parent_path()));
  }
  if (baselines.empty()) {
    fail("{}: expected recorded suites{}, found none", store_path.string(),
         name.empty() ? "" : " named '" + name + "'");
  }
  return baselines;
}

}  // namespace workbench::track
