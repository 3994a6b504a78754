// Static memory allocation: buffers with lifetimes get addresses so that no two that live at the
// same time overlap. Heuristics first, then an exact search (exact.h); every answer is checked by
// validate(), which shares no code with them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace workbench {

struct Buffer {
  std::string name;
  std::int64_t size = 0;            // in the problem's unit (bytes, words), > 0
  std::int64_t begin = 0, end = 0;  // alive in [begin, end)
  bool prefer_top = false;          // placed from the high end: keeps it away from the others
  std::int64_t alignment = 1;       // the address is a multiple of it
};

struct Problem {
  std::vector<Buffer> buffers;
  std::int64_t capacity = 0;
  // Memory in equal parts, one buffer in each at a time (MathEngine, docs/facts/xdnn.md 5.3): every
  // buffer lies in one part [k * bucket, (k + 1) * bucket) and begins where it begins. 0: no such
  // parts.
  std::int64_t bucket = 0;
};

struct Solution {
  std::vector<std::int64_t> offsets;  // one per buffer
  std::int64_t extent = 0;            // highest end address; of whole buckets if there are any
};

// The most that is alive at once: no solution needs less.
std::int64_t peak_demand(const Problem& problem);

struct AllocateOptions {
  // "": the wish for the top first, then exact; "exact"; "all": the published strategies in turn;
  // or the name of one of them (strategies.h).
  std::string strategy;
  std::uint64_t seed = 1;           // of the random strategies
  std::int64_t node_limit = 20000;  // of the exact search: buffers it may place
};

// The first solution found within capacity, or nothing. Deterministic. Throws Error for a strategy
// that does not exist.
std::optional<Solution> allocate(const Problem& problem, const AllocateOptions& options = {});

// The same problem with buckets expressed as sizes and alignments; nothing when a buffer is larger
// than a bucket.
std::optional<Problem> without_buckets(const Problem& problem);

// Every pair of buffers that overlaps in time and space or shares a bucket, every buffer outside
// [0, capacity), off its alignment or across a bucket's end: empty when the solution is legal.
std::vector<std::string> validate(const Problem& problem, const Solution& solution);

// The placement strategies of the xfDNN compiler (docs/facts/xdnn.md 4.6): buffers get addresses in
// the order in which they begin to live, from a list of free blocks, and give them back when they
// end.
struct Strategy {
  std::string_view name;
  std::string_view summary;
  bool random = false;  // depends on the seed
};

// In the order in which "all" tries them: that of v1.1, then flip, which came with v1.3.
std::span<const Strategy> strategies();

// `name`: one of strategies(), or "all": the first that succeeds. Nothing when it finds no
// placement within the capacity. `prefer_top` is ignored. Throws Error for an unknown name.
std::optional<Solution> place_by(std::string_view name, const Problem& problem, std::uint64_t seed);

}  // namespace workbench
