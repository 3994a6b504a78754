// Where a replayed program keeps the network's values: its instructions are matched with layers by
// name, and every read and write is held against what the network says it must be.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "compiler/xdnn/replay_listing.h"
#include "core/graph.h"
#include "isa/xdnn/instructions.h"
#include "isa/xdnn/listing.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

// Channels and rows of a value.
struct Part {
  std::int64_t first_channel = 0, channels = 0, first_row = 0, rows = 0;
  friend bool operator==(const Part&, const Part&) = default;
};

// Which channels of which rows of a value there are.
class Covered {
 public:
  explicit Covered(const Shape& shape)
      : channels_(shape.size() == 4 ? shape[1] : 0),
        rows_(shape.size() == 4 ? shape[2] : 0),
        there_(static_cast<std::size_t>(channels_ * rows_)) {}
  // Returns how many were not there before; none of a part that the value does not have.
  std::int64_t add(const Part& part);
  bool all() const { return count_ == static_cast<std::int64_t>(there_.size()); }

 private:
  std::int64_t channels_, rows_, count_ = 0;
  std::vector<bool> there_;  // [channel][row]
};

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
  // when all of it has been computed before: bands of rows may share some.
  void computes(const Entry& entry, std::size_t node, const Part& part);
  bool computed(std::size_t node) const;

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

// --- values --------------------------------------------------------------------------------------

// Where a replayed program keeps the network's values: every read and write of an instruction is
// checked against the network.

// Throws Error unless the network's number is the program's.
void agree(const Entry& entry, const char* field, std::int64_t network, std::int64_t found);

class ReplayValues {
 public:
  struct Held {
    ValueId value = kNoValue;
    std::int64_t word = 0;  // AM word of its first channel
    ChannelLayout layout;
    std::int64_t start = 0;  // channel of the first word that it begins with
    Part part;               // of the value
    std::size_t volume = 0;  // of the memory map
    std::vector<std::int32_t> writers;
    std::int64_t cells = 0;  // elements (channels x rows) written
    bool computed = false;   // by a layer
  };

  // Adds volumes and probes to `program`, remarks to `notes`.
  ReplayValues(const Listing& listing, const Graph& graph, const Machine& machine, Program& program,
               std::vector<std::string>& notes);

  Part whole(ValueId value) const { return {0, shape(value)[1], 0, shape(value)[2]}; }

  // The next instruction of the program reads `channels` channels of `value` at `address`, in
  // instructions' units: which part of it that is.
  Part reads(const Entry& entry, ValueId value, std::int64_t address, const ChannelLayout& layout,
             std::int64_t channels);
  // It writes that part of `target` there; sets the tail's concat fields. `computed`: by the
  // network's layer, not brought from DDR.
  void writes(const Entry& entry, const ReplayTarget& target, const Part& part,
              std::int64_t address, Tail& tail, bool computed);
  // The value that was written there last, with that many channels, and the rows of it; kNoValue:
  // none.
  std::pair<ValueId, Part> value_at(const Entry& entry, std::int64_t address,
                                    std::int64_t channels) const;
  bool is_at(ValueId value, std::int64_t address) const;
  bool known(ValueId value) const;
  // Where the whole value lies; null: nowhere.
  const Held* whole_at(ValueId value) const;

  // When all instructions are there: where each value can be read. Merges volumes of the memory map
  // that are one: no Held is of use behind it.
  void add_probes();

 private:
  const Shape& shape(ValueId id) const { return graph_.value(id).shape; }
  std::int32_t now() const { return static_cast<std::int32_t>(program_.steps.size()); }
  std::int64_t word_of(const Entry& entry, std::int64_t address) const;
  std::size_t new_volume(ValueId value, const Part& part, std::int64_t word,
                         const ChannelLayout& layout);
  std::int64_t set_concat(const Entry& entry, ValueId whole, std::int64_t start, Tail& tail);
  const Held* find(ValueId value, std::int64_t word, std::int64_t channels, Part& part) const;
  Held& hold(Held held);
  void write_whole(ValueId value, const Part& part, std::int64_t word, const ChannelLayout& layout,
                   std::int64_t start, bool computed);
  // All channels of some rows of a value.
  struct Piece {
    ValueId value = kNoValue;
    Part part;
  };

  void write_block(ValueId value, const Part& part, std::int64_t word, bool computed);
  std::size_t write_channels(const Entry& entry, ValueId whole, const Part& part, std::int64_t word,
                             std::int64_t inside, std::optional<std::size_t> volume,
                             ValueId counted);
  void complete(const Piece& piece, ValueId counted);
  void merge_volumes(std::size_t volume, std::size_t other);
  bool take_in(Held& concat, const Held& part, std::int64_t start);
  void take_in_operands(std::size_t concat);
  std::vector<Piece> take_into_concats(const Piece& piece, ValueId counted);
  std::vector<Piece> hold_slices(const Piece& piece);
  const Held* complete_at(ValueId value, const Part& part) const;

  const Listing& listing_;
  const Graph& graph_;
  const Machine& machine_;
  Geometry geometry_;
  std::vector<std::ptrdiff_t> producers_;
  std::vector<std::vector<std::size_t>> readers_;
  Program& program_;
  std::vector<std::string>& notes_;
  std::vector<Held> held_;         // the latest last
  std::set<std::size_t> merged_;   // volumes that are parts of others
  std::int64_t taken_starts_ = 0;  // concat parts whose place only the network tells
};

}  // namespace workbench::xdnn
