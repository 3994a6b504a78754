#include "explore/flow/min_cut.h"

#include <algorithm>
#include <limits>

#include "core/error.h"

namespace workbench {

int MinCut::add_vertex() {
  leaving_.emplace_back();
  return static_cast<int>(leaving_.size()) - 1;
}

void MinCut::add_edge(int from, int to, std::int64_t capacity) {
  CHECK(capacity >= 0, "capacity {}", capacity);
  leaving_.at(static_cast<std::size_t>(from)).push_back(static_cast<int>(edges_.size()));
  edges_.push_back({to, std::min(capacity, kUncut)});
  leaving_.at(static_cast<std::size_t>(to)).push_back(static_cast<int>(edges_.size()));
  edges_.push_back({from, 0});
}

bool MinCut::find_levels(int source, int sink) {
  level_.assign(leaving_.size(), -1);
  level_[static_cast<std::size_t>(source)] = 0;
  std::vector<int> reached = {source};
  for (std::size_t i = 0; i < reached.size(); ++i) {
    const auto from = static_cast<std::size_t>(reached[i]);
    for (const int e : leaving_[from]) {
      const Edge& edge = edges_[static_cast<std::size_t>(e)];
      int& level = level_[static_cast<std::size_t>(edge.to)];
      if (edge.room == 0 || level >= 0) continue;
      level = level_[from] + 1;
      reached.push_back(edge.to);
    }
  }
  return level_[static_cast<std::size_t>(sink)] >= 0;
}

// One path of the levels, without recursion: networks are thousands of layers deep.
std::int64_t MinCut::push(int source, int sink) {
  std::vector<int> path;
  int at = source;
  while (at != sink) {
    const auto here = static_cast<std::size_t>(at);
    bool advanced = false;
    for (std::size_t& i = next_[here]; i < leaving_[here].size(); ++i) {
      const int e = leaving_[here][i];
      const Edge& edge = edges_[static_cast<std::size_t>(e)];
      if (edge.room == 0 || level_[static_cast<std::size_t>(edge.to)] != level_[here] + 1) continue;
      path.push_back(e);
      at = edge.to;
      advanced = true;
      break;
    }
    if (advanced) continue;
    if (path.empty()) return 0;
    const auto back = static_cast<std::size_t>(path.back());
    path.pop_back();
    at = edges_[back ^ 1].to;
    ++next_[static_cast<std::size_t>(at)];
  }
  std::int64_t flow = std::numeric_limits<std::int64_t>::max();
  for (const int e : path) flow = std::min(flow, edges_[static_cast<std::size_t>(e)].room);
  for (const int e : path) {
    edges_[static_cast<std::size_t>(e)].room -= flow;
    edges_[static_cast<std::size_t>(e) ^ 1].room += flow;
  }
  return flow;
}

std::vector<bool> MinCut::source_side(int source, int sink) {
  while (find_levels(source, sink)) {
    next_.assign(leaving_.size(), 0);
    while (push(source, sink) > 0) {
    }
  }
  std::vector<bool> side;
  for (const int level : level_) side.push_back(level >= 0);
  return side;
}

}  // namespace workbench
