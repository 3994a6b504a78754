// What a carried-out memory plan consists of so far: the new Lowered network, which grows op by op,
// and the pieces of memory it computes on: a volume of it for channels and rows of a volume of the
// network it is made from. Where pieces come from and go to: volume_places.h.
#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "compiler/xdnn/memory_model.h"

namespace workbench::xdnn {

inline Span both(Span a, Span b) { return {std::max(a.begin, b.begin), std::min(a.end, b.end)}; }

// A piece of memory: a volume of Carried::out for channels [first, ...) and rows of a volume of
// Carried::whole.
struct AmPiece {
  int am = -1;
  std::int64_t first = 0;
  Span rows;
};

struct Carried {
  Carried(const Lowered& from, const MemoryModel& plan_model);

  const PlanOp& plan_op(int i) const { return model.ops[static_cast<std::size_t>(i)]; }
  const PlanVolume& volume(int v) const { return model.volumes[static_cast<std::size_t>(v)]; }
  Span all_rows(int v) const { return {0, volume(v).height}; }
  std::ptrdiff_t owner_of(int op) const;  // LoweredOp::owner; -1 behind the last op

  AmPiece new_piece(int v, Span channels, Span rows);
  // The map of `whole` that is just these channels of volume `v`; -1: none.
  int map_of(int v, Span channels) const;
  // Channels of `v` (which are part of map `from`, or -1) as a map of `out` in `piece`.
  int map_in(const AmPiece& piece, int v, int from, Span channels);

  void push(LoweredOp op) { out.ops.push_back(std::move(op)); }
  // The op pushed last has put these channels of volume `v` into `piece`, as `map`.
  void note_computed(int v, Span channels, const AmPiece& piece, int map);
  // Op `i` on these pieces. `written`: channels of the volume, all of the op's or a chunk of them.
  void compute(int i, const std::vector<AmPiece>& sources, const AmPiece& result, Span written,
               const std::string& tile);

  // Steps of the host that come before op `op` of `whole` and are not yet in `out`.
  void host_steps_until(int op);
  // At the end. A value that is computed into one place is looked at there, when its last part is;
  // else piece by piece.
  void add_probes();

  const Lowered& whole;
  const MemoryModel& model;
  Lowered out;

 private:
  struct Event {  // something was computed
    Span channels;
    AmPiece piece;
    int map;
    std::int32_t op;
  };
  static bool covered(const Map& map, Span channels, const std::vector<Event>& events);
  void add_probe(const Event& e, int m, Span channels, const std::vector<std::int32_t>& after);

  std::map<int, std::vector<int>> maps_of_;  // volume -> maps of `whole`
  std::map<std::tuple<int, int, std::int64_t, std::int64_t>, int> maps_;
  std::map<int, std::vector<Event>> events_;
  std::size_t next_host_ = 0;
};

}  // namespace workbench::xdnn
