#include "compiler/memory/allocate.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <map>
#include <numeric>
#include <random>

#include "core/error.h"

namespace workbench {

std::int64_t peak_demand(const Problem& problem) {
  std::map<std::int64_t, std::int64_t> change;  // time -> difference of live size
  for (const Buffer& buffer : problem.buffers) {
    change[buffer.begin] += buffer.size;
    change[buffer.end] -= buffer.size;
  }
  std::int64_t live = 0, peak = 0;
  for (const auto& [time, difference] : change) {
    live += difference;
    peak = std::max(peak, live);
  }
  return peak;
}

namespace {

struct Placed {
  std::int64_t begin, end;  // addresses
};

bool alive_together(const Buffer& a, const Buffer& b) { return a.begin < b.end && b.begin < a.end; }

// Places buffers in the given order, each at the lowest free address, or with `prefer_top` at the
// highest one below the capacity.
std::optional<Solution> place(const Problem& problem, const std::vector<std::size_t>& order) {
  Solution solution{std::vector<std::int64_t>(problem.buffers.size(), 0), 0};
  std::vector<std::size_t> done;
  std::vector<Placed> taken;
  for (const std::size_t i : order) {
    const Buffer& buffer = problem.buffers[i];
    taken.clear();
    for (const std::size_t j : done) {
      if (!alive_together(buffer, problem.buffers[j])) continue;
      taken.push_back({solution.offsets[j], solution.offsets[j] + problem.buffers[j].size});
    }
    std::sort(taken.begin(), taken.end(),
              [](const Placed& a, const Placed& b) { return a.begin < b.begin; });
    std::int64_t free = 0, chosen = -1;
    taken.push_back({problem.capacity, problem.capacity});
    for (const Placed& block : taken) {  // gaps [free, block.begin) in ascending order
      if (block.begin - free >= buffer.size) {
        chosen = buffer.prefer_top ? block.begin - buffer.size : free;
        if (!buffer.prefer_top) break;
      }
      free = std::max(free, block.end);
    }
    if (chosen < 0) return std::nullopt;
    solution.offsets[i] = chosen;
    solution.extent = std::max(solution.extent, chosen + buffer.size);
    done.push_back(i);
  }
  return solution;
}

}  // namespace

std::optional<Solution> allocate(const Problem& problem) {
  const auto& buffers = problem.buffers;
  if (peak_demand(problem) > problem.capacity) return std::nullopt;
  using Key = std::function<std::int64_t(const Buffer&)>;
  const std::vector<Key> keys = {
      [](const Buffer& b) { return -b.size; },                      // largest first
      [](const Buffer& b) { return -b.size * (b.end - b.begin); },  // largest area first
      [](const Buffer& b) { return -(b.end - b.begin); },           // longest first
      [](const Buffer& b) { return b.begin; },                      // in program order
  };
  std::vector<std::size_t> order(buffers.size());
  const auto ordered = [&](const Key& key) {
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return key(buffers[a]) < key(buffers[b]);
    });
    return place(problem, order);
  };
  for (const Key& key : keys) {
    if (auto solution = ordered(key)) return solution;
  }
  // Without the wish to sit at the top there is more freedom.
  Problem plain = problem;
  for (Buffer& buffer : plain.buffers) buffer.prefer_top = false;
  for (const Key& key : keys) {
    ordered(key);
    if (auto solution = place(plain, order)) return solution;
  }
  // Seeded local search: swap two neighbours of the largest-first order and try again.
  std::mt19937_64 random(1);
  ordered(keys[0]);
  for (int attempt = 0; attempt < 2000 && order.size() > 1; ++attempt) {
    const std::size_t i = random() % order.size(), j = random() % order.size();
    std::swap(order[i], order[j]);
    if (auto solution = place(plain, order)) return solution;
    if (attempt % 50 == 49) ordered(keys[0]);
  }
  return std::nullopt;
}

std::vector<std::string> validate(const Problem& problem, const Solution& solution) {
  std::vector<std::string> violations;
  const std::size_t count = problem.buffers.size();
  if (solution.offsets.size() != count) {
    violations.push_back(
        fmt::format("{} addresses for {} buffers", solution.offsets.size(), count));
    return violations;
  }
  for (std::size_t i = 0; i < count; ++i) {
    const Buffer& a = problem.buffers[i];
    const std::int64_t first = solution.offsets[i], last = first + a.size - 1;
    if (first < 0 || last >= problem.capacity) {
      violations.push_back(fmt::format("'{}' at [{}, {}] is outside [0, {})", a.name, first, last,
                                       problem.capacity));
    }
    for (std::size_t j = i + 1; j < count; ++j) {
      const Buffer& b = problem.buffers[j];
      const std::int64_t b_first = solution.offsets[j], b_last = b_first + b.size - 1;
      const bool same_time = std::max(a.begin, b.begin) < std::min(a.end, b.end);
      const bool same_space = std::max(first, b_first) <= std::min(last, b_last);
      if (same_time && same_space) {
        violations.push_back(fmt::format("'{}' and '{}' overlap", a.name, b.name));
      }
    }
  }
  return violations;
}

}  // namespace workbench
