// A minimum cut of a directed network with capacities, by maximum flow (Dinic).
#pragma once

#include <cstdint>
#include <vector>

namespace workbench {

class MinCut {
 public:
  static constexpr std::int64_t kUncut = std::int64_t{1} << 60;

  int add_vertex();
  // `capacity` >= 0 (CHECKed): the price of having `from` on the source's side and `to` on the
  // sink's. kUncut: never.
  void add_edge(int from, int to, std::int64_t capacity);
  // By vertex, whether it is on the source's side of a cut of the least price; of several the one
  // with the smallest such side.
  std::vector<bool> source_side(int source, int sink);

 private:
  struct Edge {
    int to = 0;
    std::int64_t room = 0;  // what may still flow
  };
  bool find_levels(int source, int sink);
  std::int64_t push(int source, int sink);

  std::vector<Edge> edges_;  // each behind its reverse: edges e and e ^ 1
  std::vector<std::vector<int>> leaving_;
  std::vector<int> level_;
  std::vector<std::size_t> next_;
};

}  // namespace workbench
