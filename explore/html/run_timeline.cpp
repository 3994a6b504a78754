#include "explore/html/run_timeline.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

namespace workbench {

namespace {

// Intervals of one resource, idle ones left out; neighbours that differ in nothing shown are one.
std::vector<TimelinePiece> exact_pieces(const Timeline& timeline, const ProgramInfo& program,
                                        std::int32_t resource) {
  std::vector<TimelinePiece> pieces;
  for (const Interval& interval : timeline.intervals) {
    if (interval.resource != resource || interval.cause == Cause::Idle) continue;
    if (interval.begin == interval.end) continue;
    const TimelinePiece piece{.begin = interval.begin,
                              .end = interval.end,
                              .layer = layer_number(program, interval.instruction),
                              .cause = interval.cause,
                              .busy = interval.end - interval.begin};
    if (!pieces.empty() && pieces.back().end == piece.begin && pieces.back().layer == piece.layer &&
        pieces.back().cause == piece.cause) {
      pieces.back().end = piece.end;
      pieces.back().busy += piece.busy;
    } else {
      pieces.push_back(piece);
    }
  }
  return pieces;
}

// What fills most of the time of these; the earliest of equals.
TimelinePiece together(const std::vector<TimelinePiece>& pieces) {
  TimelinePiece whole{.begin = pieces.front().begin, .end = pieces.back().end};
  std::map<std::pair<std::int32_t, Cause>, Cycles> shares;
  for (const TimelinePiece& piece : pieces) {
    shares[{piece.layer, piece.cause}] += piece.busy;
    whole.busy += piece.busy;
  }
  Cycles most;
  for (const TimelinePiece& piece : pieces) {
    const Cycles share = shares[{piece.layer, piece.cause}];
    if (share <= most) continue;
    most = share;
    whole.layer = piece.layer, whole.cause = piece.cause;
  }
  return whole;
}

// Runs of pieces that are shorter than `length` become one each, about as long as that; so do the
// gaps between them. Longer pieces stay as they are.
std::vector<TimelinePiece> coarser(const std::vector<TimelinePiece>& pieces, Cycles length) {
  std::vector<TimelinePiece> result, run;
  const auto flush = [&] {
    if (!run.empty()) result.push_back(together(run));
    run.clear();
  };
  for (const TimelinePiece& piece : pieces) {
    if (!run.empty() && piece.begin >= run.back().end + length) flush();
    if (piece.end - piece.begin >= length) {
      flush();
      result.push_back(piece);
      continue;
    }
    run.push_back(piece);
    if (run.back().end - run.front().begin >= length) flush();
  }
  flush();
  return result;
}

std::size_t count(const TimelinePieces& pieces) {
  std::size_t sum = 0;
  for (const auto& one : pieces.of_resource) sum += one.size();
  return sum;
}

}  // namespace

std::int32_t layer_number(const ProgramInfo& program, std::int32_t instruction) {
  const auto layer = layer_of(program, instruction);
  return layer ? static_cast<std::int32_t>(*layer) : -1;
}

TimelinePieces timeline_pieces(const Timeline& timeline, const ProgramInfo& program,
                               std::size_t pieces_max) {
  TimelinePieces exact;
  for (std::size_t r = 0; r < timeline.resources.size(); ++r) {
    exact.of_resource.push_back(exact_pieces(timeline, program, static_cast<std::int32_t>(r)));
  }
  TimelinePieces result = exact;
  for (Cycles length{2}; count(result) > pieces_max; length += length) {
    for (std::size_t r = 0; r < exact.of_resource.size(); ++r) {
      result.of_resource[r] = coarser(exact.of_resource[r], length);
    }
    result.together_below = length;
    if (length > timeline.end) break;
  }
  return result;
}

namespace {

// When instructions begin and end; one without an interval takes no time, where the next begins.
class InstructionTimes {
 public:
  InstructionTimes(const Timeline& timeline, std::size_t instructions)
      : begin_(instructions, timeline.end), end_(instructions) {
    for (const Interval& interval : timeline.intervals) {
      if (interval.instruction < 0) continue;
      const auto i = static_cast<std::size_t>(interval.instruction);
      begin_.at(i) = std::min(begin_.at(i), interval.begin);
      end_[i] = std::max(end_[i], interval.end);
    }
    for (std::size_t i = instructions; i-- > 1;) {
      if (end_[i - 1] == Cycles{}) begin_[i - 1] = begin_[i];
    }
    for (std::size_t i = 1; i < instructions; ++i) {
      if (end_[i] == Cycles{}) end_[i] = end_[i - 1];
    }
  }
  Cycles begin(std::int32_t instruction) const { return at(begin_, instruction); }
  Cycles end(std::int32_t instruction) const { return at(end_, instruction); }

 private:
  // Volumes of the network's input begin before all instructions, those of results end behind them.
  static Cycles at(const std::vector<Cycles>& times, std::int32_t instruction) {
    const auto last = static_cast<std::int32_t>(times.size()) - 1;
    return times[static_cast<std::size_t>(std::clamp(instruction, 0, last))];
  }
  std::vector<Cycles> begin_, end_;
};

template <typename Volume>
MemoryVolume placed(const Volume& volume, std::int64_t address, std::int64_t bytes,
                    const ProgramInfo& info, const InstructionTimes& times) {
  const bool known =
      volume.first >= 0 && static_cast<std::size_t>(volume.first) < info.instruction_layer.size();
  return {.name = volume.name,
          .layer = known ? layer_number(info, volume.first) : -1,
          .address = address,
          .bytes = bytes,
          .begin = times.begin(volume.first),
          .end = times.end(volume.last)};
}

std::vector<MemoryUse> use_of(const xdnn::Program& program, const xdnn::Machine& machine,
                              const InstructionTimes& times) {
  const std::int64_t word = machine.word_bytes();
  MemoryUse am{.name = "AM", .capacity_bytes = machine.am.size_bytes};
  const auto add = [&](const std::vector<xdnn::Volume>& volumes) {
    for (const xdnn::Volume& v : volumes) {
      am.volumes.push_back(placed(v, v.address * word, v.words * word, program.info, times));
    }
  };
  add(program.memory_map);
  add(program.scratch);
  return {std::move(am)};
}

std::vector<MemoryUse> use_of(const pulp::Program& program, const pulp::Machine& machine,
                              const InstructionTimes& times) {
  std::vector<MemoryUse> uses{{.name = "L1", .capacity_bytes = machine.l1.buffer_bytes},
                              {.name = "L2", .capacity_bytes = machine.l2.buffer_bytes}};
  for (const pulp::Volume& v : program.memory_map) {
    if (v.space == pulp::Space::L3) continue;
    uses[v.space == pulp::Space::L1 ? 0 : 1].volumes.push_back(
        placed(v, v.address, v.bytes, program.info, times));
  }
  return uses;
}

}  // namespace

std::vector<MemoryUse> memory_use(const Compiled& compiled, const Timeline& timeline) {
  const ProgramInfo& info = compiled.info();
  if (info.instruction_layer.empty() || machine_info(compiled.machine).throughput) return {};
  const InstructionTimes times(timeline, info.instruction_layer.size());
  return is_xdnn(compiled) ? use_of(compiled.xdnn_program(), compiled.xdnn_machine(), times)
                           : use_of(compiled.pulp_program(), compiled.pulp_machine(), times);
}

std::vector<Occupied> occupied(const MemoryUse& use) {
  struct Event {
    Cycles time;
    bool begins;
    std::int64_t first, last;  // bytes [first, last)
  };
  std::vector<Event> events;
  for (const MemoryVolume& v : use.volumes) {
    if (v.begin >= v.end || v.bytes == 0) continue;
    events.push_back({v.begin, true, v.address, v.address + v.bytes});
    events.push_back({v.end, false, v.address, v.address + v.bytes});
  }
  std::stable_sort(events.begin(), events.end(),
                   [](const Event& a, const Event& b) { return a.time < b.time; });
  std::multiset<std::pair<std::int64_t, std::int64_t>> live;
  std::vector<Occupied> result;
  for (std::size_t i = 0; i < events.size();) {
    const Cycles now = events[i].time;
    for (; i < events.size() && events[i].time == now; ++i) {
      const std::pair range{events[i].first, events[i].last};
      if (events[i].begins)
        live.insert(range);
      else
        live.erase(live.find(range));
    }
    std::int64_t bytes = 0, end = 0;
    for (const auto& [first, last] : live) {
      bytes += std::max<std::int64_t>(0, last - std::max(first, end));
      end = std::max(end, last);
    }
    if (result.empty() || result.back().bytes != bytes) result.push_back({now, bytes});
  }
  return result;
}

}  // namespace workbench
