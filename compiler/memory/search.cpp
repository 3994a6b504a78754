#include "compiler/memory/search.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <map>
#include <tuple>

#include "core/error.h"

namespace workbench {

namespace {

std::int64_t align_up(std::int64_t address, std::int64_t alignment) {
  if (alignment == 1) return address;
  return (address + alignment - 1) / alignment * alignment;
}

std::uint64_t mix(std::uint64_t x) {  // the finaliser of SplitMix64
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

}  // namespace

PlacementSearch::PlacementSearch(const Problem& problem, std::vector<std::int32_t> preorder)
    : count_(static_cast<std::int32_t>(preorder.size())), source_(std::move(preorder)) {
  const auto& buffers = problem.buffers;
  CHECK(problem.bucket == 0 && buffers.size() <= kMostBuffers && source_.size() == buffers.size());
  for (const std::int32_t i : source_) {
    const Buffer& b = buffers[static_cast<std::size_t>(i)];
    size_.push_back(b.size);
    alignment_.push_back(b.alignment);
    begin_.push_back(b.begin);
    end_.push_back(b.end);
  }
  blame_.assign(count_, 0);
  build_sections();
  build_overlaps();
}

// A section begins where, after at least one has ended, a buffer begins: all that are alive at
// some moment of it are alive together at one.
void PlacementSearch::build_sections() {
  std::vector<std::tuple<std::int64_t, int, std::int32_t>> events;  // time, 0 end or 1 begin, id
  for (std::int32_t i = 0; i < count_; ++i) {
    events.emplace_back(begin_[i], 1, i);
    events.emplace_back(end_[i], 0, i);
  }
  std::sort(events.begin(), events.end());
  first_.resize(count_), last_.resize(count_);
  std::int32_t section = -1;
  bool ended = true;
  for (const auto& [time, begins, id] : events) {
    if (begins == 0) {
      last_[id] = section + 1;
      ended = true;
    } else {
      if (ended) ++section;
      ended = false;
      first_[id] = section;
    }
  }
  const std::size_t sections = static_cast<std::size_t>(section + 1);
  member_at_.assign(sections + 1, 0);
  for (std::int32_t s = 0; s <= section; ++s) {
    for (std::int32_t i = 0; i < count_; ++i) {
      if (first_[i] <= s && s < last_[i]) member_.push_back(i);
    }
    member_at_[s + 1] = static_cast<std::int32_t>(member_.size());
  }
  std::map<std::tuple<std::int32_t, std::int32_t, std::int64_t, std::int64_t>, std::int32_t> same;
  twin_.assign(count_, -1);
  for (std::int32_t i = 0; i < count_; ++i) {
    const auto key = std::tuple(first_[i], last_[i], size_[i], alignment_[i]);
    if (const auto found = same.find(key); found != same.end()) twin_[i] = found->second;
    same[key] = i;
  }
}

void PlacementSearch::build_overlaps() {
  overlap_at_.assign(count_ + 1, 0);
  for (std::int32_t i = 0; i < count_; ++i) {
    for (std::int32_t j = 0; j < count_; ++j) {
      if (i != j && first_[i] < last_[j] && first_[j] < last_[i]) overlap_.push_back(j);
    }
    overlap_at_[i + 1] = static_cast<std::int32_t>(overlap_.size());
  }
}

PlacementSearch::Answer PlacementSearch::run(std::int64_t capacity, std::int64_t node_limit) {
  failed_.assign(std::bit_ceil(static_cast<std::size_t>(
                     std::clamp<std::int64_t>(2 * node_limit, 1 << 10, 1 << 20))),
                 0);
  need_ = std::numeric_limits<std::int64_t>::max();
  capacity_ = capacity;
  node_limit_ = node_limit;
  nodes_ = 0;
  floor_.assign(count_, 0);
  rest_.assign(count_, 0);
  answer_.assign(count_, 0);
  placed_.assign(count_, 0);
  for (std::int32_t i = 0; i < count_; ++i) salt_.push_back(mix(static_cast<std::uint64_t>(i) + 1));
  const std::size_t sections = member_at_.size() - 1;
  unplaced_.assign(sections, 0);
  crossing_.assign(sections + 1, 0);
  for (std::int32_t i = 0; i < count_; ++i) {
    for (std::int32_t s = first_[i]; s < last_[i]; ++s) {
      unplaced_[s] += size_[i];
      if (s > first_[i]) ++crossing_[s];
    }
  }
  pool_.clear(), candidates_.clear(), changes_.clear();
  for (std::int32_t i = 0; i < count_; ++i) pool_.push_back(i);
  if (!sections_fit(0, static_cast<std::int32_t>(sections))) return Answer::Infeasible;
  return split(0, pool_.size());
}

std::vector<std::int64_t> PlacementSearch::blame() const {
  std::vector<std::int64_t> blame(count_);
  for (std::int32_t i = 0; i < count_; ++i) blame[source_[i]] = blame_[i];
  return blame;
}

std::vector<std::int64_t> PlacementSearch::offsets() const {
  std::vector<std::int64_t> offsets(count_);
  for (std::int32_t i = 0; i < count_; ++i) offsets[source_[i]] = answer_[i];
  return offsets;
}

// Parts of time that no unplaced buffer joins are independent: one that has no answer settles it.
PlacementSearch::Answer PlacementSearch::split(std::size_t first, std::size_t last) {
  if (first == last) return Answer::Found;
  std::int32_t from = std::numeric_limits<std::int32_t>::max(), to = 0;
  for (std::size_t i = first; i < last; ++i) {
    from = std::min(from, first_[pool_[i]]);
    to = std::max(to, last_[pool_[i]]);
  }
  bool whole = true;
  for (std::int32_t s = from + 1; s < to && whole; ++s) whole = crossing_[s] > 0;
  if (whole) return search(first, last);
  const std::size_t base = pool_.size();
  struct Part {
    std::size_t first, last;
  };
  std::vector<Part> parts;
  for (std::int32_t begin = from; begin < to;) {
    std::int32_t end = begin + 1;
    while (end < to && crossing_[end] > 0) ++end;
    const std::size_t part = pool_.size();
    for (std::size_t i = first; i < last; ++i) {
      const std::int32_t id = pool_[i];
      if (first_[id] >= begin && first_[id] < end) pool_.push_back(id);
    }
    if (pool_.size() > part) parts.push_back({part, pool_.size()});
    begin = end;
  }
  std::stable_sort(parts.begin(), parts.end(), [](const Part& a, const Part& b) {
    return a.last - a.first < b.last - b.first;  // a small one fails soonest
  });
  Answer answer = Answer::Found;
  for (const Part& part : parts) {
    answer = search(part.first, part.last);
    if (answer != Answer::Found) break;
  }
  pool_.resize(base);
  return answer;
}

PlacementSearch::Answer PlacementSearch::search(std::size_t first, std::size_t last) {
  if (nodes_ >= node_limit_) return Answer::OutOfNodes;
  ++nodes_;
  const std::size_t slot_base = candidates_.size();
  std::int64_t lowest_top = std::numeric_limits<std::int64_t>::max();
  std::int64_t room = std::numeric_limits<std::int64_t>::max();
  std::uint64_t key = 0;
  std::int32_t from = std::numeric_limits<std::int32_t>::max(), to = 0;
  for (std::size_t i = first; i < last; ++i) {
    const std::int32_t id = pool_[i];
    key += mix(static_cast<std::uint64_t>(floor_[id]) * 0x9e3779b97f4a7c15u +
               mix(static_cast<std::uint64_t>(rest_[id]) + salt_[id]));
    lowest_top = std::min(lowest_top, rest_[id] + size_[id]);
    from = std::min(from, first_[id]);
    to = std::max(to, last_[id]);
    if (rest_[id] < floor_[id] || (twin_[id] >= 0 && placed_[twin_[id]] == 0)) continue;
    candidates_.push_back({floor_[id], id});
  }
  for (std::int32_t s = from; s < to; ++s) room = std::min(room, capacity_ - unplaced_[s]);
  if (key == 0) key = 1;
  std::uint64_t& remembered = failed_[mix(key) & (failed_.size() - 1)];
  if (remembered == key) {
    candidates_.resize(slot_base);
    return Answer::Infeasible;
  }
  // A buffer placed at or above `lowest_top` would leave a hole for another; above `room`, some
  // section could not be stacked any more.
  std::sort(candidates_.begin() + static_cast<std::ptrdiff_t>(slot_base), candidates_.end(),
            [](const Candidate& a, const Candidate& b) {
              return std::tie(a.offset, a.id) < std::tie(b.offset, b.id);
            });
  const std::size_t slot_end = candidates_.size(), changes = changes_.size();
  Answer answer = Answer::Infeasible;
  for (std::size_t c = slot_base; c < slot_end; ++c) {
    const Candidate candidate = candidates_[c];
    if (candidate.offset >= lowest_top) break;
    if (candidate.offset > room) {
      need_ = std::min(need_, capacity_ + candidate.offset - room);
      break;
    }
    answer = descend(first, last, candidate.id);
    if (answer != Answer::Infeasible || !skip(candidate.id)) break;
  }
  undo(changes);
  candidates_.resize(slot_base);
  if (answer == Answer::Infeasible) failed_[mix(key) & (failed_.size() - 1)] = key;
  return answer;
}

PlacementSearch::Answer PlacementSearch::descend(std::size_t first, std::size_t last,
                                                 std::int32_t id) {
  const std::size_t changes = changes_.size(), base = pool_.size();
  Answer answer = Answer::Infeasible;
  if (put(id)) {
    for (std::size_t i = first; i < last; ++i) {
      if (pool_[i] != id) pool_.push_back(pool_[i]);
    }
    answer = split(base, pool_.size());
    pool_.resize(base);
  }
  undo(changes);
  take_back(id);
  return answer;
}

// False when some section cannot be stacked any more.
bool PlacementSearch::put(std::int32_t id) {
  const std::int64_t top = rest_[id] + size_[id];
  answer_[id] = rest_[id];
  placed_[id] = 1;
  for (std::int32_t s = first_[id]; s < last_[id]; ++s) {
    unplaced_[s] -= size_[id];
    if (s > first_[id]) --crossing_[s];
  }
  std::int32_t from = first_[id], to = last_[id];
  for (std::int32_t k = overlap_at_[id]; k < overlap_at_[id + 1]; ++k) {
    const std::int32_t other = overlap_[k];
    if (placed_[other] != 0 || rest_[other] >= top) continue;
    const std::int64_t rest = align_up(top, alignment_[other]);
    std::int64_t floor = std::max(rest, floor_[other]);
    // Directly on one that lives exactly as long: the other way round is no worse.
    if (other < id && first_[other] == first_[id] && last_[other] == last_[id] &&
        alignment_[other] == 1 && alignment_[id] == 1) {
      floor = std::max(floor, rest + 1);
    }
    from = std::min(from, first_[other]);
    to = std::max(to, last_[other]);
    raise(other, floor, rest);
  }
  return sections_fit(from, to);
}

// From now on `id` is not placed where it could be: it must wait for another to be placed below
// it. False when some section cannot be stacked any more.
bool PlacementSearch::skip(std::int32_t id) {
  std::int64_t floor = std::numeric_limits<std::int64_t>::max();
  for (std::int32_t k = overlap_at_[id]; k < overlap_at_[id + 1]; ++k) {
    const std::int32_t other = overlap_[k];
    if (placed_[other] == 0) floor = std::min(floor, floor_[other] + size_[other]);
  }
  if (floor == std::numeric_limits<std::int64_t>::max()) return false;
  raise(id, align_up(std::max(floor, floor_[id]), alignment_[id]), rest_[id]);
  return sections_fit(first_[id], last_[id]);
}

void PlacementSearch::raise(std::int32_t id, std::int64_t floor, std::int64_t rest) {
  changes_.push_back({floor_[id], rest_[id], id});
  floor_[id] = floor;
  rest_[id] = rest;
}

bool PlacementSearch::sections_fit(std::int32_t first, std::int32_t last) {
  for (std::int32_t s = first; s < last; ++s) {
    if (unplaced_[s] == 0) continue;
    stack_.clear();
    for (std::int32_t k = member_at_[s]; k < member_at_[s + 1]; ++k) {
      const std::int32_t id = member_[k];
      if (placed_[id] == 0) stack_.push_back({floor_[id], size_[id]});
    }
    std::sort(stack_.begin(), stack_.end(),
              [](const Block& a, const Block& b) { return a.floor < b.floor; });
    std::int64_t top = 0;
    for (const Block& block : stack_) top = std::max(top, block.floor) + block.size;
    if (top > capacity_) {
      need_ = std::min(need_, top);
      for (std::int32_t k = member_at_[s]; k < member_at_[s + 1]; ++k) {
        if (placed_[member_[k]] == 0) ++blame_[member_[k]];
      }
      return false;
    }
  }
  return true;
}

void PlacementSearch::undo(std::size_t changes) {
  while (changes_.size() > changes) {
    const Change& change = changes_.back();
    floor_[change.id] = change.floor;
    rest_[change.id] = change.rest;
    changes_.pop_back();
  }
}

void PlacementSearch::take_back(std::int32_t id) {
  placed_[id] = 0;
  for (std::int32_t s = first_[id]; s < last_[id]; ++s) {
    unplaced_[s] += size_[id];
    if (s > first_[id]) ++crossing_[s];
  }
}

}  // namespace workbench
