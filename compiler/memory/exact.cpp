// Orders of buffers, the seeds of an exact search: each is good for other problems.
#include "compiler/memory/exact.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <numeric>
#include <vector>

#include "compiler/memory/allocate.h"
#include "compiler/memory/search.h"

namespace workbench {

enum class Preorder { Area, Length, Total, Size, Start };

// Indices of the buffers, largest first by the first criterion, ties by the next.
std::vector<std::int32_t> sorted_by(const Problem& problem, const std::vector<Preorder>& criteria);

namespace {

// The most alive at once in the life of each buffer.
std::vector<std::int64_t> fullest_moments(const Problem& problem) {
  std::vector<std::int64_t> fullest(problem.buffers.size(), 0);
  for (const Buffer& start : problem.buffers) {  // the sum only grows where one begins
    std::int64_t live = 0;
    const auto alive = [&](const Buffer& b) {
      return b.begin <= start.begin && start.begin < b.end;
    };
    for (const Buffer& b : problem.buffers) live += alive(b) ? b.size : 0;
    for (std::size_t i = 0; i < fullest.size(); ++i) {
      if (alive(problem.buffers[i])) fullest[i] = std::max(fullest[i], live);
    }
  }
  return fullest;
}

}  // namespace

std::vector<std::int32_t> sorted_by(const Problem& problem, const std::vector<Preorder>& criteria) {
  const std::vector<std::int64_t> fullest = fullest_moments(problem);
  std::vector<std::vector<double>> keys(problem.buffers.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const Buffer& b = problem.buffers[i];
    const auto size = static_cast<double>(b.size), length = static_cast<double>(b.end - b.begin);
    for (const Preorder by : criteria) {
      switch (by) {
        case Preorder::Area:
          keys[i].push_back(-size * length);
          break;
        case Preorder::Length:
          keys[i].push_back(-length);
          break;
        case Preorder::Total:
          keys[i].push_back(-static_cast<double>(fullest[i]));
          break;
        case Preorder::Size:
          keys[i].push_back(-size);
          break;
        case Preorder::Start:
          keys[i].push_back(static_cast<double>(b.begin));
          break;
      }
    }
  }
  std::vector<std::int32_t> order(keys.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) {
    return keys[static_cast<std::size_t>(a)] < keys[static_cast<std::size_t>(b)];
  });
  return order;
}

namespace {

using Answer = PlacementSearch::Answer;

constexpr std::int64_t kBlameScale = 1 << 20;

// One series of searches: after each, the buffers that could not be stacked move to the front.
struct Arm {
  std::vector<std::int32_t> base;    // the order to start with
  std::vector<std::int64_t> weight;  // recent blame, per buffer

  std::vector<std::int32_t> order() const {
    std::vector<std::int32_t> order = base;
    std::stable_sort(order.begin(), order.end(), [this](std::int32_t a, std::int32_t b) {
      return weight[static_cast<std::size_t>(a)] > weight[static_cast<std::size_t>(b)];
    });
    return order;
  }

  void learn(const std::vector<std::int64_t>& blame) {
    const std::int64_t most = *std::max_element(blame.begin(), blame.end()) + 1;
    for (std::size_t i = 0; i < weight.size(); ++i) {
      weight[i] = weight[i] * 4 / 5 + blame[i] * kBlameScale / most;
    }
  }
};

std::vector<Arm> arms(const Problem& problem) {
  using enum Preorder;
  const std::vector<Preorder> starts[] = {{Total, Length, Area}, {Length, Area, Total}, {Area}};
  std::vector<Arm> arms;
  for (const auto& criteria : starts) {
    arms.push_back(
        {sorted_by(problem, criteria), std::vector<std::int64_t>(problem.buffers.size(), 0)});
  }
  return arms;
}

Solution with_extent(const Problem& problem, std::vector<std::int64_t> offsets) {
  std::int64_t extent = 0;
  for (std::size_t i = 0; i < offsets.size(); ++i) {
    extent = std::max(extent, offsets[i] + problem.buffers[i].size);
  }
  return {std::move(offsets), extent};
}

// Rounds of short searches of every arm, longer from round to round: most problems that have an
// answer have one that a short search finds from the right order, and a proof needs a long one.
ExactResult search(const Problem& problem, std::int64_t capacity, std::int64_t node_limit) {
  ExactResult result{.lower_bound = peak_demand(problem)};
  if (result.lower_bound > capacity) {
    result.proved = true;
    return result;
  }
  if (problem.buffers.size() > PlacementSearch::kMostBuffers) return result;
  std::vector<Arm> all = arms(problem);
  auto budget = static_cast<std::int64_t>(2 * problem.buffers.size()) + 1300;
  while (result.nodes < node_limit) {
    for (Arm& arm : all) {
      PlacementSearch search(problem, arm.order());
      const Answer answer = search.run(capacity, std::min(budget, node_limit - result.nodes));
      result.nodes += search.nodes();
      if (answer == Answer::OutOfNodes) {
        arm.learn(search.blame());
        continue;
      }
      result.proved = true;
      if (answer == Answer::Found) result.solution = with_extent(problem, search.offsets());
      if (answer == Answer::Infeasible) result.lower_bound = search.least_capacity();
      return result;
    }
    budget += budget / 128;
  }
  return result;
}

}  // namespace

ExactResult place_exactly(const Problem& problem, std::int64_t node_limit) {
  const auto plain = without_buckets(problem);
  if (!plain) return {.proved = true, .lower_bound = std::numeric_limits<std::int64_t>::max()};
  return search(*plain, plain->capacity, node_limit);
}

// Between the lower bound and the best solution so far: is there one at the bound, half way, or
// just below the best? Each question gets the same budget, doubled until all is known.
ExactResult least_extent(const Problem& problem, std::int64_t node_limit) {
  const auto plain = without_buckets(problem);
  if (!plain) return {.proved = true, .lower_bound = std::numeric_limits<std::int64_t>::max()};
  ExactResult best{.lower_bound = peak_demand(*plain)};
  if (const auto first = allocate(*plain, {.node_limit = 0})) best.solution = first;
  // The smallest extent that is not yet beaten: one more than the capacity when nothing is known.
  const auto unbeaten = [&] { return best.solution ? best.solution->extent : plain->capacity + 1; };
  for (std::int64_t budget = 1000; best.nodes < node_limit; budget *= 2) {
    for (int question = 0; question < 3 && best.lower_bound < unbeaten(); ++question) {
      const std::int64_t low = best.lower_bound, high = unbeaten() - 1;
      const std::int64_t target = question == 0   ? low
                                  : question == 1 ? low + (high - low) / 2
                                                  : high;
      const ExactResult found = search(*plain, target, std::min(budget, node_limit - best.nodes));
      best.nodes += found.nodes;
      best.lower_bound = std::max(best.lower_bound, found.lower_bound);
      if (found.solution) best.solution = found.solution;
    }
    if (best.lower_bound >= unbeaten() || plain->buffers.size() > PlacementSearch::kMostBuffers)
      break;
  }
  best.proved = best.lower_bound >= unbeaten();
  return best;
}

}  // namespace workbench
