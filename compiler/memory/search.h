// One depth-first search for a placement within a capacity: the engine of exact.h, which runs
// several of them with different orders. Ideas of Moffitt, "MiniMalloc" (ASPLOS 2023): buffers are
// placed upwards, each on the highest one below it, and the time axis is seen as sections, in each
// of which all live buffers must be stacked.
#pragma once

#include <cstdint>
#include <vector>

#include "compiler/memory/allocate.h"

namespace workbench {

class PlacementSearch {
 public:
  enum class Answer { Found, Infeasible, OutOfNodes };

  // `problem` has no buckets; at most kMostBuffers buffers.
  // `preorder`: indices of all buffers; which is tried first of those that could have one address.
  PlacementSearch(const Problem& problem, std::vector<std::int32_t> preorder);
  static constexpr std::size_t kMostBuffers = 4096;  // the search recurses once per buffer

  // Within `capacity`, placing at most `node_limit` buffers. May be called again.
  Answer run(std::int64_t capacity, std::int64_t node_limit);

  std::vector<std::int64_t> offsets() const;  // after Found, one per buffer of the problem
  // How often each buffer of the problem was in a section that could not be stacked.
  std::vector<std::int64_t> blame() const;
  std::int64_t nodes() const { return nodes_; }  // of the last run
  // After Infeasible: no smaller capacity than this one can do.
  std::int64_t least_capacity() const { return need_; }

 private:
  struct Candidate {
    std::int64_t offset;
    std::int32_t id;
  };
  struct Block {
    std::int64_t floor, size;
  };
  struct Change {
    std::int64_t floor, rest;
    std::int32_t id;
  };

  void build_sections();
  void build_overlaps();

  Answer search(std::size_t first, std::size_t last);
  Answer descend(std::size_t first, std::size_t last, std::int32_t id);
  Answer split(std::size_t first, std::size_t last);
  bool put(std::int32_t id);
  bool skip(std::int32_t id);
  void raise(std::int32_t id, std::int64_t floor, std::int64_t rest);
  void undo(std::size_t changes);
  bool sections_fit(std::int32_t first, std::int32_t last);
  void take_back(std::int32_t id);
  bool seen(std::size_t first, std::size_t last);

  // The problem, in the preorder: buffer 0 is tried first.
  std::int32_t count_ = 0;
  std::vector<std::int32_t> source_;  // index in the problem
  std::vector<std::int64_t> size_, alignment_;
  std::vector<std::int64_t> begin_, end_;   // time
  std::vector<std::int32_t> first_, last_;  // sections [first, last)
  std::vector<std::int32_t> twin_;          // the one before of equal size and sections, or -1
  std::vector<std::int32_t> overlap_, overlap_at_;  // ids of those alive together, per buffer
  std::vector<std::int32_t> member_, member_at_;    // ids of the live ones, per section

  // The state.
  std::int64_t capacity_ = 0, node_limit_ = 0, nodes_ = 0, need_ = 0;
  std::vector<std::int64_t> rest_;   // the lowest address above all that is placed, per buffer
  std::vector<std::int64_t> floor_;  // it cannot be below; above rest_: others must come first
  std::vector<std::int64_t> answer_;
  std::vector<std::int64_t> blame_;
  std::vector<char> placed_;
  std::vector<std::int64_t> unplaced_;  // total size of what is not placed, per section
  std::vector<std::int32_t> crossing_;  // unplaced buffers in this section and the one before
  std::vector<std::int32_t> pool_;      // lists of unplaced buffers, a stack
  std::vector<Candidate> candidates_;   // a stack
  std::vector<Change> changes_;         // a stack
  std::vector<std::uint64_t> salt_;     // of the hashes, per buffer
  std::vector<Block> stack_;            // scratch of sections_fit
  std::vector<std::uint64_t> failed_;   // hashes of states without an answer
};

}  // namespace workbench
