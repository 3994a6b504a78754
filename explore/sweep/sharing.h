// The order in which points are best computed: those that share a network, then its integers, then
// its program come one after the other (prepared_networks.h).
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "explore/sweep/point.h"

namespace workbench {

// Indices into `points`, each once. Depends on the points alone.
std::vector<std::size_t> sharing_order(std::span<const Point> points);

// Who works on which part of an order of `count` points. Workers take points one by one from a
// stretch of their own; who has none left takes the back half of the longest of the others.
class Stretches {
 public:
  Stretches(std::size_t count, std::size_t workers);
  // The next position for the worker; `count` when nothing is left for it.
  std::size_t next(std::size_t worker);
  // A position that was given out must be given out again: to this worker, as its next one.
  void put_back(std::size_t worker, std::size_t position);
  bool empty() const;

 private:
  struct Stretch {
    std::vector<std::size_t> again;
    std::size_t begin = 0, end = 0;
    std::size_t left() const { return end - begin; }
  };
  std::size_t count_;
  std::vector<Stretch> stretches_;
};

}  // namespace workbench
