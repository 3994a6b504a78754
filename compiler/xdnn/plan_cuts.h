// How ops can be cut so that they need less memory, and what that costs: row bands
// (docs/facts/xdnn.md 2.3, 4.6) and channel chunks.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "compiler/xdnn/memory_model.h"

namespace workbench::xdnn {

// --- row bands -----------------------------------------------------------------------------------

// Row bands (docs/facts/xdnn.md 2.3, 4.6): ops [begin, end) are done for some rows of their results
// at a time. Their live-ins come from DDR and their live-outs go there; values in between exist
// only as a band.

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

// Channels fetched from DDR for an op that reads `read`: those, or all that exist.
Span gathered_channels(const MemoryModel& model, const Access& read);

// Channel ranges of `chunk` of [0, channels), the last one smaller.
std::vector<Span> chunks_of(std::int64_t channels, std::int64_t chunk);

// --- channel chunks ------------------------------------------------------------------------------

// Channel chunks: convolutions and the ops that work channel by channel behind them are done for
// some channels at a time, so that what lies between them never exists whole (and needs no DDR).

enum class Where : std::uint8_t { Nowhere, Am, Ddr, Both };

// The ops of the segment can be done chunk by chunk of the same channels.
bool can_chunk(const MemoryModel& model, const Segment& segment);

struct GroupCost {
  std::int64_t extra = 0;     // weight beside the volumes that are in the AM already
  double cycles = 0;          // beyond computing each op once, whole
  std::vector<int> gathered;  // volumes that must be brought back whole
};
// Of the segment in chunks of `segment.chunk`, results that others read going to DDR when `to_ddr`
// has them. `where`: before the step.
std::optional<GroupCost> group_cost(const MemoryModel& model, const Segment& segment,
                                    const std::vector<int>& to_ddr,
                                    const std::function<Where(int)>& where);

// A channelwise operand of a chunked op that is gathered chunk by chunk, not whole.
bool gathered_in_chunks(const MemoryModel& model, const PlanOp& op, const Access& read);

// --- what to try ---------------------------------------------------------------------------------

// Choices of a memory plan for some ops, independent of the memory's contents: row bands and
// channel chunks to try, an operand's place to take, and the weight of an op where nothing is cut.

// Cost of a segment for each useful number of bands, by descending peak.
struct BandChoice {
  Segment segment;
  SegmentCost cost;
};
// Of ops [begin, end), the cheapest first; empty: they cannot be cut in bands. Adds to `steps` the
// bands of ops that were looked at.
std::vector<BandChoice> band_choices(const MemoryModel& model, int begin, int end,
                                     std::int64_t& steps);

// What the search for memory plans of a network may take, counted in bands of ops looked at, so
// that it finds the same anywhere. To go on from one state to another takes about as long as
// kOfMove of them; to carry out an op of a plan, to lay it out and to give it addresses,
// kOfPlannedOp.
struct PlanSteps {
  static constexpr std::int64_t kMost = std::int64_t{1} << 23, kOfMove = 6, kOfPlannedOp = 16;
  static constexpr std::int64_t kMostForAnError = kMost / 4;  // to say what memory would do
  std::int64_t limit = kMost;
  std::int64_t taken = 0, moves = 0;  // in `taken`, too
  void move() { ++moves, taken += kOfMove; }
  bool spent() const { return taken >= limit; }
};

// The same, each computed once: they depend on no budget, and searches for several ask for the
// same. Once the steps are spent there are no further ones.
class BandChoices {
 public:
  // `steps` outlives this.
  BandChoices(const MemoryModel& model, PlanSteps& steps) : model_(model), steps_(steps) {}
  const std::vector<BandChoice>& of(int begin, int end);
  PlanSteps& steps() { return steps_; }

 private:
  const MemoryModel& model_;
  PlanSteps& steps_;
  const std::vector<BandChoice> none_;
  std::map<std::pair<int, int>, std::vector<BandChoice>> known_;
};

// Channels that ops [begin, end) can be done in chunks of: the chunk sizes to try, largest first;
// empty when they cannot.
std::vector<std::int64_t> chunk_sizes(const MemoryModel& model, std::int64_t channels);

// In a Chunked step or alone: the operand of eltwise `op` that dies there, is whole in the AM and
// whose place the whole result can take. -1: none.
int operand_to_replace(const MemoryModel& model, const Segment& segment, int op);

// Weight of each op when everything alive is in the AM.
std::vector<std::int64_t> natural_weights(const MemoryModel& model);

}  // namespace workbench::xdnn
