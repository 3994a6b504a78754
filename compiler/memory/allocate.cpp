#include "compiler/memory/allocate.h"

#include <algorithm>
#include <map>
#include <numeric>

#include "compiler/memory/exact.h"
#include "compiler/memory/strategies.h"
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

// The address of `buffer` in the gap [begin, end), at its top or its bottom: -1 when it is too
// small.
std::int64_t address_in(const Buffer& buffer, std::int64_t begin, std::int64_t end) {
  const std::int64_t low = (begin + buffer.alignment - 1) / buffer.alignment * buffer.alignment;
  if (low + buffer.size > end) return -1;
  return buffer.prefer_top ? (end - buffer.size) / buffer.alignment * buffer.alignment : low;
}

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
      if (const std::int64_t at = address_in(buffer, free, block.begin); at >= 0) {
        chosen = at;
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

std::optional<Solution> place_greedily(const Problem& problem) {
  const auto& buffers = problem.buffers;
  using Key = std::int64_t (*)(const Buffer&);
  constexpr Key kKeys[] = {
      [](const Buffer& b) { return -b.size; },                      // largest first
      [](const Buffer& b) { return -b.size * (b.end - b.begin); },  // largest area first
      [](const Buffer& b) { return -(b.end - b.begin); },           // longest first
      [](const Buffer& b) { return b.begin; },                      // in program order
  };
  std::vector<std::size_t> order(buffers.size());
  for (const Key key : kKeys) {
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return key(buffers[a]) < key(buffers[b]);
    });
    if (auto solution = place(problem, order)) return solution;
  }
  return std::nullopt;
}

}  // namespace

std::optional<Problem> without_buckets(const Problem& problem) {
  Problem plain = problem;
  if (problem.bucket == 0) return plain;
  CHECK(problem.bucket > 0);
  plain.bucket = 0;
  plain.capacity = problem.capacity / problem.bucket * problem.bucket;
  for (Buffer& buffer : plain.buffers) {
    if (buffer.size > problem.bucket) return std::nullopt;
    buffer.size = problem.bucket;
    buffer.alignment = std::lcm(buffer.alignment, problem.bucket);
  }
  return plain;
}

std::optional<Solution> allocate(const Problem& problem, const AllocateOptions& options) {
  if (options.strategy == "exact") return place_exactly(problem, options.node_limit).solution;
  if (!options.strategy.empty()) return place_by(options.strategy, problem, options.seed);
  std::optional<Problem> plain = without_buckets(problem);
  if (!plain || peak_demand(*plain) > plain->capacity) return std::nullopt;
  if (auto solution = place_greedily(*plain)) return solution;
  // Without the wish to sit at the top there is more freedom.
  for (Buffer& buffer : plain->buffers) buffer.prefer_top = false;
  if (auto solution = place_greedily(*plain)) return solution;
  return place_exactly(*plain, options.node_limit).solution;
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
    if (first % a.alignment != 0) {
      violations.push_back(
          fmt::format("'{}' at {} is not aligned to {}", a.name, first, a.alignment));
    }
    if (problem.bucket > 0 && (first % problem.bucket != 0 || a.size > problem.bucket ||
                               first + problem.bucket > problem.capacity)) {
      violations.push_back(fmt::format("'{}' at [{}, {}] is not in a bucket of {}", a.name, first,
                                       last, problem.bucket));
    }
    for (std::size_t j = i + 1; j < count; ++j) {
      const Buffer& b = problem.buffers[j];
      const std::int64_t b_first = solution.offsets[j], b_last = b_first + b.size - 1;
      const bool same_time = std::max(a.begin, b.begin) < std::min(a.end, b.end);
      const bool same_space =
          std::max(first, b_first) <= std::min(last, b_last) ||
          (problem.bucket > 0 && first / problem.bucket == b_first / problem.bucket);
      if (same_time && same_space) {
        violations.push_back(fmt::format("'{}' and '{}' overlap", a.name, b.name));
      }
    }
  }
  return violations;
}

}  // namespace workbench
