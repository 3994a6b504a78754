// Which channels of a network's values are one and the same: a concat's are its operands', a
// slice's those of what it is cut from. A replayed program is followed by them: whatever names its
// instructions go by, a memory holds channels of some rows.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "core/graph.h"

namespace workbench::xdnn {

// Channels [first, first + count) of a value that is no concat and no slice.
struct ChannelRun {
  ValueId value = kNoValue;
  std::int64_t first = 0, count = 0;
  friend bool operator==(const ChannelRun&, const ChannelRun&) = default;
};

std::int64_t channels_in(std::span<const ChannelRun> runs);
// Adds a run, to the last one where it continues that.
void append(std::vector<ChannelRun>& runs, const ChannelRun& run);
// Channels [first, first + count) of those of the runs.
std::vector<ChannelRun> some_of(std::span<const ChannelRun> runs, std::int64_t first,
                                std::int64_t count);
// Channel `channel` of the runs, which have more.
ChannelRun channel_at(std::span<const ChannelRun> runs, std::int64_t channel);

// Where two lists of runs have the same channels: `count` of them from `a` and `b` on.
struct Common {
  std::int64_t a = 0, b = 0, count = 0;
};
std::vector<Common> common_channels(std::span<const ChannelRun> a, std::span<const ChannelRun> b);

class Channels {
 public:
  explicit Channels(const Graph& graph);

  // What channels [first, first + count) of the value are. It is a map.
  std::vector<ChannelRun> of(ValueId value, std::int64_t first, std::int64_t count) const;
  std::span<const ChannelRun> of(ValueId value) const { return runs_[at(value)]; }
  // Values with channels of this one, which is no concat and no slice; itself among them.
  std::span<const ValueId> with(ValueId value) const { return with_[at(value)]; }
  // The channels of `value` at which these begin and go on, as many as there are.
  std::vector<std::int64_t> places(ValueId value, std::span<const ChannelRun> runs) const;

 private:
  static std::size_t at(ValueId value) { return static_cast<std::size_t>(value); }

  std::vector<std::vector<ChannelRun>> runs_;  // by value; empty: it is no map
  std::vector<std::vector<ValueId>> with_;     // likewise
};

// Channels and rows of a value.
struct Part {
  std::int64_t first_channel = 0, channels = 0, first_row = 0, rows = 0;
  friend bool operator==(const Part&, const Part&) = default;
};

// Which channels of which rows of a value there are.
class Covered {
 public:
  Covered(std::int64_t channels, std::int64_t rows)
      : channels_(channels), rows_(rows), there_(static_cast<std::size_t>(channels * rows)) {}
  // None of a shape that is no map.
  explicit Covered(const Shape& shape)
      : Covered(shape.size() == 4 ? shape[1] : 0, shape.size() == 4 ? shape[2] : 0) {}
  // Returns how many were not there before; none of a part that the value does not have.
  std::int64_t add(const Part& part);
  bool has(const Part& part) const;
  bool all() const { return count_ == static_cast<std::int64_t>(there_.size()); }

 private:
  bool inside(const Part& part) const;

  std::int64_t channels_, rows_, count_ = 0;
  std::vector<bool> there_;  // [channel][row]
};

}  // namespace workbench::xdnn
