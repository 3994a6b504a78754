// Carries out the memory plan that memory_plan.cpp found.
#include <algorithm>
#include <map>

#include "compiler/xdnn/carried.h"
#include "compiler/xdnn/memory_plan.h"
#include "compiler/xdnn/plan_cuts.h"

namespace workbench::xdnn {

namespace {

// --- steps, by PlanStep::Kind --------------------------------------------------------------------

// How each kind of step of a memory plan is carried out (PlanStep::Kind): the ops of the step
// pushed to the new network, on pieces brought from and left in their places.

void carry_whole(Carried& net, VolumePlaces& places, const PlanStep& step);
void carry_chunked(Carried& net, VolumePlaces& places, const PlanStep& step);
void carry_banded(Carried& net, VolumePlaces& places, const PlanStep& step);

// Op `i` of the step brings a tensor of the host; in row bands it stays in DDR.
void carry_download(Carried& net, VolumePlaces& places, const PlanStep& step, int i);

// The step leaves its result `v` in DDR, not in the AM.
bool goes_to_ddr(const PlanStep& step, int v);

// --- one op, whole -------------------------------------------------------------------------------

// Steps of one op, with operands and result whole in the AM or in parts that are spilled at once;
// and the host's inputs and outputs.

AmPiece result_piece(Carried& net, VolumePlaces& places, const PlanStep& step, int i) {
  const Access& write = net.plan_op(i).write;
  if (!goes_to_ddr(step, write.volume)) return places.whole_piece(write.volume);
  return net.new_piece(write.volume, write.channels, net.all_rows(write.volume));
}

void finish(Carried& net, VolumePlaces& places, const PlanStep& step, int i,
            const AmPiece& result) {
  const Access& write = net.plan_op(i).write;
  places.note_written(write.volume, write.channels);
  if (!goes_to_ddr(step, write.volume)) return;
  places.store(write.volume, result, write.channels, net.owner_of(i));
  places.leave_am(write.volume);  // what the AM may have of it lacks this part
}

void upload(Carried& net, VolumePlaces& places, int i) {
  const LoweredOp& from = net.whole.ops[at(i)];
  const Access& read = net.plan_op(i).reads[0];
  const Map& map = net.whole.maps[at(from.sources[0])];
  if (places.host_has(read.volume, read.channels, map.ddr)) return;
  const AmPiece piece = places.operand(read, net.owner_of(i));
  LoweredOp to = from;
  to.sources = {net.map_in(piece, read.volume, from.sources[0], read.channels)};
  to.ddr = map.ddr;
  net.push(to);
  places.note_upload(read.volume, read.channels, map.ddr);
}

bool goes_to_ddr(const PlanStep& step, int v) {
  return std::find(step.to_ddr.begin(), step.to_ddr.end(), v) != step.to_ddr.end();
}

void carry_download(Carried& net, VolumePlaces& places, const PlanStep& step, int i) {
  const PlanOp& op = net.plan_op(i);
  const LoweredOp& from = net.whole.ops[at(i)];
  const int v = op.write.volume;
  const Map& map = net.whole.maps[at(from.result)];
  places.note_download(v, op.write.channels, map.ddr);
  if (goes_to_ddr(step, v)) places.leave_am(v);
  if (goes_to_ddr(step, v) || step.kind == PlanStep::Kind::Banded) return;
  const AmPiece piece = places.whole_piece(v);
  LoweredOp to = from;
  to.result = net.map_in(piece, v, from.result, op.write.channels);
  to.sources = {to.result};
  to.ddr = map.ddr;
  net.push(to);
  net.note_computed(v, op.write.channels, piece, to.result);
}

void carry_whole(Carried& net, VolumePlaces& places, const PlanStep& step) {
  const int i = step.segment.begin;
  const PlanOp& op = net.plan_op(i);
  const std::ptrdiff_t owner = net.owner_of(i);
  if (op.download) return carry_download(net, places, step, i);
  if (op.upload) return upload(net, places, i);
  if (op.tiled) {
    const AmPiece result = result_piece(net, places, step, i);
    LoweredOp to = net.whole.ops[at(i)];
    Map source = net.whole.maps[at(to.sources[0])];
    net.out.maps.push_back(source);
    const int m = to.result;
    to.sources = {static_cast<int>(net.out.maps.size()) - 1};
    to.result = net.map_in(result, op.write.volume, m, op.write.channels);
    net.push(to);
    net.note_computed(op.write.volume, op.write.channels, result, to.result);
    return finish(net, places, step, i, result);
  }
  std::vector<AmPiece> sources;
  for (const Access& read : op.reads) sources.push_back(places.operand(read, owner));
  const AmPiece result = result_piece(net, places, step, i);
  net.compute(i, sources, result, op.write.channels, "");
  finish(net, places, step, i, result);
}

// --- channel chunks ------------------------------------------------------------------------------

// Steps in channel chunks: the ops one after the other for some channels, then for the next ones.

class ChunkedStep {
 public:
  ChunkedStep(Carried& net, VolumePlaces& places, const PlanStep& step)
      : net_(net), places_(places), step_(step) {}

  void run() {
    const Segment& segment = step_.segment;
    const std::int64_t channels = net_.plan_op(segment.begin).write.channels.size();
    // What every chunk needs whole, and results that stay.
    for (int i = segment.begin; i < segment.end; ++i) {
      const PlanOp& op = net_.plan_op(i);
      for (const Access& read : op.reads) {
        if (written_before(i, read.volume) || gathered_in_chunks(net_.model, op, read)) continue;
        places_.resident(read.volume, net_.owner_of(i));
      }
      if (stays(op.write.volume)) places_.whole_piece(op.write.volume);
    }
    int number = 0;
    for (const Span& chunk : chunks_of(channels, segment.chunk)) {
      std::map<int, AmPiece> pieces;
      const std::string tile = fmt::format("#{}", number++);
      for (int i = segment.begin; i < segment.end; ++i) chunk_of_op(i, chunk, pieces, tile);
    }
    for (int i = segment.begin; i < segment.end; ++i) {
      const int v = net_.plan_op(i).write.volume;
      places_.note_written(v, net_.plan_op(i).write.channels);
      if (goes_to_ddr(step_, v)) places_.leave_am(v);
    }
  }

 private:
  bool written_before(int i, int v) const {
    return written_channels(net_.model, {step_.segment.begin, i}, v).size() > 0;
  }
  bool stays(int v) const {
    return net_.volume(v).last >= step_.segment.end && !goes_to_ddr(step_, v);
  }

  void chunk_of_op(int i, Span chunk, std::map<int, AmPiece>& pieces, const std::string& tile) {
    const PlanOp& op = net_.plan_op(i);
    const auto part_of = [&](Span channels) {
      return Span{channels.begin + chunk.begin, channels.begin + chunk.end};
    };
    std::vector<AmPiece> sources;
    for (const Access& read : op.reads) {
      if (pieces.contains(read.volume)) {
        sources.push_back(pieces[read.volume]);
      } else if (places_.in_am(read.volume)) {
        sources.push_back(places_.whole_piece(read.volume));
      } else {
        const Span part = part_of(read.channels);
        pieces[read.volume] = net_.new_piece(read.volume, part, net_.all_rows(read.volume));
        places_.gather(read.volume, pieces[read.volume], part, net_.owner_of(i));
        sources.push_back(pieces[read.volume]);
      }
    }
    const int v = op.write.volume;
    const Span part = part_of(op.write.channels);
    const AmPiece result =
        stays(v) ? places_.whole_piece(v) : net_.new_piece(v, part, net_.all_rows(v));
    net_.compute(i, sources, result, part, tile);
    if (!stays(v)) pieces[v] = result;
    if (goes_to_ddr(step_, v)) places_.store(v, result, part, net_.owner_of(i));
  }

  Carried& net_;
  VolumePlaces& places_;
  const PlanStep& step_;
};

void carry_chunked(Carried& net, VolumePlaces& places, const PlanStep& step) {
  ChunkedStep(net, places, step).run();
}

// --- row bands -----------------------------------------------------------------------------------

// Steps in row bands: from DDR to DDR, what lies between the ops exists only as a band.

class BandedStep {
 public:
  BandedStep(Carried& net, VolumePlaces& places, const PlanStep& step)
      : net_(net), places_(places), step_(step), segment_(step.segment) {}

  void run() {
    for (int i = segment_.begin; i < segment_.end; ++i) {
      if (net_.plan_op(i).download) carry_download(net_, places_, step_, i);
    }
    for (const int v : segment_inputs(net_.model, segment_)) {
      if (places_.in_am(v)) places_.store_all(v, net_.owner_of(segment_.begin));
    }
    const auto bands = cut_bands(net_.model, segment_);
    CHECK(bands.has_value(), "a plan with bands that cannot be cut");
    int number = 0;
    for (const Band& band : *bands) {
      if (segment_.chunk > 0) {
        band_in_chunks(band, number);
      } else {
        band_of(band, bands->size() > 1 ? fmt::format("#{}", number++) : "");
      }
    }
    for (int i = segment_.begin; i < segment_.end; ++i) {
      if (net_.plan_op(i).write.volume < 0) continue;
      places_.leave_am(net_.plan_op(i).write.volume);
      if (!net_.plan_op(i).download) {
        places_.note_written(net_.plan_op(i).write.volume, net_.plan_op(i).write.channels);
      }
    }
  }

 private:
  void band_of(const Band& band, const std::string& tile) {
    std::map<int, AmPiece> inside;
    std::map<int, std::vector<Span>> present;  // of inside pieces
    std::vector<std::pair<PieceKey, AmPiece>> gathered;
    const auto inside_piece = [&](int v, Span rows) -> AmPiece& {
      const auto found = inside.find(v);
      if (found != inside.end()) return found->second;
      return inside[v] = net_.new_piece(v, piece_channels(net_.model, segment_, v), rows);
    };
    for (int i = segment_.begin; i < segment_.end; ++i) {
      const PlanOp& op = net_.plan_op(i);
      if (op.download) continue;
      std::vector<AmPiece> sources;
      for (std::size_t r = 0; r < op.reads.size(); ++r) {
        const Access& read = op.reads[r];
        const Span rows = band.read[at(i - segment_.begin)][r];
        if (written_channels(net_.model, segment_, read.volume).size() > 0) {
          const AmPiece piece = inside_piece(read.volume, rows);
          complete(read, piece, present[read.volume], net_.owner_of(i));
          sources.push_back(piece);
          continue;
        }
        const PieceKey key{read.volume, gathered_channels(net_.model, read), rows};
        const auto known = std::find_if(gathered.begin(), gathered.end(),
                                        [&](const auto& g) { return g.first == key; });
        if (known != gathered.end()) {
          sources.push_back(known->second);
          continue;
        }
        const AmPiece piece = net_.new_piece(read.volume, key.channels, rows);
        places_.gather_written(read.volume, piece, key.channels, net_.owner_of(i));
        gathered.emplace_back(key, piece);
        sources.push_back(piece);
      }
      if (op.upload) {
        upload_band(i, sources[0]);
        continue;
      }
      const int v = op.write.volume;
      const AmPiece result = inside_piece(v, band.written[at(i - segment_.begin)]);
      net_.compute(i, sources, result, op.write.channels, tile);
      present[v].push_back(op.write.channels);
      const bool complete = written_channels(net_.model, {i + 1, segment_.end}, v).size() == 0;
      if (net_.volume(v).last >= segment_.end && complete)
        store_written(v, result, net_.owner_of(i));
    }
  }

  // All that the segment writes of a volume, once it is there.
  void store_written(int v, const AmPiece& piece, std::ptrdiff_t owner) {
    std::vector<Span> runs;
    for (int i = segment_.begin; i < segment_.end; ++i) {
      const PlanOp& op = net_.plan_op(i);
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
      places_.store(v, piece, runs[i], owner);
    }
  }

  // Channels that were written before the segment are brought into the piece of it.
  void complete(const Access& read, const AmPiece& piece, std::vector<Span>& present,
                std::ptrdiff_t owner) {
    const bool atomic = net_.volume(read.volume).atomic;
    const Span channels = atomic ? gathered_channels(net_.model, read) : read.channels;
    for (const Span& written : places_.written(read.volume)) {
      const Span wanted = both(written, channels);
      if (wanted.size() <= 0) continue;
      const bool there = std::any_of(present.begin(), present.end(), [&](const Span& p) {
        return p.begin <= wanted.begin && wanted.end <= p.end;
      });
      if (there) continue;
      places_.gather(read.volume, piece, wanted, owner);
      present.push_back(wanted);
    }
  }

  void upload_band(int i, const AmPiece& piece) {
    const LoweredOp& from = net_.whole.ops[at(i)];
    const Access& read = net_.plan_op(i).reads[0];
    const int tensor = net_.whole.maps[at(from.sources[0])].ddr;
    if (places_.host_has(read.volume, read.channels, tensor)) return;
    LoweredOp to = from;
    to.sources = {net_.map_in(piece, read.volume, from.sources[0], read.channels)};
    to.ddr = tensor;
    to.ddr_row = piece.rows.begin;
    net_.push(to);
  }

  // A single op, for some output channels of the band at a time.
  void band_in_chunks(const Band& band, int& number) {
    const int i = segment_.begin;
    const PlanOp& op = net_.plan_op(i);
    const int v = op.write.volume;
    std::vector<AmPiece> sources;
    if (!op.channelwise) {
      for (std::size_t r = 0; r < op.reads.size(); ++r) {
        const Span channels = gathered_channels(net_.model, op.reads[r]);
        sources.push_back(net_.new_piece(op.reads[r].volume, channels, band.read[0][r]));
        places_.gather_written(op.reads[r].volume, sources.back(), channels, net_.owner_of(i));
      }
    }
    for (const Span& chunk : chunks_of(op.write.channels.size(), segment_.chunk)) {
      if (op.channelwise) {
        sources.clear();
        for (std::size_t r = 0; r < op.reads.size(); ++r) {
          const Access& read = op.reads[r];
          const Span part{read.channels.begin + chunk.begin, read.channels.begin + chunk.end};
          sources.push_back(net_.new_piece(read.volume, part, band.read[0][r]));
          places_.gather(read.volume, sources.back(), part, net_.owner_of(i));
        }
      }
      const Span part{op.write.channels.begin + chunk.begin, op.write.channels.begin + chunk.end};
      const AmPiece result = net_.new_piece(v, part, band.written[0]);
      net_.compute(i, sources, result, part, fmt::format("#{}", number++));
      if (net_.volume(v).last > i) places_.store(v, result, part, net_.owner_of(i));
    }
  }

  Carried& net_;
  VolumePlaces& places_;
  const PlanStep& step_;
  const Segment& segment_;
};

void carry_banded(Carried& net, VolumePlaces& places, const PlanStep& step) {
  BandedStep(net, places, step).run();
}

}  // namespace

// --- the plan ------------------------------------------------------------------------------------

// A memory plan carried out step by step, twice: which tensors a volume needs in DDR depends on
// everything that is read of it later.

namespace {

Lowered carry_out_with(const Lowered& whole, const MemoryModel& model, const MemoryPlan& plan,
                       Cuts& cuts, bool first_pass) {
  Carried net(whole, model);
  VolumePlaces places(net, cuts, first_pass);
  for (const PlanStep& step : plan.steps) {
    net.host_steps_until(step.segment.begin);
    for (const int v : step.evict) places.evict(v, step.segment.begin);
    switch (step.kind) {
      case PlanStep::Kind::Whole:
        carry_whole(net, places, step);
        break;
      case PlanStep::Kind::Chunked:
        carry_chunked(net, places, step);
        break;
      case PlanStep::Kind::Banded:
        carry_banded(net, places, step);
        break;
    }
    places.forget_dead(step.segment.end);
  }
  net.host_steps_until(static_cast<int>(whole.ops.size()));
  net.add_probes();
  return std::move(net.out);
}

}  // namespace

Lowered carry_out(const Lowered& whole, const MemoryModel& model, const MemoryPlan& plan) {
  Cuts cuts;
  carry_out_with(whole, model, plan, cuts, true);
  return carry_out_with(whole, model, plan, cuts, false);
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
      // A sum over the result of another (reuse_operands) is no further chunk: it may read the
      // operand once more.
      const Map& chunk = map_at(lowered.ops[i].result);
      for (const std::size_t before : writers) {
        const Map& other = map_at(lowered.ops[before].result);
        possible = possible && (chunk.start + chunk.channels <= other.start ||
                                other.start + other.channels <= chunk.start);
      }
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
