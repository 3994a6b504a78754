#include "explore/store/store.h"

#include <array>
#include <cmath>
#include <ctime>
#include <nlohmann/json.hpp>
#include <set>

#include "core/error.h"
#include "core/file.h"
#include "core/json_fault.h"
#include "explore/store/tables.h"

namespace workbench {

using sqlite::Statement;
using sqlite::Transaction;

namespace {

std::string now_utc() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  std::array<char, 32> text{};
  const std::size_t size = std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts);
  return {text.data(), size};
}

// The point that the index has under this key, which a damaged table may lack or have another of.
StoredPoint point_at(const sqlite::Connection& connection, std::int64_t point,
                     const std::string& key, bool with_layers) {
  std::optional<PointRow> row = read_point(connection, point, with_layers);
  if (row && row->stored.key == key) return std::move(row->stored);
  const std::string name = connection.path().string();
  throw sqlite::Damaged(fmt::format(
      "{}: damaged: expected point {} where its index has it, found {}; what can be read is kept "
      "by: workbench results --store {} --salvage NEW.db",
      name, key, row ? "another" : "none", name));
}

}  // namespace

struct Store::Database {
  std::unique_ptr<sqlite::Connection> connection;

  const sqlite::Connection& operator*() const { return *connection; }

  std::vector<std::string> texts(Statement& query) const {
    std::vector<std::string> result;
    while (query.step()) result.push_back(query.text(0));
    return result;
  }
};

Store::Store(const std::filesystem::path& path, Access access)
    : database_(std::make_unique<Database>()) {
  database_->connection = access == Access::Write ? open_to_write(path) : open_to_read(path);
}

Store::~Store() = default;
Store::Store(Store&&) noexcept = default;
Store& Store::operator=(Store&&) noexcept = default;

void Store::add(const StoredPoint& point) { add({&point, 1}); }

void Store::add(std::span<const StoredPoint> points) {
  Transaction transaction(**database_);
  for (const StoredPoint& point : points) {
    insert_point(**database_,
                 {.stored = point, .created = now_utc(), .version = program_version()});
  }
  transaction.commit();
}

std::optional<StoredPoint> Store::find(const std::string& key, bool with_layers) const {
  Transaction snapshot(**database_, Transaction::Kind::Read);
  const std::optional<std::int64_t> point = point_of_key(**database_, key);
  if (!point) return std::nullopt;
  return point_at(**database_, *point, key, with_layers);
}

std::vector<bool> Store::present(std::span<const std::string> keys) const {
  Transaction snapshot(**database_, Transaction::Kind::Read);
  std::vector<bool> result;
  for (const std::string& key : keys) result.push_back(point_of_key(**database_, key).has_value());
  return result;
}

std::vector<std::string> Store::keys() const {
  Statement query = (**database_).statement("SELECT key FROM points ORDER BY key");
  return database_->texts(query);
}

std::vector<std::string> Store::keys_beginning_with(const std::string& prefix) const {
  Statement query =
      (**database_)
          .statement("SELECT key FROM points WHERE substr(key, 1, length(?1)) = ?1 ORDER BY key");
  query.bind(prefix);
  return database_->texts(query);
}

void Store::describe_metrics(std::span<const PointMetric> of_points,
                             std::span<const PointMetric> of_layers) {
  workbench::describe_metrics(**database_, of_points, of_layers);
}

std::int64_t Store::begin_run(const RunRecord& run, std::span<const std::string> keys) {
  RunRecord record = run;
  if (record.created.empty()) record.created = now_utc();
  if (record.version.empty()) record.version = program_version();
  Transaction transaction(**database_);
  const std::int64_t id = insert_run(**database_, record);
  std::int64_t position = 0;
  for (const std::string& key : keys) insert_run_point(**database_, id, position++, key);
  transaction.commit();
  return id;
}

void Store::extend_run(std::int64_t run, std::span<const std::string> keys) {
  Transaction transaction(**database_);
  std::set<std::string> there;
  for (std::string& key : run_keys(run)) there.insert(std::move(key));
  auto position = counts(run).asked;
  for (const std::string& key : keys) {
    if (there.insert(key).second) insert_run_point(**database_, run, position++, key);
  }
  transaction.commit();
}

std::vector<RunRecord> Store::runs() const {
  Transaction snapshot(**database_, Transaction::Kind::Read);
  std::vector<std::int64_t> ids;
  {
    Statement query = (**database_).statement("SELECT run FROM runs ORDER BY run");
    while (query.step()) ids.push_back(query.integer(0));
  }
  std::vector<RunRecord> result;
  for (const std::int64_t id : ids) {
    if (std::optional<RunRecord> run = read_run(**database_, id)) result.push_back(std::move(*run));
  }
  return result;
}

RunCounts Store::counts(std::int64_t run) const {
  Statement query =
      (**database_)
          .statement(
              "SELECT count(*), coalesce(sum(p.status = 'ok'), 0), "
              "coalesce(sum(p.status = 'infeasible'), 0), coalesce(sum(p.status = 'failed'), 0) "
              "FROM run_points r LEFT JOIN points p ON p.key = r.key WHERE r.run = ?");
  query.bind(run);
  CHECK(query.step());
  return {.asked = query.integer(0),
          .ok = query.integer(1),
          .infeasible = query.integer(2),
          .failed = query.integer(3)};
}

std::vector<std::string> Store::run_keys(std::int64_t run) const {
  Statement query =
      (**database_).statement("SELECT key FROM run_points WHERE run = ? ORDER BY position");
  query.bind(run);
  return database_->texts(query);
}

std::vector<StoredPoint> Store::run_points(std::int64_t run, bool with_layers) const {
  Transaction snapshot(**database_, Transaction::Kind::Read);
  std::vector<StoredPoint> result;
  for (const std::string& key : run_keys(run)) {
    const std::optional<std::int64_t> point = point_of_key(**database_, key);
    if (point) result.push_back(point_at(**database_, *point, key, with_layers));
  }
  return result;
}

using json = nlohmann::ordered_json;

namespace {

json figures(const std::map<std::string, double>& metrics) {
  json object = json::object();
  for (const auto& [name, value] : metrics) {
    CHECK(std::isfinite(value), "{} is {}", name, value);
    object[name] = value + 0.0;  // minus zero is zero
  }
  return object;
}

json layers(const std::vector<LayerFigures>& layers) {
  json list = json::array();
  for (const LayerFigures& layer : layers) {
    list.push_back({{"name", layer.name},
                    {"op", layer.op},
                    {"shape", layer.shape},
                    {"metrics", figures(layer.metrics)}});
  }
  return list;
}

json settings_object(const std::vector<Setting>& settings) {
  json object = json::object();
  for (const Setting& setting : settings) object[setting.name] = setting.value;
  return object;
}

std::map<std::string, double> figures_from(const json& object) {
  return object.get<std::map<std::string, double>>();
}

}  // namespace

std::string settings_json(const std::vector<Setting>& settings) {
  return settings_object(settings).dump();
}

std::string point_json(const StoredPoint& stored) {
  const Point& point = stored.point;
  const PointResult& result = stored.result;
  const json exact = result.bit_exact ? json(*result.bit_exact) : json();
  const json object = {{"key", stored.key},
                       {"network", point.network},
                       {"machine", point.machine},
                       {"settings", settings_object(point.settings)},
                       {"tier", to_string(point.tier)},
                       {"status", to_string(result.status)},
                       {"reason", result.reason},
                       {"bit_exact", exact},
                       {"seconds", result.seconds},
                       {"metrics", figures(result.metrics)},
                       {"layers", layers(result.layers)}};
  try {
    return object.dump();
  } catch (const json::exception&) {
    fail("point {}: expected names in UTF-8, found other bytes", stored.key);
  }
}

Tier tier_from(std::string_view text, const std::string& where) {
  for (const Tier tier : {Tier::Analytic, Tier::Transaction}) {
    if (text == to_string(tier)) return tier;
  }
  fail("{}: expected analytic or transaction, found '{}'", where, text);
}

PointResult::Status status_from(std::string_view text, const std::string& where) {
  using Status = PointResult::Status;
  for (const Status status : {Status::Ok, Status::Infeasible, Status::Failed}) {
    if (text == to_string(status)) return status;
  }
  fail("{}: expected ok, infeasible or failed, found '{}'", where, text);
}

StoredPoint point_from_json(std::string_view text, const std::string& where) {
  check_json_depth(text, where);
  try {
    const json object = json::parse(text);
    StoredPoint stored;
    stored.key = object.at("key").get<std::string>();
    stored.point.network = object.at("network").get<std::string>();
    stored.point.machine = object.at("machine").get<std::string>();
    for (const auto& [name, value] : object.at("settings").items()) {
      stored.point.settings.push_back({name, value.get<std::string>()});
    }
    stored.point.tier = tier_from(object.at("tier").get<std::string>(), where);
    PointResult& result = stored.result;
    result.status = status_from(object.at("status").get<std::string>(), where);
    result.reason = object.at("reason").get<std::string>();
    if (!object.at("bit_exact").is_null()) result.bit_exact = object.at("bit_exact").get<bool>();
    result.seconds = object.at("seconds").get<double>();
    result.metrics = figures_from(object.at("metrics"));
    for (const json& layer : object.at("layers")) {
      result.layers.push_back({.name = layer.at("name").get<std::string>(),
                               .op = layer.at("op").get<std::string>(),
                               .shape = layer.at("shape").get<std::string>(),
                               .metrics = figures_from(layer.at("metrics"))});
    }
    return stored;
  } catch (const json::exception& error) {
    fail("{}: expected a point as JSON, found {}", where, json_fault(error.what()));
  }
}

}  // namespace workbench
