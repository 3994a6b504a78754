#include "explore/html/timeline_pieces.h"

#include <algorithm>
#include <map>
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
                              .layer = layer_of(program, interval.instruction),
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

std::int32_t layer_of(const ProgramInfo& program, std::int32_t instruction) {
  return instruction < 0 ? -1 : program.instruction_layer.at(static_cast<std::size_t>(instruction));
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

}  // namespace workbench
