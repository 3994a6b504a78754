// Which layers of a network the instructions of a replayed program are: matched by name.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "compiler/xdnn/replay_channels.h"
#include "compiler/xdnn/replay_listing.h"
#include "core/graph.h"
#include "isa/xdnn/instructions.h"
#include "isa/xdnn/listing.h"
#include "isa/xdnn/machine.h"

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

// An operand of a concat by its position: a value may be several.
struct ConcatOperand {
  std::size_t node = 0;  // the concat
  std::size_t operand = 0;
};
// Channels of the concat's result before it.
std::int64_t channels_before(const Graph& graph, const ConcatOperand& at);

class NetworkLayers {
 public:
  // `steps`: of the whole program, whose copies tell which operands of concats lie elsewhere.
  NetworkLayers(const Graph& graph, const std::vector<ListedStep>& steps, const Machine& machine);

  // The node that the step's instruction computes: by conv_name, name, or the text of the entry's
  // layer key, each compared with node names, names of merged nodes and value names; of several the
  // first that is not yet computed. Throws Error when there is none of a fitting kind.
  std::size_t node_of(const ListedStep& step) const;
  // The instruction computes the part of the node's result. Throws Error when it has none, or
  // when all of it has been computed before: only bands of rows may share what they compute.
  void computes(const Entry& entry, std::size_t node, const Part& part);
  bool computed(std::size_t node) const;
  bool computed(std::size_t node, const Part& part) const { return done_[node].has(part); }
  // The first channel of the node's result that may begin an instruction's and of which some of
  // the rows have not been computed.
  std::optional<std::int64_t> next_channel(
      std::size_t node, const Part& rows, const std::function<bool(std::int64_t)>& may_begin) const;

  ReplayTarget target(std::size_t node) const;
  // The operand of a concat that the instruction copies to its place; null: it is no copy.
  const ConcatOperand* copied(const ListedStep& step) const;
  ReplayTarget target(const ConcatOperand& copied) const;
  // With the pool that `fused` has behind the convolution. Throws Error when the network has none.
  ReplayTarget target(std::size_t node, const ConvPool& fused, const Entry& entry) const;

 private:
  std::optional<std::size_t> reading_pool(ValueId value, const ConvPool& fused) const;
  std::optional<ConcatOperand> reading_concat(ValueId value) const;
  void find_copies(const std::vector<ListedStep>& steps, const Machine& machine);

  const Graph& graph_;
  std::vector<std::vector<std::size_t>> readers_;
  std::multimap<std::string, std::size_t> by_name_;
  std::vector<Covered> done_;  // per node
  std::map<const Entry*, ConcatOperand> copies_;
  std::set<std::pair<std::size_t, std::size_t>> copied_;  // concat, operand
};

// Throws Error unless the network's number is the program's.
void agree(const Entry& entry, const char* field, std::int64_t network, std::int64_t found);

}  // namespace workbench::xdnn
