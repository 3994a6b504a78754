#include "compiler/xdnn/bands.h"

#include <algorithm>

namespace workbench::xdnn {

namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }

// Rows of each volume of the segment, per band; begin < 0: nobody has asked yet.
class Cutter {
 public:
  Cutter(const MemoryModel& model, const Segment& segment)
      : model_(model), segment_(segment), bands_(static_cast<std::size_t>(segment.bands)) {}

  std::optional<std::vector<Band>> run() {
    const auto count = at(segment_.end - segment_.begin);
    for (Band& band : bands_) band.written.resize(count), band.read.resize(count);
    for (const int v : segment_outputs(model_, segment_)) start_with_output(v);
    for (int i = segment_.end - 1; i >= segment_.begin; --i) {
      if (!cut(i)) return std::nullopt;
    }
    if (!consistent()) return std::nullopt;
    return std::move(bands_);
  }

 private:
  const PlanOp& op(int i) const { return model_.ops[at(i)]; }
  bool inside(int volume) const { return written_channels(model_, segment_, volume).size() > 0; }

  void start_with_output(int volume) {
    const PlanVolume& v = model_.volumes[at(volume)];
    const std::int64_t units = v.height / v.row_unit, n = segment_.bands;
    std::vector<Span>& rows = rows_[volume];
    for (std::int64_t k = 0; k < n; ++k) {
      rows.push_back({units * k / n * v.row_unit, units * (k + 1) / n * v.row_unit});
    }
  }

  // Every row must be computed by some band, needed or not: the whole result is the contract.
  bool close_gaps(int volume) {
    const PlanVolume& v = model_.volumes[at(volume)];
    std::vector<Span>& rows = rows_[volume];
    if (rows.empty()) return false;
    for (std::size_t k = 0; k < rows.size(); ++k) {
      Span& span = rows[k];
      const std::int64_t next = k + 1 < rows.size() ? rows[k + 1].begin : v.height;
      span.end = std::min(v.height, round_up(std::max(span.end, next), v.row_unit));
      const bool good = span.begin % v.row_unit == 0 && span.size() > 0 &&
                        (k > 0 ? span.begin >= rows[k - 1].begin : span.begin == 0);
      if (!good) return false;
    }
    return true;
  }

  bool cut(int i) {
    const PlanOp& o = op(i);
    if (o.download) return true;
    std::vector<Span> out;
    if (o.write.volume >= 0) {
      if (closed_.insert({o.write.volume, true}).second && !close_gaps(o.write.volume)) {
        return false;
      }
      out = rows_[o.write.volume];
    } else {  // an upload: its own rows
      for (std::int64_t k = 0; k < segment_.bands; ++k) {
        out.push_back({o.in_rows * k / segment_.bands, o.in_rows * (k + 1) / segment_.bands});
        if (out.back().size() <= 0) return false;
      }
    }
    for (std::size_t k = 0; k < out.size(); ++k) {
      Band& band = bands_[k];
      band.written[at(i - segment_.begin)] = out[k];
      const auto need = model_.rows_needed(o, out[k]);
      if (!need) return false;
      for (const Access& read : o.reads) {
        band.read[at(i - segment_.begin)].push_back(*need);
        if (inside(read.volume) && !ask(read.volume, k, *need)) return false;
      }
    }
    return true;
  }

  bool ask(int volume, std::size_t band, Span need) {
    if (closed_.contains(volume)) return false;  // read before it is written: parts of a concat
    std::vector<Span>& rows = rows_[volume];
    if (rows.empty()) rows.assign(bands_.size(), {-1, -1});
    Span& span = rows[band];
    const bool output = model_.volumes[at(volume)].last >= segment_.end;
    if (span.begin >= 0 && span.begin != need.begin && !output) return false;
    span.begin = span.begin < 0 ? need.begin : std::min(span.begin, need.begin);
    span.end = std::max(span.end, need.end);
    return true;
  }

  // With all rows known: each reader finds its first row first, an eltwise exactly its rows.
  bool consistent() {
    for (int i = segment_.begin; i < segment_.end; ++i) {
      const PlanOp& o = op(i);
      for (std::size_t k = 0; k < bands_.size(); ++k) {
        for (std::size_t r = 0; r < o.reads.size(); ++r) {
          if (!inside(o.reads[r].volume)) continue;
          const Span have = rows_[o.reads[r].volume][k];
          Span& need = bands_[k].read[at(i - segment_.begin)][r];
          const bool exact = o.kind == LoweredKind::Eltwise || o.upsample > 1 || o.upload;
          if (have.begin != need.begin || (exact && have.end != need.end)) return false;
          need = have;
        }
      }
    }
    return true;
  }

  const MemoryModel& model_;
  const Segment& segment_;
  std::vector<Band> bands_;
  std::map<int, std::vector<Span>> rows_;  // volume -> per band
  std::map<int, bool> closed_;
};

// Pieces of one band, when they come and go.
class BandPeak {
 public:
  BandPeak(const MemoryModel& model, const Segment& segment, const Band& band)
      : model_(model), segment_(segment), band_(band) {}

  bool run(SegmentCost& cost) {
    const Span all{0, 0};
    std::vector<Span> chunks{all};
    const PlanOp& first = model_.ops[at(segment_.begin)];
    if (segment_.chunk > 0) {
      chunks = chunks_of(first.write.channels.size(), segment_.chunk);
    }
    for (std::size_t c = 0; c < chunks.size(); ++c) {
      if (segment_.chunk > 0 && c > 0 && chunks[c].size() == chunks[0].size()) continue;
      if (!collect(chunks[c])) return false;
      cost.peak = std::max(cost.peak, peak());
    }
    return true;
  }

 private:
  struct Piece {
    PieceKey key;
    int first, last;
    bool inside;
  };

  Piece& piece(const PieceKey& key, int op, bool inside) {
    for (Piece& p : pieces_) {
      if (p.key == key && p.inside == inside) {
        p.last = op;
        return p;
      }
    }
    pieces_.push_back({key, op, op, inside});
    return pieces_.back();
  }

  bool collect(Span chunk) {
    pieces_.clear();
    for (int i = segment_.begin; i < segment_.end; ++i) {
      const PlanOp& op = model_.ops[at(i)];
      if (op.download) continue;
      for (std::size_t r = 0; r < op.reads.size(); ++r) {
        const Access& read = op.reads[r];
        const bool inside = written_channels(model_, segment_, read.volume).size() > 0;
        Span channels = inside ? piece_channels(model_, segment_, read.volume)
                               : gathered_channels(model_, read);
        if (chunk.size() > 0 && op.channelwise) {
          channels = {read.channels.begin + chunk.begin, read.channels.begin + chunk.end};
        }
        piece({read.volume, channels, band_.read[at(i - segment_.begin)][r]}, i, inside);
      }
      if (op.write.volume < 0) continue;
      Span channels = piece_channels(model_, segment_, op.write.volume);
      if (chunk.size() > 0) channels = {0, chunk.size()};
      piece({op.write.volume, channels, band_.written[at(i - segment_.begin)]}, i, true);
    }
    for (const Piece& p : pieces_) {
      if (!model_.fits_alone(words(p))) return false;
    }
    return true;
  }

  std::int64_t words(const Piece& p) const {
    return model_.words(p.key.volume, p.key.channels, p.key.rows.size());
  }

  std::int64_t peak() const {
    std::int64_t worst = 0;
    for (int i = segment_.begin; i < segment_.end; ++i) {
      std::int64_t live = 0;
      for (const Piece& p : pieces_) {
        if (p.first <= i && i <= p.last) live += model_.weight(words(p));
      }
      if (reuses_operand(i)) {
        live -= model_.weight(result_words(i));
      }
      worst = std::max(worst, live);
    }
    return worst;
  }

  std::int64_t result_words(int i) const {
    for (const Piece& p : pieces_) {
      if (p.inside && p.key.volume == model_.ops[at(i)].write.volume) return words(p);
    }
    return 0;
  }

  // An eltwise whose result takes the place of an operand that dies.
  bool reuses_operand(int i) const {
    const PlanOp& op = model_.ops[at(i)];
    if (op.kind != LoweredKind::Eltwise) return false;
    const PlanVolume& result = model_.volumes[at(op.write.volume)];
    if (result.writers != 1 || op.write.channels.size() != result.channels) return false;
    return std::any_of(op.reads.begin(), op.reads.end(), [&](const Access& read) {
      return std::any_of(pieces_.begin(), pieces_.end(), [&](const Piece& p) {
        return p.key.volume == read.volume && p.first <= i && p.last == i &&
               p.key.channels.size() == piece_size(i);
      });
    });
  }
  std::int64_t piece_size(int i) const {
    for (const Piece& p : pieces_) {
      if (p.inside && p.key.volume == model_.ops[at(i)].write.volume) return p.key.channels.size();
    }
    return 0;
  }

  const MemoryModel& model_;
  const Segment& segment_;
  const Band& band_;
  std::vector<Piece> pieces_;
};

double band_cycles(const MemoryModel& model, const Segment& segment,
                   const std::vector<Band>& bands) {
  double cycles = 0;
  for (int i = segment.begin; i < segment.end; ++i) {
    const PlanOp& op = model.ops[at(i)];
    if (op.download) continue;
    const bool chunked = segment.chunk > 0;
    const auto parts = chunked ? chunks_of(op.write.channels.size(), segment.chunk).size() : 1;
    double computing = 0;
    for (const Band& band : bands) {
      const double share = static_cast<double>(band.written[at(i - segment.begin)].size()) /
                           static_cast<double>(op.out_rows);
      computing +=
          std::max(op.compute * share, op.filters) + model.overhead() * static_cast<double>(parts);
      for (std::size_t r = 0; r < op.reads.size(); ++r) {
        const Access& read = op.reads[r];
        if (written_channels(model, segment, read.volume).size() > 0) continue;
        bool again = false;  // gathered for an op before
        for (int j = segment.begin; j < i && !again; ++j) {
          const PlanOp& other = model.ops[at(j)];
          for (std::size_t q = 0; q < other.reads.size(); ++q) {
            again =
                again ||
                (other.reads[q].volume == read.volume && other.reads[q].channels == read.channels &&
                 band.read[at(j - segment.begin)][q] == band.read[at(i - segment.begin)][r]);
          }
        }
        if (again) continue;
        cycles += model.ddr_cost(read.volume, gathered_channels(model, read),
                                 band.read[at(i - segment.begin)][r].size());
      }
      const bool stored =
          op.write.volume >= 0 && model.volumes[at(op.write.volume)].last >= segment.end;
      if (stored) {
        cycles += model.ddr_cost(op.write.volume, op.write.channels,
                                 band.written[at(i - segment.begin)].size());
      } else if (op.upload) {
        cycles += model.ddr_cost(op.reads[0].volume, op.reads[0].channels,
                                 band.written[at(i - segment.begin)].size());
      }
    }
    cycles += computing - std::max(op.compute, op.filters);
  }
  return cycles;
}

// A scatter begins at a word of the piece; what it takes along must be the segment's own.
bool can_store(const MemoryModel& model, const Segment& segment) {
  const std::int64_t granule = model.geometry.channel_granule();
  for (const int v : segment_outputs(model, segment)) {
    const std::int64_t base = piece_channels(model, segment, v).begin;
    std::vector<Span> written;
    for (int i = segment.begin; i < segment.end; ++i) {
      const PlanOp& op = model.ops[at(i)];
      if (op.write.volume == v && !op.download) written.push_back(op.write.channels);
    }
    std::sort(written.begin(), written.end(),
              [](const Span& a, const Span& b) { return a.begin < b.begin; });
    std::int64_t run = -1;  // end of the run so far
    for (const Span& span : written) {
      if (span.begin > run && (span.begin - base) % granule != 0) return false;
      run = std::max(run, span.end);
    }
  }
  return true;
}

}  // namespace

std::vector<Span> chunks_of(std::int64_t channels, std::int64_t chunk) {
  std::vector<Span> list;
  for (std::int64_t c = 0; c < channels; c += chunk) {
    list.push_back({c, std::min(channels, c + chunk)});
  }
  return list;
}

Span gathered_channels(const MemoryModel& model, const Access& read) {
  const PlanVolume& v = model.volumes[at(read.volume)];
  return v.read_whole() ? Span{0, v.channels} : read.channels;
}

Span written_channels(const MemoryModel& model, const Segment& segment, int volume) {
  Span all;
  for (int i = segment.begin; i < segment.end; ++i) {
    const PlanOp& op = model.ops[at(i)];
    if (op.download || op.write.volume != volume) continue;
    const bool first = all.size() == 0;
    all.begin = first ? op.write.channels.begin : std::min(all.begin, op.write.channels.begin);
    all.end = first ? op.write.channels.end : std::max(all.end, op.write.channels.end);
  }
  return all;
}

Span piece_channels(const MemoryModel& model, const Segment& segment, int volume) {
  Span all = written_channels(model, segment, volume);
  bool is_read = false;
  for (int i = segment.begin; i < segment.end; ++i) {
    for (const Access& read : model.ops[at(i)].reads) {
      if (read.volume != volume) continue;
      const bool first = all.size() == 0;
      all.begin = first ? read.channels.begin : std::min(all.begin, read.channels.begin);
      all.end = first ? read.channels.end : std::max(all.end, read.channels.end);
      is_read = true;
    }
  }
  const PlanVolume& v = model.volumes[at(volume)];
  if (is_read && v.ragged) return {0, v.channels};
  return is_read ? model.aligned(all) : all;  // reads begin at a word
}

std::vector<int> segment_inputs(const MemoryModel& model, const Segment& segment) {
  std::vector<int> list;
  for (int i = segment.begin; i < segment.end; ++i) {
    for (const Access& read : model.ops[at(i)].reads) {
      const int first = model.volumes[at(read.volume)].first;
      const bool before = first < segment.begin;
      const bool known = std::find(list.begin(), list.end(), read.volume) != list.end();
      if (before && !known) list.push_back(read.volume);
    }
  }
  return list;
}

std::vector<int> segment_outputs(const MemoryModel& model, const Segment& segment) {
  std::vector<int> list;
  for (int i = segment.begin; i < segment.end; ++i) {
    const PlanOp& op = model.ops[at(i)];
    if (op.write.volume < 0 || op.download) continue;
    const bool stored = model.volumes[at(op.write.volume)].last >= segment.end;
    const bool known = std::find(list.begin(), list.end(), op.write.volume) != list.end();
    if (stored && !known) list.push_back(op.write.volume);
  }
  return list;
}

std::optional<std::vector<Band>> cut_bands(const MemoryModel& model, const Segment& segment) {
  return Cutter(model, segment).run();
}

std::optional<SegmentCost> segment_cost(const MemoryModel& model, const Segment& segment) {
  if (!can_store(model, segment)) return std::nullopt;
  const auto bands = cut_bands(model, segment);
  if (!bands) return std::nullopt;
  SegmentCost cost;
  for (const Band& band : *bands) {
    if (!BandPeak(model, segment, band).run(cost)) return std::nullopt;
  }
  cost.cycles = band_cycles(model, segment, *bands);
  return cost;
}

}  // namespace workbench::xdnn
