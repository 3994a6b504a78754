// Static memory allocation: buffers with lifetimes get addresses so that no two that live at the
// same time overlap. A heuristic portfolio; every answer is checked by validate(), which shares no
// code with it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
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
  // Memory in equal parts, one buffer in each at a time (MathEngine, xdnn.md 5.3): every buffer lies
  // in one part [k * bucket, (k + 1) * bucket) and begins where it begins. 0: no such parts.
  std::int64_t bucket = 0;
};

struct Solution {
  std::vector<std::int64_t> offsets;  // one per buffer
  std::int64_t extent = 0;            // highest end address
};

// The most that is alive at once: no solution needs less.
std::int64_t peak_demand(const Problem& problem);

// The first solution found within capacity, or nothing. Deterministic.
std::optional<Solution> allocate(const Problem& problem);

// Every pair of buffers that overlaps in time and space, every buffer outside [0, capacity): empty
// when the solution is legal.
std::vector<std::string> validate(const Problem& problem, const Solution& solution);

}  // namespace workbench
