// Values of a network for many samples at once, on disk: calibration in lockstep visits every
// sample before it goes on to the next node, and memory must not grow with the number of samples.
#pragma once

#include <cstdint>
#include <cstdio>
#include <map>
#include <memory>
#include <utility>

#include "core/graph.h"

namespace workbench {

// Float32 tensors by value and sample, in a temporary file without a name (the page cache keeps
// what fits). Different samples may be written and read at the same time; not release().
class ActivationStore {
 public:
  // Throws Error when no temporary file can be made.
  ActivationStore(const Graph& graph, std::size_t samples);

  bool has(ValueId id) const { return slots_.contains(id); }
  // Makes room for every sample of the value. Before put(), and not while samples are in use.
  void reserve(ValueId id);
  // Throws Error when the disk is full.
  void put(ValueId id, std::size_t sample, const Tensor& tensor);
  Tensor get(ValueId id, std::size_t sample) const;
  void release(ValueId id);

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::int64_t bytes(ValueId id) const;

  const Graph& graph_;
  std::size_t samples_;
  std::unique_ptr<std::FILE, Close> file_;
  std::int64_t end_ = 0;
  std::map<ValueId, std::int64_t> slots_;           // where the first sample lies
  std::multimap<std::int64_t, std::int64_t> free_;  // bytes of a slot -> where
};

}  // namespace workbench
