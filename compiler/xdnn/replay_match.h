// Which layers of a network the instructions of somebody else's program are: matched by name.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/graph.h"
#include "isa/xdnn/instructions.h"
#include "isa/xdnn/listing.h"

namespace workbench::xdnn {

// What an instruction computes: `value`, which may lie in channels [start, ...) of `whole`, the
// result of a concat (or of a pool behind one: vendors pool each branch before the concat, and then
// there is no value of its own). Nodes: all that the instruction stands for.
struct ReplayTarget {
  std::vector<std::size_t> nodes;
  ValueId value = kNoValue;  // kNoValue: only a part of `whole`
  ValueId whole = kNoValue;
  std::int64_t start = 0;
  bool part = false;
};

class NetworkLayers {
 public:
  explicit NetworkLayers(const Graph& graph);

  // The node of that layer: by conv_name, name, or the text of the entry's layer key, each compared
  // with node names, names of merged nodes and value names. Throws Error when there is none of a
  // fitting kind.
  std::size_t convolution(const Entry& entry) const;
  std::size_t pool(const Entry& entry, bool average) const;
  std::size_t sum(const Entry& entry) const;
  std::size_t upsampling(const Entry& entry) const;

  ReplayTarget target(std::size_t node) const;
  // With the pool that `fused` has behind the convolution. Throws Error when the network has none.
  ReplayTarget target(std::size_t node, const ConvPool& fused, const Entry& entry) const;

 private:
  template <typename Fits>
  std::size_t find(const Entry& entry, const Fits& fits, const char* kind) const;
  std::optional<std::size_t> reading_pool(ValueId value, const ConvPool& fused) const;
  std::optional<std::size_t> reading_concat(ValueId value) const;
  std::int64_t channels_before(const Node& concat, ValueId value) const;

  const Graph& graph_;
  std::vector<std::vector<std::size_t>> readers_;
  std::multimap<std::string, std::size_t> by_name_;
};

}  // namespace workbench::xdnn
