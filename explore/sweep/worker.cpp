#include "explore/sweep/worker.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <set>
#include <string>
#include <tuple>

#include "core/error.h"
#include "core/file.h"
#include "core/json_fault.h"
#include "explore/store/store.h"
#include "explore/sweep/parameter.h"
#include "explore/sweep/recheck.h"

namespace workbench {

namespace fs = std::filesystem;
using json = nlohmann::ordered_json;

namespace {

constexpr std::string_view kFormat = "workbench sweep job";
constexpr std::chrono::seconds kSyncInterval{1};

Point point_of(const json& object, const std::string& where) {
  Point point{.network = object.at("network"), .machine = object.at("machine"), .settings = {}};
  for (const auto& [name, value] : object.at("settings").items()) {
    point.settings.push_back({name, value.get<std::string>()});
  }
  point.tier = tier_from(object.at("tier").get<std::string>(), where);
  return point;
}

// A line ends with digits of the SHA-256 of what is before them: one that a disk or an editor has
// changed is none.
constexpr std::string_view kSeal = ",\"sha256\":\"";
constexpr std::size_t kSealDigits = 16;

std::string sealed(std::string text) {
  text.pop_back();  // the object's brace
  const std::string digits = sha256_hex(text).substr(0, kSealDigits);
  return text + std::string(kSeal) + digits + "\"}";
}

bool is_sealed(std::string_view line) {
  const std::size_t seal = kSeal.size() + kSealDigits + 2;
  return line.size() > seal &&
         sealed(std::string(line.substr(0, line.size() - seal)) + "}") == line;
}

// Finished points, one line each. A line is in the kernel's hands once it is written, whatever
// becomes of this process, and on disk within a second.
class FinishedPoints {
 public:
  explicit FinishedPoints(const fs::path& path) : path_(path) {
    file_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NONBLOCK, 0666);
    if (file_ < 0) refuse();
    struct stat status {};
    char last = '\n';
    if (::fstat(file_, &status) != 0) refuse();
    if (!S_ISREG(status.st_mode)) fail("{}: cannot write: expected a file", path_.string());
    if (status.st_size > 0 && ::pread(file_, &last, 1, status.st_size - 1) != 1) refuse();
    if (last != '\n') write("\n");  // what was torn stays a line of its own
  }
  ~FinishedPoints() { ::close(file_); }
  FinishedPoints(const FinishedPoints&) = delete;
  FinishedPoints& operator=(const FinishedPoints&) = delete;

  void add(const StoredPoint& point) {
    write(sealed(point_json(point)) + "\n");
    const auto now = std::chrono::steady_clock::now();
    if (now - synced_ < kSyncInterval) return;
    sync();
    synced_ = now;
  }
  void sync() const {
    if (::fdatasync(file_) != 0) refuse();
  }

 private:
  // In one piece where the kernel takes it so: lines of two workers do not mix.
  void write(std::string_view text) const {
    while (!text.empty()) {
      const ssize_t written = ::write(file_, text.data(), text.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) refuse();
      text.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  [[noreturn]] void refuse() const {
    fail("{}: cannot write: {}", path_.string(), std::strerror(errno));
  }

  fs::path path_;
  int file_ = -1;
  std::chrono::steady_clock::time_point synced_;
};

// One of the two places.
class Output {
 public:
  explicit Output(const WorkerRequest& request) {
    if (!request.store.empty()) {
      store_.emplace(request.store);
      return;
    }
    std::error_code error;
    fs::create_directories(request.output, error);
    if (error) fail("--output {}: {}", request.output.string(), error.message());
    const fs::path path = chunk_file(request.output, request.chunk, request.chunks);
    std::uint64_t offset = 0;
    for (const StoredPoint& point : read_finished(path, offset)) keys_.insert(point.key);
    file_.emplace(path);
  }

  bool has(const std::string& key) const {
    return store_ ? store_->present(std::span(&key, 1))[0] : keys_.contains(key);
  }
  void add(const StoredPoint& point) {
    if (store_) return store_->add(point);
    file_->add(point);
  }
  void finish() const {
    if (file_) file_->sync();
  }

 private:
  std::optional<Store> store_;
  std::optional<FinishedPoints> file_;
  std::set<std::string> keys_;
};

}  // namespace

std::string job_json(const SweepJob& job) {
  json points = json::array();
  for (const KeyedPoint& keyed : job.points) {
    json settings = json::object();
    for (const Setting& setting : keyed.point.settings) settings[setting.name] = setting.value;
    points.push_back({{"key", keyed.key},
                      {"network", keyed.point.network},
                      {"machine", keyed.point.machine},
                      {"settings", settings},
                      {"tier", to_string(keyed.point.tier)}});
  }
  const json object = {{"format", kFormat},
                       {"version", kJobVersion},
                       {"program", job.program},
                       {"evaluate",
                        {{"golden", job.evaluate.golden},
                         {"values", job.evaluate.values},
                         {"layers", job.evaluate.layers}}},
                       {"points", points}};
  return object.dump(1) + "\n";
}

SweepJob read_job(const fs::path& path) {
  const std::string where = path.string();
  const std::string text = read_file(path);
  check_json_depth(text, where);
  SweepJob job;
  try {
    const json object = json::parse(text);
    if (object.value("format", "") != kFormat) {
      fail("{}: expected a job file of a sweep, found something else", where);
    }
    if (object.at("version") != kJobVersion) {
      fail("{}: expected a job file of version {}, found {}", where, kJobVersion,
           object.at("version").dump());
    }
    job.program = object.at("program");
    const json& evaluate = object.at("evaluate");
    job.evaluate = {.golden = evaluate.at("golden"),
                    .values = evaluate.at("values"),
                    .layers = evaluate.at("layers")};
    for (const json& point : object.at("points")) {
      job.points.push_back({point.at("key"), point_of(point, where)});
    }
  } catch (const json::exception& error) {
    fail("{}: expected a job file of a sweep, found {}", where, json_fault(error.what()));
  }
  if (job.program != program_version()) {
    fail("{}: expected a job of this program ({}), found one of {}", where,
         program_version().substr(0, 12), job.program.substr(0, 12));
  }
  return job;
}

std::span<const KeyedPoint> chunk_of(const SweepJob& job, std::int64_t chunk, std::int64_t chunks) {
  if (chunks < 1 || chunk < 0 || chunk >= chunks) {
    fail("--chunk {} --chunks {}: expected a chunk from 0 to one less than there are", chunk,
         chunks);
  }
  const auto count = job.points.size();
  const auto part = [&](std::int64_t k) {
    return count * static_cast<std::size_t>(k) / static_cast<std::size_t>(chunks);
  };
  return std::span(job.points).subspan(part(chunk), part(chunk + 1) - part(chunk));
}

fs::path chunk_file(const fs::path& folder, std::int64_t chunk, std::int64_t chunks) {
  return folder / fmt::format("chunk-{}-of-{}.jsonl", chunk, chunks);
}

std::vector<StoredPoint> read_finished(const fs::path& file, std::uint64_t& offset) {
  std::vector<StoredPoint> points;
  std::error_code none;
  if (!fs::is_regular_file(file, none)) return points;
  std::ifstream stream(file, std::ios::binary);
  if (!stream) return points;
  stream.seekg(static_cast<std::streamoff>(offset));
  std::string line;
  while (std::getline(stream, line) && !stream.eof()) {  // eof: no line break, more may come
    offset += line.size() + 1;
    if (!is_sealed(line)) continue;  // torn when its writer was killed, or damaged since
    try {
      points.push_back(point_from_json(line, file.string()));
    } catch (const Error&) {  // of another build
    }
  }
  return points;
}

WorkerResult work_on_chunk(const WorkerRequest& request,
                           const std::function<void(std::size_t, std::size_t)>& progress) {
  if (request.output.empty() == request.store.empty()) {
    fail("sweep-worker: expected one of --output and --store");
  }
  const SweepJob job = read_job(request.job);
  const std::span<const KeyedPoint> points = chunk_of(job, request.chunk, request.chunks);
  Output output(request);
  Evaluator evaluator(job.evaluate);
  const PlannedSignal signal;
  WorkerResult result;
  for (const KeyedPoint& keyed : points) {
    if (output.has(keyed.key)) {
      ++result.present;
    } else {
      const StoredPoint finished{keyed.key, keyed.point, evaluator.evaluate(keyed.point)};
      output.add(finished);
      ++result.computed;
      if (finished.result.status == PointResult::Status::Infeasible) ++result.infeasible;
      if (finished.result.status == PointResult::Status::Failed) ++result.failed;
      const std::size_t there = result.computed + result.present;
      signal.pass(there - 1, there);
    }
    if (progress) progress(result.computed + result.present, points.size());
  }
  output.finish();
  return result;
}

namespace {

// How much has to be done again where a setting differs.
enum class Depth { Network, Integers, Program, Card };
constexpr std::size_t kDepths = 4;

// What the machine's integers and its program depend on is a matter of its knobs.
Depth depth_of(std::string_view name) {
  switch (stage_of(name)) {
    case Stage::Imported:
      return Depth::Network;
    case Stage::Quantized:
      return Depth::Integers;
    case Stage::Compiled:
      return Depth::Program;
    case Stage::Reported:
    case Stage::Shown:
      return Depth::Card;
    case Stage::Hardware:
      break;
  }
  const std::string knob = knob_of(name);
  if (knob.starts_with("board.")) return Depth::Card;
  for (const std::string_view part : {"array.", "filters.", "limits.", "features."}) {
    if (knob.starts_with(part)) return Depth::Integers;
  }
  return Depth::Program;
}

using SortingKey = std::array<std::string, kDepths>;

SortingKey sorting_key(const Point& point) {
  SortingKey key;
  key[0] = point.network + '\n' + point.machine;
  std::vector<Setting> settings = point.settings;
  std::sort(settings.begin(), settings.end());
  for (const Setting& setting : settings) {
    key[static_cast<std::size_t>(depth_of(setting.name))] +=
        '\n' + setting.name + '=' + setting.value;
  }
  key[static_cast<std::size_t>(Depth::Program)] += to_string(point.tier);
  return key;
}

}  // namespace

std::vector<std::size_t> sharing_order(std::span<const Point> points) {
  std::vector<SortingKey> keys;
  for (const Point& point : points) keys.push_back(sorting_key(point));
  std::vector<std::size_t> order(points.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return std::tie(keys[a], a) < std::tie(keys[b], b);
  });
  return order;
}

Stretches::Stretches(std::size_t count, std::size_t workers) : count_(count), stretches_(workers) {
  for (std::size_t w = 0; w < workers; ++w) {
    stretches_[w].begin = count * w / workers;
    stretches_[w].end = count * (w + 1) / workers;
  }
}

std::size_t Stretches::next(std::size_t worker) {
  Stretch& own = stretches_[worker];
  if (!own.again.empty()) {
    const std::size_t position = own.again.back();
    own.again.pop_back();
    return position;
  }
  if (own.left() == 0) {
    Stretch& longest =
        *std::max_element(stretches_.begin(), stretches_.end(),
                          [](const Stretch& a, const Stretch& b) { return a.left() < b.left(); });
    if (longest.left() == 0) return count_;
    own.end = longest.end;
    own.begin = longest.end - (longest.left() + 1) / 2;
    longest.end = own.begin;
  }
  return own.begin++;
}

void Stretches::put_back(std::size_t worker, std::size_t position) {
  stretches_[worker].again.push_back(position);
}

bool Stretches::empty() const {
  return std::all_of(stretches_.begin(), stretches_.end(), [](const Stretch& stretch) {
    return stretch.again.empty() && stretch.left() == 0;
  });
}

namespace {

void use_absolute_paths(Point& point) {
  std::error_code none;
  for (std::string* name : {&point.network, &point.machine}) {
    if (fs::exists(*name, none)) *name = fs::absolute(*name).string();
  }
  for (Setting& setting : point.settings) {
    if (fs::is_regular_file(setting.value, none) || fs::is_directory(setting.value, none)) {
      setting.value = fs::absolute(setting.value).string();
    }
  }
}

}  // namespace

Missing missing_of(std::span<const KeyedPoint> points) {
  Missing missing;
  for (const KeyedPoint& keyed : points) missing.emplace(keyed.key, &keyed);
  return missing;
}

SweepJob job_of(std::span<const KeyedPoint> points, const Missing& missing,
                const EvaluatorOptions& evaluate) {
  SweepJob job{.program = program_version(), .evaluate = evaluate, .points = {}};
  std::vector<Point> plain;
  for (const KeyedPoint& keyed : points) plain.push_back(keyed.point);
  for (const std::size_t i : sharing_order(plain)) {
    if (missing.contains(points[i].key)) job.points.push_back(points[i]);
  }
  for (KeyedPoint& keyed : job.points) use_absolute_paths(keyed.point);
  return job;
}

std::vector<FinishedFile> finished_in(const fs::path& folder) {
  std::error_code none;
  std::vector<fs::path> files;
  for (fs::directory_iterator entry(folder, none), end; !none && entry != end;
       entry.increment(none)) {
    if (entry->path().extension() == ".jsonl") files.push_back(entry->path());
  }
  std::sort(files.begin(), files.end());
  std::vector<FinishedFile> all;
  for (const fs::path& file : files) {
    std::uint64_t offset = 0;
    all.push_back({file, read_finished(file, offset)});
  }
  return all;
}

void add_wanted(std::vector<StoredPoint> finished, Missing& missing, Store& store) {
  std::vector<StoredPoint> wanted;
  for (StoredPoint& point : finished) {
    const auto asked = missing.find(point.key);
    if (asked == missing.end()) continue;
    point.point = asked->second->point;
    missing.erase(asked);
    wanted.push_back(std::move(point));
  }
  if (!wanted.empty()) store.add(wanted);
}

namespace {

bool any_missing(std::span<const StoredPoint> finished, const Missing& missing) {
  return std::ranges::any_of(finished,
                             [&](const StoredPoint& point) { return missing.contains(point.key); });
}

}  // namespace

void collect_and_ask(const Execution& execution) {
  const auto& [points, options, progress, stops, result] = execution;
  std::error_code error;
  fs::create_directories(options.folder, error);
  if (error) fail("{}: cannot be made: {}", options.folder.string(), error.message());
  Missing missing = missing_of(points);
  std::vector<FinishedFile> files = finished_in(options.folder);
  std::erase_if(files,
                [&](const FinishedFile& file) { return !any_missing(file.points, missing); });
  const std::vector<FileCheck> checks = Recheck(execution).check(files);
  std::string fault;
  {
    Store store(options.store);
    for (std::size_t i = 0; i < files.size(); ++i) {
      if (fault.empty()) fault = checks[i].fault;
      if (!checks[i].known) result.interrupted = true;
      if (!checks[i].known || !checks[i].fault.empty()) continue;
      add_wanted(std::move(files[i].points), missing, store);
    }
  }
  if (!fault.empty()) throw Error(fault);
  result.computed = points.size() - missing.size();
  progress(result.computed, points.size());
  if (result.interrupted) return;
  const fs::path job = options.folder / "job.json";
  if (missing.empty()) {
    fs::remove(job, error);
    return;
  }
  write_file(job, job_json(job_of(points, missing, options.evaluate)));
  result.warnings.push_back(
      fmt::format("{} points are to be computed by: workbench sweep-worker {} --chunk K --chunks N "
                  "--output {}, "
                  "for K from 0 to N-1; then give this command again",
                  missing.size(), job.string(), options.folder.string()));
}

}  // namespace workbench
