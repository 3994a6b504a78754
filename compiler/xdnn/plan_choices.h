// What a memory plan could do with some ops, whatever is in the memory before them: row bands and
// channel chunks to try, an operand's place to take, and the weight of an op where nothing is cut.
#pragma once

#include <map>
#include <utility>
#include <vector>

#include "compiler/xdnn/bands.h"

namespace workbench::xdnn {

// What a segment costs with each number of bands that helps: peaks descend.
struct BandChoice {
  Segment segment;
  SegmentCost cost;
};
// Of ops [begin, end), the cheapest first; empty: they cannot be cut in bands.
std::vector<BandChoice> band_choices(const MemoryModel& model, int begin, int end);

// The same, each computed once: they depend on no budget, and searches for several ask for the
// same.
class BandChoices {
 public:
  explicit BandChoices(const MemoryModel& model) : model_(model) {}
  const std::vector<BandChoice>& of(int begin, int end);

 private:
  const MemoryModel& model_;
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
