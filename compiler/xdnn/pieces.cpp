#include "compiler/xdnn/pieces.h"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "compiler/xdnn/chunk_group.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }

Span both(Span a, Span b) { return {std::max(a.begin, b.begin), std::min(a.end, b.end)}; }

// Volume -> channels at which its place in DDR is cut in tensors.
using Cuts = std::map<int, std::set<std::int64_t>>;

class Carrying {
 public:
  // `cuts` is extended by what this plan reads and writes. `first_pass`: only for that.
  Carrying(const Lowered& whole, const MemoryModel& model, const MemoryPlan& plan, Cuts& cuts,
           bool first_pass)
      : whole_(whole), model_(model), plan_(plan), cuts_(cuts), first_pass_(first_pass) {
    out_.graph = whole.graph;
    out_.ddr_tensors = whole.ddr_tensors;
    out_.layers = whole.layers;
    out_.host = whole.host;
    out_.value_map = whole.value_map;
    places_.resize(model.volumes.size());
    for (std::size_t i = 0; i < whole.maps.size(); ++i) {
      const Map& map = whole.maps[i];
      if (map.volume >= 0) maps_of_[map.volume].push_back(static_cast<int>(i));
      const int read_in_ddr = model.tiled_volume[i];  // where the host puts it
      if (read_in_ddr >= 0) {
        places_[at(read_in_ddr)].stored.push_back({{0, map.channels}, map.ddr, 0});
      }
    }
    for (const LoweredOp& op : whole.ops) {
      if (op.kind != LoweredKind::Scatter) continue;
      const Map& map = whole.maps[at(op.sources[0])];
      if (model.volumes[at(map.volume)].host_storage) host_tensor_[map.volume] = map.ddr;
    }
  }

  Lowered run() {
    for (const PlanStep& step : plan_.steps) {
      host_steps_until(step.segment.begin);
      for (const int v : step.evict) evict(v, step.segment.begin);
      if (step.kind == PlanStep::Kind::Banded) {
        banded(step);
      } else if (step.kind == PlanStep::Kind::Chunked) {
        chunked(step);
      } else {
        one(step);
      }
      forget_dead(step.segment.end);
    }
    host_steps_until(static_cast<int>(whole_.ops.size()));
    add_probes();
    return std::move(out_);
  }

 private:
  // Where channels of a volume lie in DDR: `tensor` holds them from channel `first` on.
  struct Stored {
    Span channels;
    int tensor;
    std::int64_t first;
  };
  struct Place {
    int am = -1;  // volume of out_ that holds it whole
    std::vector<Span> written;
    std::vector<Stored> stored;
  };
  // A piece of memory: a volume of out_ for channels [first, ...) and rows of a volume of whole_.
  struct Piece {
    int am = -1;
    std::int64_t first = 0;
    Span rows;
  };
  struct Event {  // something was computed
    Span channels;
    Piece piece;
    int map;
    std::int32_t op;
  };

  const PlanOp& plan_op(int i) const { return model_.ops[at(i)]; }
  const PlanVolume& volume(int v) const { return model_.volumes[at(v)]; }
  Span all_rows(int v) const { return {0, volume(v).height}; }

  // --- volumes, maps, ops -----------------------------------------------------------------------

  Piece new_piece(int v, Span channels, Span rows) {
    const LoweredVolume& from = whole_.volumes[at(v)];
    const bool part = channels != Span{0, from.channels} || rows != all_rows(v);
    std::string name = from.name;
    if (part) {
      name += fmt::format(" [channels {}-{}, rows {}-{}]", channels.begin, channels.end - 1,
                          rows.begin, rows.end - 1);
    }
    out_.volumes.push_back({name, channels.size(), rows.size(), from.width,
                            plain_layout(channels.size(), model_.geometry)});
    return {static_cast<int>(out_.volumes.size()) - 1, channels.begin, rows};
  }

  Piece whole_piece(int v) {
    Place& place = places_[at(v)];
    if (place.am < 0) place.am = new_piece(v, {0, volume(v).channels}, all_rows(v)).am;
    return {place.am, 0, all_rows(v)};
  }

  // The map of whole_ that is just these channels of volume `v`; -1: none.
  int map_of(int v, Span channels) const {
    const auto found = maps_of_.find(v);
    if (found == maps_of_.end()) return -1;
    for (const int m : found->second) {
      const Map& map = whole_.maps[at(m)];
      if (map.start == channels.begin && map.channels == channels.size()) return m;
    }
    return -1;
  }

  // Channels of `v` (which are part of map `from`, or -1) as a map of out_ in `piece`.
  int map_in(const Piece& piece, int v, int from, Span channels) {
    const auto key = std::tuple(from, piece.am, channels.begin, channels.end);
    const auto found = maps_.find(key);
    if (found != maps_.end()) return found->second;
    const LoweredVolume& holder = out_.volumes[at(piece.am)];
    Map map;
    map.name = from >= 0 ? whole_.maps[at(from)].name : whole_.volumes[at(v)].name;
    map.channels = channels.size();
    map.height = piece.rows.size();
    map.width = holder.width;
    map.volume = piece.am;
    map.start = channels.begin - piece.first;
    map.whole = map.start == 0 && map.channels == holder.channels;
    map.first_channel = from >= 0 ? channels.begin - whole_.maps[at(from)].start : channels.begin;
    map.first_row = piece.rows.begin;
    out_.maps.push_back(map);
    const int id = static_cast<int>(out_.maps.size()) - 1;
    maps_[key] = id;
    return id;
  }

  void push(LoweredOp op) { out_.ops.push_back(std::move(op)); }

  // --- DDR --------------------------------------------------------------------------------------

  std::int32_t move_layer(int v, bool gather) {
    std::int32_t& layer = (gather ? gather_layer_ : scatter_layer_)[v];
    if (layer > 0) return layer;
    const LoweredVolume& from = whole_.volumes[at(v)];
    LayerInfo info{.name = from.name + (gather ? " (from DDR)" : " (to DDR)"),
                   .op = gather ? "Gather" : "Scatter",
                   .shape = {1, from.channels, from.height, from.width}};
    info.memory_words = volume(v).words;
    out_.layers.push_back(std::move(info));
    return layer = static_cast<std::int32_t>(out_.layers.size()) - 1;
  }

  int new_tensor(int v, Span channels) {
    const LoweredVolume& from = whole_.volumes[at(v)];
    out_.ddr_tensors.push_back(
        {fmt::format("{} (DDR, channels {}-{})", from.name, channels.begin, channels.end - 1), 0,
         channels.size(), from.height, from.width});
    return static_cast<int>(out_.ddr_tensors.size()) - 1;
  }

  // The tensors that channels of `v` are stored in, side by side.
  std::vector<Stored> storage(int v, Span channels) {
    if (const auto host = host_tensor_.find(v); host != host_tensor_.end()) {
      return {{channels, host->second, 0}};
    }
    std::vector<Stored> list;
    if (!model_.geometry.width_aligned()) {  // groups of 8 channels lie one behind the other
      const bool own = channels.begin % 8 != 0;
      const Span held = own ? channels : Span{0, volume(v).channels};
      list.push_back({channels, tensor_for(v, held), held.begin});
      return list;
    }
    auto& cuts = cuts_[v];
    cuts.insert(channels.begin);
    cuts.insert(channels.end);
    for (auto cut = cuts.find(channels.begin); *cut != channels.end; ++cut) {
      const Span part{*cut, *std::next(cut)};
      list.push_back({part, tensor_for(v, part), part.begin});
    }
    return list;
  }

  int tensor_for(int v, Span channels) {
    const auto key = std::tuple(v, channels.begin, channels.end);
    const auto found = tensors_.find(key);
    if (found != tensors_.end()) return found->second;
    return tensors_[key] = new_tensor(v, channels);
  }

  void scatter(int v, const Piece& piece, std::ptrdiff_t owner, const std::vector<Stored>& to) {
    for (const Stored& part : to) {
      LoweredOp op{.kind = LoweredKind::Scatter, .owner = owner};
      op.sources = {map_in(piece, v, map_of(v, part.channels), part.channels)};
      op.ddr = part.tensor;
      op.ddr_channel = part.channels.begin - part.first;
      op.ddr_row = piece.rows.begin;
      op.layer = move_layer(v, false);
      push(op);
    }
  }

  // Stores channels of a piece; a scatter begins at a word, so some before them may go along.
  void store(int v, const Piece& piece, Span channels, std::ptrdiff_t owner) {
    const std::int64_t granule = model_.geometry.channel_granule();
    channels.begin = piece.first + (channels.begin - piece.first) / granule * granule;
    const auto parts = storage(v, channels);
    scatter(v, piece, owner, parts);
    for (const Stored& part : parts) {
      auto& stored = places_[at(v)].stored;
      const bool known = std::any_of(stored.begin(), stored.end(), [&](const Stored& s) {
        return s.tensor == part.tensor && s.channels == part.channels;
      });
      if (!known) stored.push_back(part);
    }
  }

  bool is_stored(int v, Span channels) const {
    std::int64_t c = channels.begin;
    while (c < channels.end) {
      std::int64_t next = c;
      for (const Stored& s : places_[at(v)].stored) {
        if (s.channels.begin <= c && c < s.channels.end) next = std::max(next, s.channels.end);
      }
      if (next == c) return false;
      c = next;
    }
    return true;
  }

  void gather(int v, const Piece& piece, Span channels, std::ptrdiff_t owner) {
    if (model_.geometry.width_aligned() && !host_tensor_.contains(v)) {
      cuts_[v].insert(channels.begin);
      cuts_[v].insert(channels.end);
    }
    if (first_pass_) return;
    std::int64_t c = channels.begin;
    while (c < channels.end) {
      // From the channel wanted on, or from one before it where the tensor can be read from.
      const Stored* best = nullptr;
      Span taken{c, c};
      for (const Stored& s : places_[at(v)].stored) {
        if (s.channels.begin > c || c >= s.channels.end) continue;
        const bool whole_only = model_.geometry.width_aligned();
        Span part{s.first + (c - s.first) / 8 * 8, std::min(s.channels.end, channels.end)};
        if (whole_only) part = s.channels;
        const bool possible =
            part.begin >= s.channels.begin && part.begin >= piece.first && part.end <= channels.end;
        const bool better = best == nullptr || part.end > taken.end ||
                            (part.end == taken.end && part.begin > taken.begin);
        if (possible && better) best = &s, taken = part;
      }
      CHECK(best != nullptr, "'{}': channel {} is not in DDR", whole_.volumes[at(v)].name, c);
      LoweredOp op{.kind = LoweredKind::Gather, .owner = owner};
      op.result = map_in(piece, v, map_of(v, taken), taken);
      op.sources = {op.result};
      op.ddr = best->tensor;
      op.ddr_channel = taken.begin - best->first;
      op.ddr_row = piece.rows.begin;
      op.layer = move_layer(v, true);
      push(op);
      if (from_host_.contains(best->tensor)) {  // seen by nobody before
        events_[v].push_back(
            {taken, piece, op.result, static_cast<std::int32_t>(out_.ops.size()) - 1});
      }
      c = taken.end;
    }
  }

  void evict(int v, int next_op) {
    Place& place = places_[at(v)];
    CHECK(place.am >= 0, "'{}' is not in the AM", whole_.volumes[at(v)].name);
    store_all(v, owner_of(next_op));
    place.am = -1;
  }

  // What has been written of a volume that is whole in the AM gets its copy in DDR.
  void store_all(int v, std::ptrdiff_t owner) {
    const Place place = places_[at(v)];
    std::vector<Span> missing;
    for (const Span& s : place.written) {
      if (is_stored(v, s)) continue;
      if (!missing.empty() && missing.back().end == s.begin) {
        missing.back().end = s.end;
      } else {
        missing.push_back(s);
      }
    }
    for (const Span& s : missing) store(v, {place.am, 0, all_rows(v)}, s, owner);
  }

  std::ptrdiff_t owner_of(int op) const {
    return op < static_cast<int>(whole_.ops.size()) ? whole_.ops[at(op)].owner : -1;
  }

  void note_written(int v, Span channels) {
    auto& written = places_[at(v)].written;
    if (std::find(written.begin(), written.end(), channels) != written.end()) return;
    written.push_back(channels);
    std::sort(written.begin(), written.end(),
              [](const Span& a, const Span& b) { return a.begin < b.begin; });
  }

  // What there is of these channels: others of a concat may not be computed yet.
  void gather_written(int v, const Piece& piece, Span channels, std::ptrdiff_t owner) {
    auto written = places_[at(v)].written;
    if (written.empty()) written.push_back({0, volume(v).channels});  // the host's
    Span run = written[0];
    for (std::size_t i = 1; i <= written.size(); ++i) {
      if (i < written.size() && written[i].begin <= run.end) {
        run.end = std::max(run.end, written[i].end);
        continue;
      }
      const Span wanted = both(run, channels);
      if (wanted.size() > 0) gather(v, piece, wanted, owner);
      if (i < written.size()) run = written[i];
    }
  }

  // The volume whole in the AM, brought there if it is not.
  Piece resident(int v, std::ptrdiff_t owner) {
    if (places_[at(v)].am >= 0) return whole_piece(v);
    const Piece piece = whole_piece(v);
    gather_written(v, piece, {0, volume(v).channels}, owner);
    return piece;
  }

  void forget_dead(int next_op) {
    for (std::size_t v = 0; v < places_.size(); ++v) {
      if (volume(static_cast<int>(v)).last < next_op) places_[v].am = -1;
    }
  }

  // --- ops
  // ----------------------------------------------------------------------------------------

  // Op `i` on these pieces. `written`: channels of the volume, all of the op's or a chunk of them.
  void compute(int i, const std::vector<Piece>& sources, const Piece& result, Span written,
               const std::string& tile) {
    const LoweredOp& from = whole_.ops[at(i)];
    const PlanOp& op = plan_op(i);
    LoweredOp to = from;
    to.sources.clear();
    const bool conv = op.kind == LoweredKind::Conv;
    const std::int64_t skipped = written.begin - op.write.channels.begin;
    for (std::size_t r = 0; r < sources.size(); ++r) {
      const Map& map = whole_.maps[at(from.sources[r])];
      Span channels{map.start, map.start + map.channels};
      if (op.tiled) channels = {0, map.channels};
      if (conv) {  // as much of the map as the piece holds
        const std::int64_t held = out_.volumes[at(sources[r].am)].channels;
        channels = both(channels, {sources[r].first, sources[r].first + held});
      } else if (written != op.write.channels) {
        channels = {channels.begin + skipped, channels.begin + skipped + written.size()};
      }
      to.sources.push_back(
          map_in(sources[r], op.reads[r].volume, op.tiled ? -1 : from.sources[r], channels));
    }
    const int m = from.result;
    Span map_channels = written;
    if (conv && written == op.write.channels && from.blocked) {
      const Map& map = whole_.maps[at(m)];
      const std::int64_t held = out_.volumes[at(result.am)].channels;
      map_channels =
          both({map.start, map.start + map.channels}, {result.first, result.first + held});
    }
    to.result = map_in(result, op.write.volume, m, map_channels);
    if (conv) {
      to.block.out_begin = from.block.out_begin + skipped;
      to.block.out_end = to.block.out_begin + written.size();
    }
    to.source_in_ddr = false;
    to.tile = tile;
    push(to);
    events_[op.write.volume].push_back(
        {written, result, to.result, static_cast<std::int32_t>(out_.ops.size()) - 1});
  }

  void one(const PlanStep& step) {
    const int i = step.segment.begin;
    const PlanOp& op = plan_op(i);
    const std::ptrdiff_t owner = owner_of(i);
    if (op.download) return download(i, step);
    if (op.upload) return upload(i);
    if (op.tiled) {
      const Piece result = result_piece(step, i);
      LoweredOp to = whole_.ops[at(i)];
      Map source = whole_.maps[at(to.sources[0])];
      out_.maps.push_back(source);
      const int m = to.result;
      to.sources = {static_cast<int>(out_.maps.size()) - 1};
      to.result = map_in(result, op.write.volume, m, op.write.channels);
      push(to);
      events_[op.write.volume].push_back(
          {op.write.channels, result, to.result, static_cast<std::int32_t>(out_.ops.size()) - 1});
      return finish(step, i, result);
    }
    std::vector<Piece> sources;
    for (const Access& read : op.reads) sources.push_back(source_piece(read, owner));
    const Piece result = result_piece(step, i);
    compute(i, sources, result, op.write.channels, "");
    finish(step, i, result);
  }

  Piece source_piece(const Access& read, std::ptrdiff_t owner) {
    const Span channels = gathered_channels(model_, read);
    if (places_[at(read.volume)].am >= 0 || channels == Span{0, volume(read.volume).channels}) {
      return resident(read.volume, owner);
    }
    const Piece piece = new_piece(read.volume, channels, all_rows(read.volume));
    gather_written(read.volume, piece, channels, owner);
    return piece;
  }

  bool goes_to_ddr(const PlanStep& step, int v) const {
    return std::find(step.to_ddr.begin(), step.to_ddr.end(), v) != step.to_ddr.end();
  }

  Piece result_piece(const PlanStep& step, int i) {
    const Access& write = plan_op(i).write;
    if (!goes_to_ddr(step, write.volume)) return whole_piece(write.volume);
    return new_piece(write.volume, write.channels, all_rows(write.volume));
  }

  void finish(const PlanStep& step, int i, const Piece& result) {
    const Access& write = plan_op(i).write;
    note_written(write.volume, write.channels);
    if (!goes_to_ddr(step, write.volume)) return;
    store(write.volume, result, write.channels, owner_of(i));
    places_[at(write.volume)].am = -1;  // what the AM may have of it lacks this part
  }

  void download(int i, const PlanStep& step) {
    const PlanOp& op = plan_op(i);
    const LoweredOp& from = whole_.ops[at(i)];
    const int v = op.write.volume;
    const Map& map = whole_.maps[at(from.result)];
    places_[at(v)].stored.push_back({op.write.channels, map.ddr, op.write.channels.begin});
    note_written(v, op.write.channels);
    from_host_.insert(map.ddr);
    if (goes_to_ddr(step, v)) places_[at(v)].am = -1;
    if (goes_to_ddr(step, v) || step.kind == PlanStep::Kind::Banded) return;
    const Piece piece = whole_piece(v);
    LoweredOp to = from;
    to.result = map_in(piece, v, from.result, op.write.channels);
    to.sources = {to.result};
    to.ddr = map.ddr;
    push(to);
    events_[v].push_back(
        {op.write.channels, piece, to.result, static_cast<std::int32_t>(out_.ops.size()) - 1});
  }

  void upload(int i) {
    const LoweredOp& from = whole_.ops[at(i)];
    const Access& read = plan_op(i).reads[0];
    const Map& map = whole_.maps[at(from.sources[0])];
    const bool there = host_tensor_.contains(read.volume) && is_stored(read.volume, read.channels);
    if (there) return;
    const Piece piece = source_piece(read, owner_of(i));
    LoweredOp to = from;
    to.sources = {map_in(piece, read.volume, from.sources[0], read.channels)};
    to.ddr = map.ddr;
    push(to);
    if (host_tensor_.contains(read.volume)) {
      places_[at(read.volume)].stored.push_back({read.channels, map.ddr, 0});
    }
  }

  // --- channel chunks
  // -----------------------------------------------------------------------------

  void chunked(const PlanStep& step) {
    const Segment& segment = step.segment;
    const std::int64_t channels = plan_op(segment.begin).write.channels.size();
    // What every chunk needs whole, and results that stay.
    for (int i = segment.begin; i < segment.end; ++i) {
      const PlanOp& op = plan_op(i);
      for (const Access& read : op.reads) {
        if (written_before(segment, i, read.volume) || gathered_in_chunks(model_, op, read))
          continue;
        resident(read.volume, owner_of(i));
      }
      if (stays(step, op.write.volume)) whole_piece(op.write.volume);
    }
    int number = 0;
    for (const Span& chunk : chunks_of(channels, segment.chunk)) {
      std::map<int, Piece> pieces;
      const std::string tile = fmt::format("#{}", number++);
      for (int i = segment.begin; i < segment.end; ++i) chunk_of_op(step, i, chunk, pieces, tile);
    }
    for (int i = segment.begin; i < segment.end; ++i) {
      const int v = plan_op(i).write.volume;
      note_written(v, plan_op(i).write.channels);
      if (goes_to_ddr(step, v)) places_[at(v)].am = -1;
    }
  }

  bool written_before(const Segment& segment, int i, int v) const {
    return written_channels(model_, {segment.begin, i}, v).size() > 0;
  }
  bool stays(const PlanStep& step, int v) const {
    return volume(v).last >= step.segment.end && !goes_to_ddr(step, v);
  }

  void chunk_of_op(const PlanStep& step, int i, Span chunk, std::map<int, Piece>& pieces,
                   const std::string& tile) {
    const PlanOp& op = plan_op(i);
    const auto part_of = [&](Span channels) {
      return Span{channels.begin + chunk.begin, channels.begin + chunk.end};
    };
    std::vector<Piece> sources;
    for (const Access& read : op.reads) {
      if (pieces.contains(read.volume)) {
        sources.push_back(pieces[read.volume]);
      } else if (places_[at(read.volume)].am >= 0) {
        sources.push_back(whole_piece(read.volume));
      } else {
        const Span part = part_of(read.channels);
        pieces[read.volume] = new_piece(read.volume, part, all_rows(read.volume));
        gather(read.volume, pieces[read.volume], part, owner_of(i));
        sources.push_back(pieces[read.volume]);
      }
    }
    const int v = op.write.volume;
    const Span part = part_of(op.write.channels);
    const Piece result = stays(step, v) ? whole_piece(v) : new_piece(v, part, all_rows(v));
    compute(i, sources, result, part, tile);
    if (!stays(step, v)) pieces[v] = result;
    if (goes_to_ddr(step, v)) store(v, result, part, owner_of(i));
  }

  // --- row bands
  // ----------------------------------------------------------------------------------

  void banded(const PlanStep& step) {
    const Segment& segment = step.segment;
    for (int i = segment.begin; i < segment.end; ++i) {
      if (plan_op(i).download) download(i, step);
    }
    for (const int v : segment_inputs(model_, segment)) {
      if (places_[at(v)].am >= 0) store_all(v, owner_of(segment.begin));
    }
    const auto bands = cut_bands(model_, segment);
    CHECK(bands.has_value(), "a plan with bands that cannot be cut");
    int number = 0;
    for (const Band& band : *bands) {
      if (segment.chunk > 0) {
        band_in_chunks(segment, band, number);
      } else {
        band_of(segment, band, bands->size() > 1 ? fmt::format("#{}", number++) : "");
      }
    }
    for (int i = segment.begin; i < segment.end; ++i) {
      if (plan_op(i).write.volume < 0) continue;
      places_[at(plan_op(i).write.volume)].am = -1;
      if (!plan_op(i).download) {
        note_written(plan_op(i).write.volume, plan_op(i).write.channels);
      }
    }
  }

  void band_of(const Segment& segment, const Band& band, const std::string& tile) {
    std::map<int, Piece> inside;
    std::map<int, std::vector<Span>> present;  // of inside pieces
    std::vector<std::pair<PieceKey, Piece>> gathered;
    const auto inside_piece = [&](int v, Span rows) -> Piece& {
      const auto found = inside.find(v);
      if (found != inside.end()) return found->second;
      return inside[v] = new_piece(v, piece_channels(model_, segment, v), rows);
    };
    for (int i = segment.begin; i < segment.end; ++i) {
      const PlanOp& op = plan_op(i);
      if (op.download) continue;
      std::vector<Piece> sources;
      for (std::size_t r = 0; r < op.reads.size(); ++r) {
        const Access& read = op.reads[r];
        const Span rows = band.read[at(i - segment.begin)][r];
        if (written_channels(model_, segment, read.volume).size() > 0) {
          const Piece piece = inside_piece(read.volume, rows);
          complete(read, piece, present[read.volume], owner_of(i));
          sources.push_back(piece);
          continue;
        }
        const PieceKey key{read.volume, gathered_channels(model_, read), rows};
        const auto known = std::find_if(gathered.begin(), gathered.end(),
                                        [&](const auto& g) { return g.first == key; });
        if (known != gathered.end()) {
          sources.push_back(known->second);
          continue;
        }
        const Piece piece = new_piece(read.volume, key.channels, rows);
        gather_written(read.volume, piece, key.channels, owner_of(i));
        gathered.emplace_back(key, piece);
        sources.push_back(piece);
      }
      if (op.upload) {
        upload_band(i, sources[0]);
        continue;
      }
      const int v = op.write.volume;
      const Piece result = inside_piece(v, band.written[at(i - segment.begin)]);
      compute(i, sources, result, op.write.channels, tile);
      present[v].push_back(op.write.channels);
      const bool complete = written_channels(model_, {i + 1, segment.end}, v).size() == 0;
      if (volume(v).last >= segment.end && complete) store_written(segment, v, result, owner_of(i));
    }
  }

  // All that the segment writes of a volume, once it is there.
  void store_written(const Segment& segment, int v, const Piece& piece, std::ptrdiff_t owner) {
    std::vector<Span> runs;
    for (int i = segment.begin; i < segment.end; ++i) {
      const PlanOp& op = plan_op(i);
      if (op.write.volume == v && !op.download) runs.push_back(op.write.channels);
    }
    std::sort(runs.begin(), runs.end(),
              [](const Span& a, const Span& b) { return a.begin < b.begin; });
    for (std::size_t i = 0; i < runs.size(); ++i) {
      if (i + 1 < runs.size() && runs[i].end >= runs[i + 1].begin) {
        runs[i + 1].begin = runs[i].begin;
        runs[i + 1].end = std::max(runs[i].end, runs[i + 1].end);
        continue;
      }
      store(v, piece, runs[i], owner);
    }
  }

  // Channels that were written before the segment are brought into the piece of it.
  void complete(const Access& read, const Piece& piece, std::vector<Span>& present,
                std::ptrdiff_t owner) {
    for (const Span& written : places_[at(read.volume)].written) {
      const Span wanted = both(written, read.channels);
      if (wanted.size() <= 0) continue;
      const bool there = std::any_of(present.begin(), present.end(), [&](const Span& p) {
        return p.begin <= wanted.begin && wanted.end <= p.end;
      });
      if (there) continue;
      gather(read.volume, piece, wanted, owner);
      present.push_back(wanted);
    }
  }

  void upload_band(int i, const Piece& piece) {
    const LoweredOp& from = whole_.ops[at(i)];
    const Access& read = plan_op(i).reads[0];
    if (host_tensor_.contains(read.volume) && is_stored(read.volume, read.channels)) return;
    LoweredOp to = from;
    to.sources = {map_in(piece, read.volume, from.sources[0], read.channels)};
    to.ddr = whole_.maps[at(from.sources[0])].ddr;
    to.ddr_row = piece.rows.begin;
    push(to);
  }

  void band_in_chunks(const Segment& segment, const Band& band, int& number) {
    const int i = segment.begin;
    const PlanOp& op = plan_op(i);
    const int v = op.write.volume;
    std::vector<Piece> sources;
    if (!op.channelwise) {
      for (std::size_t r = 0; r < op.reads.size(); ++r) {
        const Span channels = gathered_channels(model_, op.reads[r]);
        sources.push_back(new_piece(op.reads[r].volume, channels, band.read[0][r]));
        gather_written(op.reads[r].volume, sources.back(), channels, owner_of(i));
      }
    }
    for (const Span& chunk : chunks_of(op.write.channels.size(), segment.chunk)) {
      if (op.channelwise) {
        sources.clear();
        for (std::size_t r = 0; r < op.reads.size(); ++r) {
          const Access& read = op.reads[r];
          const Span part{read.channels.begin + chunk.begin, read.channels.begin + chunk.end};
          sources.push_back(new_piece(read.volume, part, band.read[0][r]));
          gather(read.volume, sources.back(), part, owner_of(i));
        }
      }
      const Span part{op.write.channels.begin + chunk.begin, op.write.channels.begin + chunk.end};
      const Piece result = new_piece(v, part, band.written[0]);
      compute(i, sources, result, part, fmt::format("#{}", number++));
      if (volume(v).last > i) store(v, result, part, owner_of(i));
    }
  }

  // --- host and probes
  // ------------------------------------------------------------------------------

  void host_steps_until(int op) {
    const auto& steps = whole_.host_steps;
    while (next_host_ < steps.size() && steps[next_host_].before <= op) {
      out_.host_steps.push_back(
          {static_cast<std::int32_t>(out_.ops.size()), steps[next_host_].nodes});
      ++next_host_;
    }
  }

  // A value that is computed into one place is looked at there, when its last part is; else piece
  // by piece.
  void add_probes() {
    for (std::size_t m = 0; m < whole_.maps.size(); ++m) {
      const Map& map = whole_.maps[m];
      if (map.value == kNoValue || map.volume < 0) continue;
      const Span channels{map.start, map.start + map.channels};
      std::vector<Event> events;
      for (const Event& e : events_[map.volume]) {
        if (both(e.channels, channels).size() > 0) events.push_back(e);
      }
      if (!covered(map, channels, events)) continue;
      const bool together = std::all_of(events.begin(), events.end(), [&](const Event& e) {
        return e.piece.am == events[0].piece.am && e.piece.rows == all_rows(map.volume);
      });
      if (together) {
        std::vector<std::int32_t> after;
        for (const Event& e : events) after.push_back(e.op);
        add_probe(events[0], static_cast<int>(m), channels, after);
        continue;
      }
      for (const Event& e : events) {
        add_probe(e, static_cast<int>(m), both(e.channels, channels), {e.op});
      }
    }
  }

  // Together the events are the whole value.
  static bool covered(const Map& map, Span channels, const std::vector<Event>& events) {
    std::vector<bool> seen(static_cast<std::size_t>(map.channels * map.height), false);
    for (const Event& e : events) {
      const Span part = both(e.channels, channels);
      for (std::int64_t c = part.begin; c < part.end; ++c) {
        for (std::int64_t row = e.piece.rows.begin; row < e.piece.rows.end; ++row) {
          seen[static_cast<std::size_t>((c - map.start) * map.height + row)] = true;
        }
      }
    }
    return std::all_of(seen.begin(), seen.end(), [](bool b) { return b; });
  }

  void add_probe(const Event& e, int m, Span channels, const std::vector<std::int32_t>& after) {
    const int id = map_in(e.piece, whole_.maps[at(m)].volume, m, channels);
    out_.maps[at(id)].value = whole_.maps[at(m)].value;
    out_.probes.push_back({id, after});
  }

  const Lowered& whole_;
  const MemoryModel& model_;
  const MemoryPlan& plan_;
  Cuts& cuts_;
  bool first_pass_;
  Lowered out_;
  std::vector<Place> places_;
  std::map<int, std::vector<int>> maps_of_;  // volume -> maps of whole_
  std::map<int, int> host_tensor_;           // volume -> tensor the host reads
  std::map<std::tuple<int, int, std::int64_t, std::int64_t>, int> maps_;
  std::map<std::tuple<int, std::int64_t, std::int64_t>, int> tensors_;
  std::map<int, std::int32_t> gather_layer_, scatter_layer_;
  std::map<int, std::vector<Event>> events_;
  std::set<int> from_host_;  // tensors the host wrote
  std::size_t next_host_ = 0;
};

}  // namespace

Lowered carry_out(const Lowered& whole, const MemoryModel& model, const MemoryPlan& plan) {
  Cuts cuts;
  Carrying(whole, model, plan, cuts, true).run();
  return Carrying(whole, model, plan, cuts, false).run();
}

void reuse_chunks(Lowered& lowered) {
  const auto map_at = [&](int id) -> const Map& { return lowered.maps[at(id)]; };
  for (std::size_t r = 0; r < lowered.volumes.size(); ++r) {
    const int result = static_cast<int>(r);
    std::vector<std::size_t> writers;
    bool possible = true;
    for (std::size_t i = 0; i < lowered.ops.size(); ++i) {
      if (volume_written(lowered, lowered.ops[i]) != result) continue;
      possible = possible && lowered.ops[i].kind == LoweredKind::Eltwise;
      writers.push_back(i);
    }
    if (!possible || writers.size() < 2) continue;
    const LoweredVolume& to = lowered.volumes[r];
    for (std::size_t operand = 0; operand < 2; ++operand) {
      const int from = map_at(lowered.ops[writers[0]].sources[operand]).volume;
      if (from < 0 || from == result) continue;
      const LoweredVolume& v = lowered.volumes[at(from)];
      bool good = v.channels == to.channels && v.height == to.height && v.width == to.width &&
                  v.layout == to.layout && !v.layout.replicated();
      for (std::size_t i = 0; i < lowered.ops.size() && good; ++i) {
        const LoweredOp& op = lowered.ops[i];
        const bool writer = std::find(writers.begin(), writers.end(), i) != writers.end();
        if (i > writers[0] && volume_written(lowered, op) == from) good = false;
        if (writer) {
          const Map& in = map_at(op.sources[operand]);
          const Map& other = map_at(op.sources[1 - operand]);
          good = good && in.volume == from && in.start == map_at(op.result).start &&
                 other.volume != from;
        } else if (i > writers[0]) {
          const auto read = volumes_read(lowered, op);
          good = good && std::find(read.begin(), read.end(), from) == read.end();
        }
      }
      if (!good) continue;
      for (Map& map : lowered.maps) {
        if (map.volume == result) map.volume = from;
      }
      break;
    }
  }
}

}  // namespace workbench::xdnn
