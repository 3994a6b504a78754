#include "core/memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <fstream>
#include <limits>
#include <sstream>
#include <vector>

#include "core/error.h"

namespace workbench {

namespace {

constexpr std::int64_t kUnknown = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t kLeast = std::int64_t{256} << 20;  // a run of a tiny network

// The number of a file that has nothing else; kUnknown: no such file, or "max".
std::int64_t number_in(const std::string& path) {
  std::ifstream file(path);
  std::int64_t value = 0;
  return file >> value ? value : kUnknown;
}

// The number behind `key`, in units of 1024 bytes, as /proc has them.
std::int64_t kilobytes_of(const char* path, std::string_view key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (!line.starts_with(key)) continue;
    std::istringstream rest(line.substr(key.size()));
    std::int64_t value = 0;
    if (rest >> value) return value * 1024;
  }
  return kUnknown;
}

// What the control group of a container leaves.
std::int64_t free_in_group() {
  const std::int64_t most = number_in("/sys/fs/cgroup/memory.max");
  const std::int64_t used = number_in("/sys/fs/cgroup/memory.current");
  if (most == kUnknown || used == kUnknown) return kUnknown;
  return std::max<std::int64_t>(0, most - used);
}

std::int64_t default_limit() {
  const std::int64_t free =
      std::min(kilobytes_of("/proc/meminfo", "MemAvailable:"), free_in_group());
  return free == kUnknown ? kUnknown : std::max(kLeast, free / 2);
}

// The limit and what tensors hold are of the process, as its memory is.
std::atomic<std::int64_t>& limit() {
  static std::atomic<std::int64_t> bytes{default_limit()};
  return bytes;
}

std::atomic<std::int64_t>& held() {
  static std::atomic<std::int64_t> bytes{0};
  return bytes;
}

constexpr const char* kAdvice = "--memory-limit SIZE sets another";

}  // namespace

std::int64_t memory_limit() { return limit(); }

void set_memory_limit(std::int64_t bytes) { limit() = bytes; }

std::string memory_text(std::int64_t bytes) {
  const auto in = [&](int shift) {
    return static_cast<double>(bytes) / static_cast<double>(std::int64_t{1} << shift);
  };
  if (bytes >= std::int64_t{1} << 30) return fmt::format("{:.1f} GB", in(30));
  if (bytes >= std::int64_t{1} << 20) return fmt::format("{:.1f} MB", in(20));
  return fmt::format("{} bytes", bytes);
}

void require_memory(std::int64_t bytes, std::string_view what) {
  if (bytes <= limit()) return;
  fail("{}: needs {} of memory, more than the limit of {} ({})", what, memory_text(bytes),
       memory_text(limit()), kAdvice);
}

void enforce_memory_limit() {
#if !defined(__SANITIZE_ADDRESS__)  // its shadow memory counts, too
  const std::int64_t now = kilobytes_of("/proc/self/status", "VmData:");
  const std::int64_t most = limit();
  if (now == kUnknown || most > kUnknown - now) return;
  struct rlimit data {};
  if (getrlimit(RLIMIT_DATA, &data) != 0) return;
  data.rlim_cur = std::min(data.rlim_max, static_cast<rlim_t>(now + most));
  setrlimit(RLIMIT_DATA, &data);
#endif
}

std::int64_t tensor_memory() { return held(); }

void take_tensor_memory(std::int64_t bytes) {
  const std::int64_t before = held().fetch_add(bytes);
  if (bytes <= limit() && before <= limit() - bytes) return;
  held() -= bytes;
  fail("out of memory: {} beside {} that are in use, the limit is {} ({})", memory_text(bytes),
       memory_text(before), memory_text(limit()), kAdvice);
}

void return_tensor_memory(std::int64_t bytes) noexcept { held() -= bytes; }

std::string out_of_memory_message() {
  return fmt::format("out of memory: the limit is {} ({})", memory_text(limit()), kAdvice);
}

}  // namespace workbench
