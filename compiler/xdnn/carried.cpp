// Pieces, maps and ops of a network on which a memory plan is carried out, and the probes in it.
#include "compiler/xdnn/carried.h"

#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }

}  // namespace

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

}  // namespace workbench::xdnn
