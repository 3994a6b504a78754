#include "compiler/memory/allocate.h"

#include <algorithm>
#include <array>
#include <map>
#include <numeric>
#include <random>
#include <vector>

#include "compiler/memory/exact.h"
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
  // Without the preference for the top there is more freedom.
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

namespace {

constexpr std::array<Strategy, 9> kStrategies{{
    {"bysize", "smallest free block, at its bottom"},
    {"bottom", "lowest free block, at its bottom"},
    {"top", "highest free block, at its bottom"},
    {"tops", "highest free block, at its end"},
    {"bottle", "smallest free block, ties at random, at its bottom", true},
    {"bottles", "first free block in random order, at its bottom", true},
    {"xXx", "last free block in random order, at its bottom", true},
    {"shuffle", "large buffers as bottom, small ones as tops"},
    {"flip", "two as bottom, two as tops, in turn"},
}};

struct Block {
  std::int64_t begin, end;
};

// Free memory: blocks in ascending order that do not touch.
class FreeList {
 public:
  explicit FreeList(std::int64_t capacity) : blocks_{{0, capacity}} {}

  const std::vector<Block>& blocks() const { return blocks_; }

  void take(std::size_t index, std::int64_t begin, std::int64_t end) {
    const Block block = blocks_[index];
    blocks_.erase(blocks_.begin() + static_cast<std::ptrdiff_t>(index));
    give(end, block.end);
    give(block.begin, begin);
  }

  void give(std::int64_t begin, std::int64_t end) {
    if (begin == end) return;
    auto next = std::find_if(blocks_.begin(), blocks_.end(),
                             [&](const Block& block) { return block.begin >= end; });
    if (next != blocks_.end() && next->begin == end) {
      end = next->end;
      next = blocks_.erase(next);
    }
    if (next != blocks_.begin() && std::prev(next)->end == begin) {
      std::prev(next)->end = end;
    } else {
      blocks_.insert(next, {begin, end});
    }
  }

 private:
  std::vector<Block> blocks_;
};

std::int64_t lowest_address(const Buffer& buffer, const Block& block) {
  return (block.begin + buffer.alignment - 1) / buffer.alignment * buffer.alignment;
}

bool fits(const Buffer& buffer, const Block& block) {
  return lowest_address(buffer, block) + buffer.size <= block.end;
}

struct Choice {
  std::size_t block;
  bool at_end = false;
};

class Placer {
 public:
  Placer(std::string_view name, std::uint64_t seed, std::int64_t boundary)
      : name_(name), random_(seed), boundary_(boundary) {}

  std::optional<Solution> run(const Problem& problem);

 private:
  std::optional<Choice> choose(const Buffer& buffer, const std::vector<Block>& blocks);
  std::vector<std::size_t> shuffled(std::size_t count);

  std::string_view name_;
  std::mt19937_64 random_;
  std::int64_t boundary_;  // shuffle: buffers of this size and more are placed as bottom
  std::int64_t placed_ = 0;
};

// std::shuffle differs from one standard library to the next.
std::vector<std::size_t> Placer::shuffled(std::size_t count) {
  std::vector<std::size_t> order(count);
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t i = count; i > 1; --i) std::swap(order[i - 1], order[random_() % i]);
  return order;
}

std::optional<Choice> Placer::choose(const Buffer& buffer, const std::vector<Block>& blocks) {
  const bool random = name_ == "bottle" || name_ == "bottles" || name_ == "xXx";
  std::vector<std::size_t> order = shuffled(random ? blocks.size() : 0);
  if (!random) {
    order.resize(blocks.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
  }
  std::erase_if(order, [&](std::size_t i) { return !fits(buffer, blocks[i]); });
  if (order.empty()) return std::nullopt;
  if (name_ == "bysize" || name_ == "bottle") {
    return Choice{*std::min_element(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
      return blocks[a].end - blocks[a].begin < blocks[b].end - blocks[b].begin;
    })};
  }
  if (name_ == "bottom" || name_ == "bottles") return Choice{order.front()};
  if (name_ == "top" || name_ == "xXx") return Choice{order.back()};
  const bool low =
      (name_ == "shuffle" && buffer.size >= boundary_) || (name_ == "flip" && placed_ % 4 < 2);
  return low ? Choice{order.front()} : Choice{order.back(), true};
}

std::optional<Solution> Placer::run(const Problem& problem) {
  const auto& buffers = problem.buffers;
  std::vector<std::size_t> order(buffers.size()), live;
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return buffers[a].begin < buffers[b].begin;
  });
  Solution solution{std::vector<std::int64_t>(buffers.size(), 0), 0};
  FreeList free(problem.capacity);
  for (const std::size_t i : order) {
    const Buffer& buffer = buffers[i];
    std::erase_if(live, [&](std::size_t j) {
      if (buffers[j].end > buffer.begin) return false;
      free.give(solution.offsets[j], solution.offsets[j] + buffers[j].size);
      return true;
    });
    const auto choice = choose(buffer, free.blocks());
    if (!choice) return std::nullopt;
    const Block block = free.blocks()[choice->block];
    const std::int64_t begin = choice->at_end
                                   ? (block.end - buffer.size) / buffer.alignment * buffer.alignment
                                   : lowest_address(buffer, block);
    free.take(choice->block, begin, begin + buffer.size);
    solution.offsets[i] = begin;
    solution.extent = std::max(solution.extent, begin + buffer.size);
    live.push_back(i);
    ++placed_;
  }
  return solution;
}

std::optional<Solution> place_by_one(std::string_view name, const Problem& problem,
                                     std::uint64_t seed) {
  if (name != "shuffle") return Placer(name, seed, 0).run(problem);
  // Where the boundary lies was not published: every size there is, the largest first.
  std::vector<std::int64_t> sizes{0};
  for (const Buffer& buffer : problem.buffers) sizes.push_back(buffer.size);
  std::sort(sizes.begin(), sizes.end(), std::greater<>());
  sizes.erase(std::unique(sizes.begin(), sizes.end()), sizes.end());
  for (const std::int64_t boundary : sizes) {
    if (auto solution = Placer(name, seed, boundary).run(problem)) return solution;
  }
  return std::nullopt;
}

}  // namespace

std::span<const Strategy> strategies() { return kStrategies; }

std::optional<Solution> place_by(std::string_view name, const Problem& problem,
                                 std::uint64_t seed) {
  const bool known = std::any_of(kStrategies.begin(), kStrategies.end(),
                                 [&](const Strategy& strategy) { return strategy.name == name; });
  if (name != "all" && !known) {
    std::string names;
    for (const Strategy& strategy : kStrategies) names += fmt::format("{}, ", strategy.name);
    fail("strategy: expected {}all or exact, found '{}'", names, name);
  }
  const auto plain = without_buckets(problem);
  if (!plain) return std::nullopt;
  if (known) return place_by_one(name, *plain, seed);
  for (const Strategy& strategy : kStrategies) {
    if (auto solution = place_by_one(strategy.name, *plain, seed)) return solution;
  }
  return std::nullopt;
}

}  // namespace workbench
