// A memory plan being carried out: the new Lowered network, which grows op by op,
// and the pieces of memory it computes on: a volume of it for channels and rows of a volume of the
// network it is made from. Where pieces come from and go to: VolumePlaces.
#pragma once

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "compiler/xdnn/memory_model.h"

namespace workbench::xdnn {

// --- the new network -----------------------------------------------------------------------------

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

// --- where volumes are ---------------------------------------------------------------------------

// Where the volumes of a network are while a memory plan is carried out
// (docs/facts/xdnn.md 2.3, 4.6): whole in the AM, in tensors in DDR, or both; with the gathers and
// scatters that move them.

// Volume -> channels at which its place in DDR is cut in tensors.
using Cuts = std::map<int, std::set<std::int64_t>>;

class VolumePlaces {
 public:
  // `cuts` is extended by what this plan reads and writes. `first_pass`: only for that.
  VolumePlaces(Carried& net, Cuts& cuts, bool first_pass);

  // --- in the AM ---------------------------------------------------------------------------------

  bool in_am(int v) const { return places_[static_cast<std::size_t>(v)].am >= 0; }  // whole
  // The piece that has all of the volume: room for it, if it is not in the AM.
  AmPiece whole_piece(int v);
  // The volume whole in the AM, brought there if it is not.
  AmPiece resident(int v, std::ptrdiff_t owner);
  // What an op reads, in the AM: the whole volume, or a piece of what is gathered for `read`.
  AmPiece operand(const Access& read, std::ptrdiff_t owner);
  void leave_am(int v) { places_[static_cast<std::size_t>(v)].am = -1; }
  void evict(int v, int next_op);  // stored first, where DDR lacks it
  void forget_dead(int next_op);

  // --- written and stored ------------------------------------------------------------------------

  void note_written(int v, Span channels);
  const std::vector<Span>& written(int v) const {  // in ascending order
    return places_[static_cast<std::size_t>(v)].written;
  }
  // Stores channels of a piece; a scatter begins at a word, so some before them may go along.
  void store(int v, const AmPiece& piece, Span channels, std::ptrdiff_t owner);
  // What has been written of a volume that is whole in the AM gets its copy in DDR.
  void store_all(int v, std::ptrdiff_t owner);

  // --- gathered ----------------------------------------------------------------------------------

  void gather(int v, const AmPiece& piece, Span channels, std::ptrdiff_t owner);
  // What there is of these channels: others of a concat may not be computed yet.
  void gather_written(int v, const AmPiece& piece, Span channels, std::ptrdiff_t owner);

  // --- the host's tensors ------------------------------------------------------------------------

  // The host has written the channels to `tensor`.
  void note_download(int v, Span channels, int tensor);
  // They have been uploaded to `tensor`.
  void note_upload(int v, Span channels, int tensor);
  // They are in `tensor`, which the host reads: nothing need be uploaded.
  bool host_has(int v, Span channels, int tensor) const;

 private:
  // Where channels of a volume lie in DDR: `tensor` holds them from channel `first` on.
  struct Stored {
    Span channels;
    int tensor;
    std::int64_t first;
  };
  struct Place {
    int am = -1;  // volume of Carried::out that holds it whole
    std::vector<Span> written;
    std::vector<Stored> stored;
  };
  // A part of a stored tensor that can be read at once.
  struct Source {
    const Stored* from;
    Span channels;
  };

  std::int32_t move_layer(int v, bool gather);
  int new_tensor(int v, Span channels);
  int tensor_for(int v, Span channels);
  std::vector<Stored> storage(int v, Span channels);
  bool is_stored(int v, Span channels) const;
  bool is_host_tensor(int v, int tensor) const;
  Source source_of(int v, const AmPiece& piece, Span channels) const;
  void scatter(int v, const AmPiece& piece, std::ptrdiff_t owner, const std::vector<Stored>& to);

  Carried& net_;
  Cuts& cuts_;
  bool first_pass_;
  std::vector<Place> places_;
  std::map<int, int> host_tensor_;  // volume -> tensor of all its channels that the host reads
  std::map<std::tuple<int, std::int64_t, std::int64_t>, int> tensors_;
  std::map<int, std::int32_t> gather_layer_, scatter_layer_;
  std::set<int> from_host_;  // tensors the host wrote
};

}  // namespace workbench::xdnn
