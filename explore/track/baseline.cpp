#include "explore/track/baseline.h"

#include <cmath>

#include "core/error.h"
#include "core/file.h"
#include "explore/track/record_json.h"

namespace workbench::track {

namespace fs = std::filesystem;

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
    record.figures[name] = at.as_number(value, name);
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

}  // namespace workbench::track
