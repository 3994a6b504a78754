#include "explore/sweep/point.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <map>
#include <mutex>
#include <nlohmann/json.hpp>

#include "compiler/import/import.h"
#include "core/error.h"
#include "core/file.h"
#include "explore/flow/inputs.h"
#include "explore/flow/machine.h"
#include "explore/options.h"

namespace workbench {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

// A name that is no UTF-8 is no name of anything, but must not end the program either.
std::string text(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

// Evidence that a file has not changed since it was read.
struct FileState {
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  std::int64_t modified_ns = 0, changed_ns = 0;
  friend bool operator==(const FileState&, const FileState&) = default;
};

FileState state_of(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) != 0) {
    fail("{}: cannot read: {}", path.string(), std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) fail("{}: expected a file, found something else", path.string());
  const auto ns = [](const timespec& time) {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec;
  };
  return {status.st_dev, status.st_ino, status.st_size, ns(status.st_mtim), ns(status.st_ctim)};
}

// Digest of a file's contents, computed once while the file is unchanged: a sweep names
// thousands of points that share a network of 100 MB.
class Remembered {
 public:
  template <typename Compute>
  json of(const fs::path& path, const Compute& compute) {
    const FileState state = state_of(path);
    const std::lock_guard lock(mutex_);
    if (const auto found = entries_.find(path); found != entries_.end()) {
      if (found->second.state == state) return found->second.value;
    }
    json value = compute();
    entries_[path] = {state, value};
    return value;
  }

 private:
  struct Entry {
    FileState state;
    json value;
  };
  std::mutex mutex_;
  std::map<fs::path, Entry> entries_;
};

json file_address(const fs::path& path) {
  static Remembered contents;
  return contents.of(path, [&] { return json(sha256_of_file(path)); });
}

// Of a folder: every file in it, by name.
json address(const fs::path& path) {
  if (!fs::is_directory(path)) return file_address(path);
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(path)) {
    if (entry.is_regular_file()) files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  json listing = json::array();
  for (const fs::path& file : files) {
    listing.push_back({file.lexically_relative(path).string(), file_address(file)});
  }
  return sha256_hex(text(listing));
}

json network_address(const std::string& network) {
  const fs::path beside = preprocessing_file(network, {});
  json parts = json::object();
  if (!beside.empty()) parts["preprocessing"] = file_address(beside);
  if (is_zoo({.name = network})) {
    if (beside.empty()) return network;
    parts["zoo"] = network;
    return parts;
  }
  static Remembered locations;
  const fs::path path = network;
  parts["file"] = file_address(path);
  if (const auto companion = companion_file(path)) {
    parts["companion"] = {companion->filename().string(), file_address(*companion)};
  }
  const json external = locations.of(path, [&] { return json(external_data_locations(path)); });
  for (const json& location : external) {
    const auto name = location.get<std::string>();
    parts["external"].push_back({name, file_address(path.parent_path() / name)});
  }
  return parts;
}

json value_address(const Setting& setting) {
  std::error_code not_there;
  if (!fs::exists(setting.value, not_there)) return setting.value;
  bool may_be_file = false;
  static const CompileRequest request;
  for_each_option(request, [&](const Option& option, const auto& member) {
    may_be_file = may_be_file || (option.name == setting.name && may_name_file(option, member));
  });
  if (!may_be_file) return setting.value;
  return {{"file", address(setting.value)}};
}

}  // namespace

std::string_view to_string(Tier tier) {
  switch (tier) {
    case Tier::Analytic:
      return "analytic";
    case Tier::Transaction:
      return "transaction";
  }
  CHECK(false, "tier {}", static_cast<int>(tier));
}

std::string_view to_string(PointResult::Status status) {
  switch (status) {
    case PointResult::Status::Ok:
      return "ok";
    case PointResult::Status::Infeasible:
      return "infeasible";
    case PointResult::Status::Failed:
      return "failed";
  }
  CHECK(false, "status {}", static_cast<int>(status));
}

std::string file_content(const fs::path& path) { return text(address(path)); }

std::string network_content(const std::string& network) { return text(network_address(network)); }

std::string point_key(const Point& point, std::string_view version) {
  json settings = json::object();  // in order of the names
  for (const Setting& setting : point.settings) {
    if (settings.contains(setting.name)) {
      fail("{}={}: expected one value for each parameter, found a second one", setting.name,
           setting.value);
    }
    settings[setting.name] = value_address(setting);
  }
  const json question = {{"machine", file_address(find_machine_file(point.machine))},
                         {"network", network_address(point.network)},
                         {"program", version},
                         {"settings", settings},
                         {"tier", to_string(point.tier)}};
  return sha256_hex(text(question));
}

}  // namespace workbench
