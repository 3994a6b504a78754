// Steps in row bands (bands.h): from DDR to DDR, what lies between the ops exists only as a band.
#include <algorithm>
#include <map>

#include "compiler/xdnn/carry_steps.h"

namespace workbench::xdnn {

namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }

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
    for (const Span& written : places_.written(read.volume)) {
      const Span wanted = both(written, read.channels);
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
    if (places_.host_has(read.volume, read.channels)) return;
    LoweredOp to = from;
    to.sources = {net_.map_in(piece, read.volume, from.sources[0], read.channels)};
    to.ddr = net_.whole.maps[at(from.sources[0])].ddr;
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

}  // namespace

void carry_banded(Carried& net, VolumePlaces& places, const PlanStep& step) {
  BandedStep(net, places, step).run();
}

}  // namespace workbench::xdnn
