#include "compiler/quantize/statistics_cache.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "compiler/quantize/graph_digest.h"
#include "core/file.h"
#include "core/parallel.h"

namespace workbench {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kMagic = "workbench statistics 2\n";
constexpr std::size_t kDigestLength = 64;
constexpr std::string_view kSuffix = ".statistics";
constexpr std::uintmax_t kMaxBytes = std::uintmax_t{1} << 30;

class Writer {
 public:
  template <typename T>
  requires std::is_arithmetic_v<T>
  void add(T value) { bytes_.append(reinterpret_cast<const char*>(&value), sizeof value); }
  void add(const std::string& text) {
    add(text.size());
    bytes_ += text;
  }
  template <typename T>
  void add(const std::vector<T>& values) {
    add(values.size());
    bytes_.append(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T));
  }
  std::string take() { return std::move(bytes_); }

 private:
  std::string bytes_;
};

// Reads what Writer wrote; after anything else ok() is false.
class Reader {
 public:
  explicit Reader(std::string_view bytes) : left_(bytes) {}

  template <typename T>
  requires std::is_arithmetic_v<T>
  void read(T& value) {
    const std::string_view bytes = cut(1, sizeof value);
    if (ok_) std::memcpy(&value, bytes.data(), sizeof value);
  }
  void read(std::string& text) {
    std::size_t size = 0;
    read(size);
    text = cut(size, 1);
  }
  template <typename T>
  void read(std::vector<T>& values) {
    std::size_t size = 0;
    read(size);
    const std::string_view bytes = cut(size, sizeof(T));
    if (!ok_) return;
    values.resize(size);
    if (size > 0) std::memcpy(values.data(), bytes.data(), bytes.size());
  }

  bool ok() const { return ok_; }
  bool done() const { return ok_ && left_.empty(); }

 private:
  std::string_view cut(std::size_t count, std::size_t size) {
    ok_ = ok_ && count <= left_.size() / size;
    if (!ok_) return {};
    const std::string_view bytes = left_.substr(0, count * size);
    left_.remove_prefix(bytes.size());
    return bytes;
  }

  std::string_view left_;
  bool ok_ = true;
};

fs::path entry_path(const SampleCache& cache, const std::string& key) {
  return cache.folder / (key + std::string(kSuffix));
}

std::optional<std::string> environment(const char* name) {
  const char* const value = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): none is ever set
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

struct Entry {
  fs::path path;
  fs::file_time_type used;
  std::uintmax_t bytes = 0;
};

std::vector<Entry> entries_of(const fs::path& folder) {
  std::vector<Entry> entries;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
    std::error_code gone;  // by another process
    if (it->path().extension() != kSuffix) continue;
    Entry entry{it->path(), it->last_write_time(gone), it->file_size(gone)};
    if (!gone) entries.push_back(std::move(entry));
  }
  return entries;
}

void drop_oldest(const fs::path& folder) {
  std::vector<Entry> entries = entries_of(folder);
  std::uintmax_t bytes = 0;
  for (const Entry& entry : entries) bytes += entry.bytes;
  if (bytes <= kMaxBytes) return;
  std::ranges::sort(entries, {},
                    [](const Entry& entry) { return std::pair(entry.used, entry.path); });
  for (const Entry& entry : entries) {
    if (bytes <= kMaxBytes) return;
    std::error_code ignored;
    fs::remove(entry.path, ignored);
    bytes -= entry.bytes;
  }
}

}  // namespace

fs::path cache_folder(const std::string& asked) {
  const std::string named = !asked.empty() ? asked : environment("WORKBENCH_CACHE").value_or("");
  if (named == "none") return {};
  if (!named.empty()) {
    std::error_code error;
    fs::create_directories(named, error);
    if (error) fail("--calibration-cache {}: cannot create the folder: {}", named, error.message());
    return named;
  }
  fs::path folder;
  if (const auto base = environment("XDG_CACHE_HOME")) {
    folder = *base;
  } else if (const auto home = environment("HOME")) {
    folder = fs::path(*home) / ".cache";
  } else {
    return {};
  }
  std::error_code error;
  fs::create_directories(folder / "workbench", error);
  const bool usable = !error && access((folder / "workbench").c_str(), W_OK) == 0;
  return usable ? folder / "workbench" : fs::path();
}

SampleSource with_cache(const SampleSource& samples, const fs::path& folder,
                        std::function<void(const std::string&)> warn) {
  SampleSource result = samples;
  if (folder.empty() || samples.count < 2) return result;
  std::vector<std::string> digests(samples.count);
  parallel_for(static_cast<std::int64_t>(samples.count), 0, [&](std::int64_t i) {
    const auto at = static_cast<std::size_t>(i);
    for (const Tensor& tensor : samples.at(at)) digests[at] += tensor_digest(tensor);
  });
  std::string all;
  for (const std::string& digest : digests) all += digest + "\n";
  result.cache = SampleCache{folder, sha256_hex(all), std::move(warn)};
  return result;
}

std::string cache_key(const Graph& graph, const std::vector<std::string>& names,
                      const SampleSource& samples) {
  CHECK(samples.cache.has_value(), "samples without a cache");
  std::string text = fmt::format("{}{}\n{}\n{}\n", kMagic, program_version(), graph_digest(graph),
                                 samples.cache->digest);
  for (const std::string& name : names) text += fmt::format("{}:{}", name.size(), name);
  return sha256_hex(text);
}

std::optional<Statistics> cached_statistics(const SampleCache& cache, const std::string& key) {
  const fs::path path = entry_path(cache, key);
  std::error_code ignored;
  if (!fs::exists(path, ignored)) return std::nullopt;
  // To open a pipe waits for its other end, and a device may have no end.
  if (!fs::is_regular_file(path, ignored)) {
    cache.warn(fmt::format("{}: expected a regular file; calibrated anew", path.string()));
    return std::nullopt;
  }
  std::string bytes;
  try {
    bytes = read_file(path);
  } catch (const Error& error) {
    cache.warn(fmt::format("{}; calibrated anew", error.what()));
    return std::nullopt;
  }
  std::optional<Statistics> statistics = statistics_from(bytes);
  if (!statistics) {
    cache.warn(fmt::format("{}: the entry is damaged; calibrated anew", path.string()));
    return std::nullopt;
  }
  fs::last_write_time(path, fs::file_time_type::clock::now(), ignored);
  return statistics;
}

void cache_statistics(const SampleCache& cache, const std::string& key, const Statistics& values) {
  const fs::path path = entry_path(cache, key);
  std::error_code ignored;
  // Other errors were reported when it was read.
  if (fs::exists(path, ignored) && !fs::is_regular_file(path, ignored)) return;
  try {
    write_file(path, statistics_bytes(values));
  } catch (const Error& error) {
    cache.warn(fmt::format("calibration cache: {}", error.what()));
    return;
  }
  drop_oldest(cache.folder);
}

std::string statistics_bytes(const Statistics& statistics) {
  Writer writer;
  writer.add(statistics.size());
  for (const auto& [name, value] : statistics) {
    writer.add(name);
    writer.add(value.low);
    writer.add(value.high);
    writer.add(value.channel_low);
    writer.add(value.channel_high);
    writer.add(value.channel_mean);
    writer.add(value.histogram.max);
    writer.add(value.histogram.counts);
    writer.add(value.group_counts.size());
    for (const auto& counts : value.group_counts) writer.add(counts);
  }
  const std::string payload = writer.take();
  return std::string(kMagic) + sha256_hex(payload) + payload;
}

std::optional<Statistics> statistics_from(std::string_view bytes) {
  if (!bytes.starts_with(kMagic)) return std::nullopt;
  bytes.remove_prefix(kMagic.size());
  if (bytes.size() < kDigestLength) return std::nullopt;
  const std::string_view digest = bytes.substr(0, kDigestLength);
  bytes.remove_prefix(kDigestLength);
  if (sha256_hex(bytes) != digest) return std::nullopt;
  Reader reader(bytes);
  std::size_t count = 0;
  reader.read(count);
  Statistics statistics;
  for (std::size_t i = 0; i < count && reader.ok(); ++i) {
    std::string name;
    ValueStatistics value;
    reader.read(name);
    reader.read(value.low);
    reader.read(value.high);
    reader.read(value.channel_low);
    reader.read(value.channel_high);
    reader.read(value.channel_mean);
    reader.read(value.histogram.max);
    reader.read(value.histogram.counts);
    std::size_t groups = 0;
    reader.read(groups);
    for (std::size_t g = 0; g < groups && reader.ok(); ++g) {
      reader.read(value.group_counts.emplace_back());
    }
    statistics.insert_or_assign(std::move(name), std::move(value));
  }
  if (!reader.done() || statistics.size() != count) return std::nullopt;
  return statistics;
}

}  // namespace workbench
