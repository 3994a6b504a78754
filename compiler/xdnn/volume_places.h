// Where the volumes of a network are while a memory plan is carried out (xdnn.md 2.3, 4.6): whole
// in the AM, in tensors in DDR, or both; with the gathers and scatters that move them.
#pragma once

#include <map>
#include <set>
#include <tuple>
#include <vector>

#include "compiler/xdnn/carried.h"

namespace workbench::xdnn {

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
  // They are in the tensor that the host reads: nothing need be uploaded.
  bool host_has(int v, Span channels) const;

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
  Source source_of(int v, const AmPiece& piece, Span channels) const;
  void scatter(int v, const AmPiece& piece, std::ptrdiff_t owner, const std::vector<Stored>& to);

  Carried& net_;
  Cuts& cuts_;
  bool first_pass_;
  std::vector<Place> places_;
  std::map<int, int> host_tensor_;  // volume -> tensor the host reads
  std::map<std::tuple<int, std::int64_t, std::int64_t>, int> tensors_;
  std::map<int, std::int32_t> gather_layer_, scatter_layer_;
  std::set<int> from_host_;  // tensors the host wrote
};

}  // namespace workbench::xdnn
