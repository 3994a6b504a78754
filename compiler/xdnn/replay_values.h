// Where a replayed program keeps the network's values: its instructions are matched with layers by
// name, and every read and write is held against what the network says it must be.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/graph.h"
#include "isa/xdnn/instructions.h"
#include "isa/xdnn/listing.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

// --- layers --------------------------------------------------------------------------------------

// Which layers of a network the instructions of a replayed program are: matched by name.

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

  // The node that the entry's instruction computes: by conv_name, name, or the text of the entry's
  // layer key, each compared with node names, names of merged nodes and value names. Throws Error
  // when there is none of a fitting kind.
  std::size_t node_of(const Entry& entry, const Instruction& instruction) const;

  ReplayTarget target(std::size_t node) const;
  // With the pool that `fused` has behind the convolution. Throws Error when the network has none.
  ReplayTarget target(std::size_t node, const ConvPool& fused, const Entry& entry) const;

 private:
  std::optional<std::size_t> reading_pool(ValueId value, const ConvPool& fused) const;
  std::optional<std::size_t> reading_concat(ValueId value) const;
  std::int64_t channels_before(const Node& concat, ValueId value) const;

  const Graph& graph_;
  std::vector<std::vector<std::size_t>> readers_;
  std::multimap<std::string, std::size_t> by_name_;
};

// --- values --------------------------------------------------------------------------------------

// Where a replayed program keeps the network's values: every read and write of an instruction is
// checked against the network.

// Throws Error "WHERE: OPCODE 'name': ...".
[[noreturn]] void refuse(const Entry& entry, const std::string& what);
// Throws Error unless the network's number is the program's.
void agree(const Entry& entry, const char* field, std::int64_t network, std::int64_t found);

class ReplayValues {
 public:
  // Adds volumes and probes to `program`, remarks to `notes`.
  ReplayValues(const Listing& listing, const Graph& graph, const Machine& machine, Program& program,
               std::vector<std::string>& notes);

  // The next instruction of the program reads `value` at `address`, in instructions' units.
  void reads(const Entry& entry, ValueId value, std::int64_t address, const ChannelLayout& layout);
  // It writes `target` there; sets the tail's concat fields.
  void writes(const Entry& entry, const ReplayTarget& target, std::int64_t address,
              std::int64_t channels, Tail& tail);
  // The value that was written there last, with that many channels; kNoValue: none.
  ValueId value_at(const Entry& entry, std::int64_t address, std::int64_t channels) const;
  bool is_at(ValueId value, std::int64_t address) const;
  void forget(ValueId value) { held_.erase(value); }

  // When all instructions are there: where each value can be read.
  void add_probes();

 private:
  struct Held {
    std::int64_t word = 0;  // AM word of its first channel
    ChannelLayout layout;
    std::int64_t start = 0;  // channel of the first word that it begins with
    std::size_t volume = 0;  // of the memory map
    std::vector<std::int32_t> writers;
    std::int64_t channels_written = 0;
  };

  const Shape& shape(ValueId id) const { return graph_.value(id).shape; }
  std::int32_t now() const { return static_cast<std::int32_t>(program_.steps.size()); }
  std::int64_t word_of(const Entry& entry, std::int64_t address) const;
  std::size_t new_volume(ValueId value, std::int64_t word, const ChannelLayout& layout);
  void set_concat(const Entry& entry, const ReplayTarget& target, Tail& tail);

  const Listing& listing_;
  const Graph& graph_;
  const Machine& machine_;
  Geometry geometry_;
  Program& program_;
  std::vector<std::string>& notes_;
  std::map<ValueId, Held> held_;
  std::int64_t taken_starts_ = 0;  // concat parts whose place only the network tells
};

}  // namespace workbench::xdnn
