// Row bands (xdnn.md 2.3, 4.6): ops [begin, end) are done for some rows of their results at a time.
// What they read of others comes from DDR, what others read of them goes there; what lies between
// them exists only as a band.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "compiler/xdnn/memory_model.h"

namespace workbench::xdnn {

struct Segment {
  int begin = 0, end = 0;  // ops
  std::int64_t bands = 1;
  std::int64_t chunk = 0;  // a single op: output channels at a time; 0: all
};

// Rows of one band.
struct Band {
  std::vector<Span> written;            // per op
  std::vector<std::vector<Span>> read;  // per op and operand
};

// The bands, first rows first. Nothing when it cannot be done: two readers of a value inside the
// segment want it from different rows on, and a piece of memory has no address inside its planes.
std::optional<std::vector<Band>> cut_bands(const MemoryModel& model, const Segment& segment);

// A piece of memory of a band: a value of the segment, or what an op gathers.
struct PieceKey {
  int volume = -1;
  Span channels;  // aligned
  Span rows;
  friend bool operator==(const PieceKey&, const PieceKey&) = default;
};

struct SegmentCost {
  std::int64_t peak = 0;  // weight of the pieces alive at once
  double cycles = 0;      // beyond computing each op once, whole
};
std::optional<SegmentCost> segment_cost(const MemoryModel& model, const Segment& segment);

// Volumes the segment reads of others (in DDR they must be), and writes for others.
std::vector<int> segment_inputs(const MemoryModel& model, const Segment& segment);
std::vector<int> segment_outputs(const MemoryModel& model, const Segment& segment);
// Channels of `volume` that ops of the segment write, together (empty: none).
Span written_channels(const MemoryModel& model, const Segment& segment, int volume);
// Channels that the piece of `volume` has: all that the segment reads or writes of it.
Span piece_channels(const MemoryModel& model, const Segment& segment, int volume);

// What is brought from DDR for an op that reads `read`: those channels, or all there are.
Span gathered_channels(const MemoryModel& model, const Access& read);

// Channel ranges of `chunk` of [0, channels), the last one smaller.
std::vector<Span> chunks_of(std::int64_t channels, std::int64_t chunk);

}  // namespace workbench::xdnn
