// What a replayed program keeps in DDR, and which tensor an address of the listing means. As in the
// AM (replay_values.h), what is there is known by channels and rows: whole values, blocks of their
// channels, joins of several, rows that came one band after the other. What is written or read as
// one is one tensor; tensors are placed anew, wherever the listing has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "compiler/xdnn/replay_channels.h"
#include "compiler/xdnn/replay_surroundings.h"
#include "compiler/xdnn/replay_values.h"
#include "core/graph.h"
#include "isa/xdnn/instructions.h"
#include "isa/xdnn/listing.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

class ReplayDdr {
 public:
  // Adds tensors to `program`, remarks to `notes`.
  ReplayDdr(const Listing& listing, const Graph& graph, const Channels& channels,
            const Machine& machine, Program& program, std::vector<std::string>& notes);

  // The host makes the value of an input.
  bool from_host(ValueId value) const;
  // Some tensor is all of it.
  bool has(ValueId value) const {
    return host_blocks_.contains(value) || all_of(value).has_value();
  }
  // Some of it is in some tensor.
  bool has_some(ValueId value) const;
  // Values of that shape that the host makes.
  std::vector<ValueId> inputs_like(const Shape& wanted) const;

  // The next instruction of the program brings all of a value that the host makes.
  void brings(ValueId value);
  // It is tiled and reads the network's `value` at a DDR address: what lies there is read.
  void reads_tiles(const Entry& entry, const Tail& tail, ValueId value, std::int64_t address,
                   std::size_t operand);
  // It writes that there, or to the image queue: rows of a tensor of that shape.
  void writes(const Tail& tail, const Content& content, const Shape& tensor, std::int64_t address);
  bool is_at(ValueId value, std::int64_t address) const;

  // What a gather brings: what was stored there, what slice 0 left in the queue, or an input.
  Content gathered(const Entry& entry, const Gather& op);

  // When all instructions are there: makes the tensors, under their names where the host knows
  // them.
  void finish();
  // For place_replay_tensors(), behind finish().
  const std::vector<ReplayDdrUse>& uses() const { return uses_; }
  std::ptrdiff_t between() const;

 private:
  // A tensor-to-be: the bytes from `begin` on in addresses of its own.
  struct Block {
    ValueId made_by_host = kNoValue;
    std::int64_t begin = 0, channels = 0, height = 0, width = 0;
    std::size_t merged_into = 0;  // itself: into none
    std::size_t tensor = 0;       // of Program::ddr_tensors
  };
  // Channels of some rows in one.
  struct Stored {
    std::size_t block = 0;
    std::int64_t address = 0;            // the block's, of its first channel
    std::optional<std::int64_t> listed;  // the listing's
    std::int64_t tensor_channels = 0;    // of the instruction's tensor
    Content content;
  };
  struct Use {
    std::int32_t step = 0;
    std::size_t block = 0;
    std::int64_t address = 0;  // the block's
    std::size_t operand = 0;
    bool result = false;
  };
  // What an instruction finds.
  struct Found {
    Content content;
    std::vector<std::size_t> blocks;
    std::int64_t address = 0;  // in the first block
  };

  const Shape& shape(ValueId id) const { return graph_.value(id).shape; }
  std::int32_t now() const { return static_cast<std::int32_t>(program_.steps.size()); }
  std::size_t root(std::size_t block) const;
  std::int64_t group_bytes(std::int64_t height, std::int64_t width) const;
  std::optional<std::int64_t> channels_between(const Stored& stored, std::int64_t at,
                                               std::int64_t address, const Shape& tensor) const;
  std::optional<Found> find(std::optional<std::size_t> block, std::int64_t address,
                            const Shape& tensor, std::int64_t first_row, std::int64_t rows) const;
  std::size_t new_block(const Shape& tensor, std::int64_t begin);
  std::size_t block_for(const Content& content, const Shape& tensor, std::int64_t address);
  std::size_t merge(const std::vector<std::size_t>& blocks);
  void use(std::size_t block, std::int64_t address, std::size_t operand, bool result);
  std::size_t host_block(ValueId value);
  ValueId input_at(const Entry& entry, const Gather& op, const Shape& wanted);
  bool put_listed_input(const Gather& op, const Shape& wanted);
  std::optional<Found> all_of(ValueId value) const;
  std::vector<ValueId> made_by_host() const;
  void refuse_other_sizes(const Entry& entry, const Gather& op) const;
  void extend(std::size_t block, std::size_t other);
  // Where the program has put it; the least of several.
  std::optional<std::int64_t> address_of(ValueId value) const;
  bool is_called(ValueId value, const std::string& name) const;
  struct HostReads {
    std::map<std::size_t, std::string> names;  // of blocks that are all of one value
    std::set<std::size_t> blocks;
  };
  HostReads read_by_host();
  std::string name_of_block(std::size_t block) const;
  void note_unread(const std::set<std::size_t>& read_by_host);

  const Listing& listing_;
  const Graph& graph_;
  const Channels& channels_;
  Geometry geometry_;
  Program& program_;
  std::vector<std::string>& notes_;
  const std::vector<std::pair<std::string, std::int64_t>> listed_outputs_, listed_inputs_;
  std::vector<Block> blocks_;
  std::vector<Stored> stored_;                                // the latest last
  std::map<ValueId, std::size_t> host_blocks_;                // of values that the host makes
  std::map<std::pair<std::int64_t, Shape>, ValueId> inputs_;  // by the listing's DDR address
  std::optional<std::size_t> between_;                        // what slice 0 leaves to slice 1
  std::vector<Use> used_;
  std::vector<ReplayDdrUse> uses_;
};

}  // namespace workbench::xdnn
