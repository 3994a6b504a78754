#include "compiler/memory/preorders.h"

#include <algorithm>
#include <numeric>

namespace workbench {

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

}  // namespace workbench
