#include "compiler/xdnn/carried.h"

#include <algorithm>

#include "compiler/xdnn/plan_cuts.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

// --- the new network -----------------------------------------------------------------------------

// Pieces, maps and ops of a network on which a memory plan is carried out, and the probes in it.

Carried::Carried(const Lowered& from, const MemoryModel& plan_model)
    : whole(from), model(plan_model) {
  out.graph = whole.graph;
  out.ddr_tensors = whole.ddr_tensors;
  out.layers = whole.layers;
  out.host = whole.host;
  out.value_map = whole.value_map;
  for (std::size_t i = 0; i < whole.maps.size(); ++i) {
    const Map& map = whole.maps[i];
    if (map.volume >= 0) maps_of_[map.volume].push_back(static_cast<int>(i));
  }
}

std::ptrdiff_t Carried::owner_of(int op) const {
  return op < static_cast<int>(whole.ops.size()) ? whole.ops[at(op)].owner : -1;
}

// --- pieces and maps -----------------------------------------------------------------------------

AmPiece Carried::new_piece(int v, Span channels, Span rows) {
  const LoweredVolume& from = whole.volumes[at(v)];
  const bool part = channels != Span{0, from.channels} || rows != all_rows(v);
  std::string name = from.name;
  if (part) {
    name += fmt::format(" [channels {}-{}, rows {}-{}]", channels.begin, channels.end - 1,
                        rows.begin, rows.end - 1);
  }
  out.volumes.push_back({name, channels.size(), rows.size(), from.width,
                         plain_layout(channels.size(), model.geometry)});
  return {static_cast<int>(out.volumes.size()) - 1, channels.begin, rows};
}

int Carried::map_of(int v, Span channels) const {
  const auto found = maps_of_.find(v);
  if (found == maps_of_.end()) return -1;
  for (const int m : found->second) {
    const Map& map = whole.maps[at(m)];
    if (map.start == channels.begin && map.channels == channels.size()) return m;
  }
  return -1;
}

int Carried::map_in(const AmPiece& piece, int v, int from, Span channels) {
  const auto key = std::tuple(from, piece.am, channels.begin, channels.end);
  const auto found = maps_.find(key);
  if (found != maps_.end()) return found->second;
  const LoweredVolume& holder = out.volumes[at(piece.am)];
  Map map;
  map.name = from >= 0 ? whole.maps[at(from)].name : whole.volumes[at(v)].name;
  map.channels = channels.size();
  map.height = piece.rows.size();
  map.width = holder.width;
  map.volume = piece.am;
  map.start = channels.begin - piece.first;
  map.whole = map.start == 0 && map.channels == holder.channels;
  map.first_channel = from >= 0 ? channels.begin - whole.maps[at(from)].start : channels.begin;
  map.first_row = piece.rows.begin;
  out.maps.push_back(map);
  const int id = static_cast<int>(out.maps.size()) - 1;
  maps_[key] = id;
  return id;
}

// --- ops -----------------------------------------------------------------------------------------

void Carried::note_computed(int v, Span channels, const AmPiece& piece, int map) {
  events_[v].push_back({channels, piece, map, static_cast<std::int32_t>(out.ops.size()) - 1});
}

void Carried::compute(int i, const std::vector<AmPiece>& sources, const AmPiece& result,
                      Span written, const std::string& tile) {
  const LoweredOp& from = whole.ops[at(i)];
  const PlanOp& op = plan_op(i);
  LoweredOp to = from;
  to.sources.clear();
  const bool conv = op.kind == LoweredKind::Conv;
  const std::int64_t skipped = written.begin - op.write.channels.begin;
  for (std::size_t r = 0; r < sources.size(); ++r) {
    const Map& map = whole.maps[at(from.sources[r])];
    Span channels{map.start, map.start + map.channels};
    if (op.tiled) channels = {0, map.channels};
    if (conv) {  // as much of the map as the piece holds
      const std::int64_t held = out.volumes[at(sources[r].am)].channels;
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
    const Map& map = whole.maps[at(m)];
    const std::int64_t held = out.volumes[at(result.am)].channels;
    map_channels = both({map.start, map.start + map.channels}, {result.first, result.first + held});
  }
  to.result = map_in(result, op.write.volume, m, map_channels);
  if (conv) {
    to.block.out_begin = from.block.out_begin + skipped;
    to.block.out_end = to.block.out_begin + written.size();
  }
  to.source_in_ddr = false;
  to.tile = tile;
  push(to);
  note_computed(op.write.volume, written, result, to.result);
}

// --- host and probes -----------------------------------------------------------------------------

void Carried::host_steps_until(int op) {
  const auto& steps = whole.host_steps;
  while (next_host_ < steps.size() && steps[next_host_].before <= op) {
    out.host_steps.push_back({static_cast<std::int32_t>(out.ops.size()), steps[next_host_].nodes});
    ++next_host_;
  }
}

void Carried::add_probes() {
  for (std::size_t m = 0; m < whole.maps.size(); ++m) {
    const Map& map = whole.maps[m];
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
bool Carried::covered(const Map& map, Span channels, const std::vector<Event>& events) {
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

void Carried::add_probe(const Event& e, int m, Span channels,
                        const std::vector<std::int32_t>& after) {
  const int id = map_in(e.piece, whole.maps[at(m)].volume, m, channels);
  out.maps[at(id)].value = whole.maps[at(m)].value;
  out.probes.push_back({id, after});
}

// --- where volumes are ---------------------------------------------------------------------------

// Tensors in DDR that pieces are scattered to and gathered from, and the part of each volume they
// hold.

VolumePlaces::VolumePlaces(Carried& net, Cuts& cuts, bool first_pass)
    : net_(net), cuts_(cuts), first_pass_(first_pass) {
  const Lowered& whole = net.whole;
  places_.resize(net.model.volumes.size());
  for (std::size_t i = 0; i < whole.maps.size(); ++i) {
    const Map& map = whole.maps[i];
    const int read_in_ddr = net.model.tiled_volume[i];  // where the host puts it
    if (read_in_ddr >= 0) {
      places_[at(read_in_ddr)].stored.push_back({{0, map.channels}, map.ddr, 0});
    }
  }
  for (const LoweredOp& op : whole.ops) {
    if (op.kind != LoweredKind::Scatter) continue;
    const Map& map = whole.maps[at(op.sources[0])];
    const PlanVolume& volume = net.volume(map.volume);
    const bool all = map.start == 0 && map.channels == volume.channels;
    if (volume.host_storage && all) host_tensor_[map.volume] = map.ddr;
  }
}

// --- in the AM -----------------------------------------------------------------------------------

AmPiece VolumePlaces::whole_piece(int v) {
  Place& place = places_[at(v)];
  if (place.am < 0) place.am = net_.new_piece(v, {0, net_.volume(v).channels}, net_.all_rows(v)).am;
  return {place.am, 0, net_.all_rows(v)};
}

AmPiece VolumePlaces::resident(int v, std::ptrdiff_t owner) {
  if (in_am(v)) return whole_piece(v);
  const AmPiece piece = whole_piece(v);
  gather_written(v, piece, {0, net_.volume(v).channels}, owner);
  return piece;
}

AmPiece VolumePlaces::operand(const Access& read, std::ptrdiff_t owner) {
  const Span channels = gathered_channels(net_.model, read);
  if (in_am(read.volume) || channels == Span{0, net_.volume(read.volume).channels}) {
    return resident(read.volume, owner);
  }
  const AmPiece piece = net_.new_piece(read.volume, channels, net_.all_rows(read.volume));
  gather_written(read.volume, piece, channels, owner);
  return piece;
}

void VolumePlaces::evict(int v, int next_op) {
  Place& place = places_[at(v)];
  CHECK(place.am >= 0, "'{}' is not in the AM", net_.whole.volumes[at(v)].name);
  store_all(v, net_.owner_of(next_op));
  place.am = -1;
}

void VolumePlaces::forget_dead(int next_op) {
  for (std::size_t v = 0; v < places_.size(); ++v) {
    if (net_.volume(static_cast<int>(v)).last < next_op) places_[v].am = -1;
  }
}

// --- written and stored --------------------------------------------------------------------------

void VolumePlaces::note_written(int v, Span channels) {
  auto& written = places_[at(v)].written;
  if (std::find(written.begin(), written.end(), channels) != written.end()) return;
  written.push_back(channels);
  std::sort(written.begin(), written.end(),
            [](const Span& a, const Span& b) { return a.begin < b.begin; });
}

bool VolumePlaces::is_stored(int v, Span channels) const {
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

int VolumePlaces::new_tensor(int v, Span channels) {
  const LoweredVolume& from = net_.whole.volumes[at(v)];
  net_.out.ddr_tensors.push_back(
      {fmt::format("{} (DDR, channels {}-{})", from.name, channels.begin, channels.end - 1), 0,
       channels.size(), from.height, from.width});
  return static_cast<int>(net_.out.ddr_tensors.size()) - 1;
}

int VolumePlaces::tensor_for(int v, Span channels) {
  const auto key = std::tuple(v, channels.begin, channels.end);
  const auto found = tensors_.find(key);
  if (found != tensors_.end()) return found->second;
  return tensors_[key] = new_tensor(v, channels);
}

// The tensors that channels of `v` are stored in, side by side.
std::vector<VolumePlaces::Stored> VolumePlaces::storage(int v, Span channels) {
  if (const auto host = host_tensor_.find(v); host != host_tensor_.end()) {
    return {{channels, host->second, 0}};
  }
  std::vector<Stored> list;
  if (!net_.model.geometry.width_aligned()) {  // groups of 8 channels lie one behind the other
    const bool own = channels.begin % 8 != 0;
    const Span held = own ? channels : Span{0, net_.volume(v).channels};
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

std::int32_t VolumePlaces::move_layer(int v, bool gather) {
  std::int32_t& layer = (gather ? gather_layer_ : scatter_layer_)[v];
  if (layer > 0) return layer;
  const LoweredVolume& from = net_.whole.volumes[at(v)];
  LayerInfo info{.name = from.name + (gather ? " (from DDR)" : " (to DDR)"),
                 .op = gather ? "Gather" : "Scatter",
                 .shape = {1, from.channels, from.height, from.width}};
  info.result_words = net_.volume(v).words;
  net_.out.layers.push_back(std::move(info));
  return layer = static_cast<std::int32_t>(net_.out.layers.size()) - 1;
}

void VolumePlaces::scatter(int v, const AmPiece& piece, std::ptrdiff_t owner,
                           const std::vector<Stored>& to) {
  for (const Stored& part : to) {
    LoweredOp op{.kind = LoweredKind::Scatter, .owner = owner};
    op.sources = {net_.map_in(piece, v, net_.map_of(v, part.channels), part.channels)};
    op.ddr = part.tensor;
    op.ddr_channel = part.channels.begin - part.first;
    op.ddr_row = piece.rows.begin;
    op.layer = move_layer(v, false);
    net_.push(op);
  }
}

void VolumePlaces::store(int v, const AmPiece& piece, Span channels, std::ptrdiff_t owner) {
  const std::int64_t granule = net_.model.geometry.channel_granule();
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

void VolumePlaces::store_all(int v, std::ptrdiff_t owner) {
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
  for (const Span& s : missing) store(v, {place.am, 0, net_.all_rows(v)}, s, owner);
}

// --- gathered ------------------------------------------------------------------------------------

// From the first channel wanted on, or from one before it where the tensor can be read from.
VolumePlaces::Source VolumePlaces::source_of(int v, const AmPiece& piece, Span channels) const {
  const std::int64_t c = channels.begin;
  const Stored* best = nullptr;
  Span taken{c, c};
  for (const Stored& s : places_[at(v)].stored) {
    if (s.channels.begin > c || c >= s.channels.end) continue;
    const bool whole_only = net_.model.geometry.width_aligned();
    Span part{s.first + (c - s.first) / 8 * 8, std::min(s.channels.end, channels.end)};
    if (whole_only) part = s.channels;
    const bool possible =
        part.begin >= s.channels.begin && part.begin >= piece.first && part.end <= channels.end;
    const bool better = best == nullptr || part.end > taken.end ||
                        (part.end == taken.end && part.begin > taken.begin);
    if (possible && better) best = &s, taken = part;
  }
  CHECK(best != nullptr, "'{}': channel {} is not in DDR", net_.whole.volumes[at(v)].name, c);
  return {best, taken};
}

void VolumePlaces::gather(int v, const AmPiece& piece, Span channels, std::ptrdiff_t owner) {
  if (net_.model.geometry.width_aligned() && !host_tensor_.contains(v)) {
    cuts_[v].insert(channels.begin);
    cuts_[v].insert(channels.end);
  }
  if (first_pass_) return;
  std::int64_t c = channels.begin;
  while (c < channels.end) {
    const auto [from, taken] = source_of(v, piece, {c, channels.end});
    LoweredOp op{.kind = LoweredKind::Gather, .owner = owner};
    op.result = net_.map_in(piece, v, net_.map_of(v, taken), taken);
    op.sources = {op.result};
    op.ddr = from->tensor;
    op.ddr_channel = taken.begin - from->first;
    op.ddr_row = piece.rows.begin;
    op.layer = move_layer(v, true);
    net_.push(op);
    if (from_host_.contains(from->tensor)) {  // looked at for the first time
      net_.note_computed(v, taken, piece, op.result);
    }
    c = taken.end;
  }
}

void VolumePlaces::gather_written(int v, const AmPiece& piece, Span channels,
                                  std::ptrdiff_t owner) {
  auto written = places_[at(v)].written;
  if (written.empty()) written.push_back({0, net_.volume(v).channels});  // the host's
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

// --- the host's tensors --------------------------------------------------------------------------

void VolumePlaces::note_download(int v, Span channels, int tensor) {
  places_[at(v)].stored.push_back({channels, tensor, channels.begin});
  note_written(v, channels);
  from_host_.insert(tensor);
}

void VolumePlaces::note_upload(int v, Span channels, int tensor) {
  if (is_host_tensor(v, tensor)) places_[at(v)].stored.push_back({channels, tensor, 0});
}

bool VolumePlaces::host_has(int v, Span channels, int tensor) const {
  return is_host_tensor(v, tensor) && is_stored(v, channels);
}

bool VolumePlaces::is_host_tensor(int v, int tensor) const {
  const auto found = host_tensor_.find(v);
  return found != host_tensor_.end() && found->second == tensor;
}

}  // namespace workbench::xdnn
