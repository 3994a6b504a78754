// Where a replayed program keeps the network's values in the activation memory: every read and
// write is held against what the network says it must be. What is where is known by channels and
// rows (replay_channels.h), so that parts of concats, slices, blocks of channels and bands of rows
// are all the same: channels of some rows that an instruction has put to some words.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "compiler/xdnn/replay_channels.h"
#include "compiler/xdnn/replay_layers.h"
#include "core/graph.h"
#include "isa/xdnn/instructions.h"
#include "isa/xdnn/listing.h"
#include "isa/xdnn/machine.h"
#include "isa/xdnn/program.h"

namespace workbench::xdnn {

// Channels of some rows, whatever values they are of.
struct Content {
  std::vector<ChannelRun> channels;
  std::int64_t first_row = 0, rows = 0, width = 0;
};

// How an instruction has a tensor in the AM: in instructions' units.
struct AmPlace {
  std::int64_t address = 0, channels = 0, rows = 0;
  ChannelLayout layout;
};

class ReplayValues {
 public:
  // Adds volumes and probes to `program`, remarks to `notes`.
  ReplayValues(const Listing& listing, const Graph& graph, const Channels& channels,
               const Machine& machine, Program& program, std::vector<std::string>& notes);

  Part whole(ValueId value) const { return {0, shape(value)[1], 0, shape(value)[2]}; }
  // What that part of a layer's result is.
  Content content_of(const ReplayTarget& target, const Part& part) const;

  // The next instruction of the program reads `value` there: which part of it that is. What does
  // not lie there is noted, and taken for all of the value. Throws Error where nothing has computed
  // any of it.
  Part reads(const Entry& entry, ValueId value, const AmPlace& place);
  // It reads whatever lies there, of that width; nothing: not everything there is known.
  std::optional<Content> reads_any(const Entry& entry, const AmPlace& place, std::int64_t width);
  // It writes that part of a layer's result there; sets the tail's concat fields.
  void computes(const Entry& entry, const ReplayTarget& target, const Part& part,
                std::int64_t address, Tail& tail);
  // It brings that from DDR.
  void brings(const Entry& entry, const Content& content, std::int64_t address, Tail& tail);

  // A part of `value` lies there.
  bool lies(ValueId value, const AmPlace& place) const;
  // Rows of what was written there last, of a value; 0: nothing was.
  std::int64_t rows_at(ValueId value, std::int64_t address) const;
  bool known(ValueId value) const { return !regions_of(value).empty(); }
  // Where all of the value lies, its first channel at the beginning of a word.
  struct Whole {
    AmPlace place;
    std::int64_t word = 0, words = 0;
    std::int32_t last_writer = 0;
  };
  std::optional<Whole> whole_at(ValueId value) const;

  // When all instructions are there: where each value can be read, and the memory map. Throws Error
  // where an instruction names a larger volume than there is.
  void finish();

 private:
  // What one instruction has written.
  struct Region {
    Content content;
    std::int64_t count = 0;  // of channels
    std::int64_t word = 0;   // AM word of its first channel
    ChannelLayout layout;
    std::int64_t start = 0;  // channel of the first word that it begins with
    std::size_t volume = 0;
    std::int32_t writer = 0;
    bool computed = false;  // by a layer
  };
  struct Spot {  // of a channel: which plane of the tensor it is in, and which code of a word there
    std::int64_t plane = 0, code = 0;
  };
  struct Cell {
    std::int64_t channel = 0, row = 0;
  };
  struct Found {
    Part part;
    std::vector<std::size_t> regions;
  };
  struct Lying {
    Content content;
    std::vector<std::size_t> regions;
  };
  // What an instruction says of the volume that its result is in: nothing, it is one of its own; a
  // value of the network, or not checked; some channels of one.
  enum class Named { None, Value, SomeChannels };
  // A volume that instructions say they write parts of.
  struct Joined {
    std::size_t volume = 0;
    std::int64_t channels = 0;
    Named named = Named::Value;
    bool open = true;  // nothing else has been written there since
    std::int64_t first_row = 0;
    std::vector<std::optional<ChannelRun>> written;  // by channel
    const Entry* entry = nullptr;
  };

  const Shape& shape(ValueId id) const { return graph_.value(id).shape; }
  std::int32_t now() const { return static_cast<std::int32_t>(program_.steps.size()); }
  std::int64_t word_of(const Entry& entry, std::int64_t address) const;
  std::int64_t plane_words(std::int64_t rows, std::int64_t width) const {
    return rows * geometry_.row_words(width);
  }
  Spot spot(const ChannelLayout& layout, std::int64_t channel) const;
  std::int64_t word_at(const Region& region, std::int64_t channel, std::int64_t row) const;
  std::optional<Cell> cell_at(const Region& region, std::int64_t word, std::int64_t code) const;
  std::int64_t end_of(const Region& region) const;
  std::vector<std::size_t> regions_of(ValueId value) const;
  std::optional<Lying> lying(std::int64_t word, const AmPlace& place, std::int64_t width) const;
  std::optional<Found> find_latest(ValueId value, std::int64_t word, const AmPlace& place) const;
  std::optional<Found> find(ValueId value, std::int64_t word, const AmPlace& place) const;
  std::optional<Found> whole_of(ValueId value, const Part& part, std::int64_t word,
                                const AmPlace& place) const;
  bool same_layout(const std::vector<std::size_t>& regions, const AmPlace& place) const;
  void touch(const std::vector<std::size_t>& regions);
  std::size_t volume_of(std::size_t region) const;
  void write(const Entry& entry, Content content, std::int64_t word, const Tail& tail,
             bool computed, std::int64_t start, Named volume);
  std::size_t new_volume(const Content& content, std::int64_t word, std::int64_t words);
  std::size_t joined_volume(const Entry& entry, const Content& content, std::int64_t word,
                            const Tail& tail, Named named);
  void close_others(std::size_t volume, std::int64_t word, std::int64_t words);
  Named set_concat(const Entry& entry, const ReplayTarget& target, const Part& part, Tail& tail);
  Named check_concat(const Entry& entry, const Content& content, const Tail& tail,
                     const ReplayTarget* target, std::int64_t first) const;
  std::int64_t words_of(const Content& content, const ChannelLayout& layout) const;
  void add_probes();
  bool add_probes(ValueId value, bool computed);

  const Listing& listing_;
  const Graph& graph_;
  const Channels& channels_;
  const Machine& machine_;
  Geometry geometry_;
  std::vector<std::ptrdiff_t> producers_;
  Program& program_;
  std::vector<std::string>& notes_;
  std::vector<Region> regions_;                               // the latest last
  std::map<ValueId, std::vector<std::size_t>> regions_with_;  // by the values they have channels of
  std::vector<Volume> volumes_;
  std::vector<std::size_t> merged_into_;  // by volume; itself: into none
  std::vector<Joined> joined_;
  std::int64_t taken_starts_ = 0;  // concat parts whose place only the network tells
};

}  // namespace workbench::xdnn
