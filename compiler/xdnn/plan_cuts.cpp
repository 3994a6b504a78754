#include "compiler/xdnn/plan_cuts.h"

#include <algorithm>
#include <numeric>

namespace workbench::xdnn {

// --- row bands -----------------------------------------------------------------------------------

namespace {

// Rows of each volume of the segment, per band; begin < 0: not asked for yet.
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

// A scatter begins at a word of the piece; all it writes must belong to the segment.
bool can_store(const MemoryModel& model, const Segment& segment) {
  const std::int64_t granule = model.geometry.channel_granule();
  for (const int v : segment_outputs(model, segment)) {
    const std::int64_t base = piece_channels(model, segment, v).begin;
    std::vector<Span> written;
    for (int i = segment.begin; i < segment.end; ++i) {
      const PlanOp& op = model.ops[at(i)];
      if (op.write.volume == v && !op.download) written.push_back(op.write.channels);
    }
    if (!runs_begin_at_words(std::move(written), base, granule)) return false;
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
  if (is_read && v.read_whole()) return {0, v.channels};
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

// --- channel chunks ------------------------------------------------------------------------------

namespace {

bool contains(const std::vector<int>& list, int value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

// The op of the segment that writes all of `read`; -1: it comes from outside.
int writer_inside(const MemoryModel& model, const Segment& segment, const Access& read) {
  for (int i = segment.begin; i < segment.end; ++i) {
    if (model.ops[at(i)].write.volume == read.volume) return i;
  }
  return -1;
}

class GroupCosts {
 public:
  GroupCosts(const MemoryModel& model, const Segment& segment, const std::vector<int>& to_ddr,
             const std::function<Where(int)>& where)
      : model_(model), segment_(segment), to_ddr_(to_ddr), where_(where) {}

  std::optional<GroupCost> run() {
    for (int i = segment_.begin; i < segment_.end; ++i) {
      if (!add(i)) return std::nullopt;
    }
    result_.extra += pieces_peak();
    return fits_ ? std::optional(result_) : std::nullopt;
  }

 private:
  struct Piece {
    int volume, first, last;
    std::int64_t weight;
  };

  bool in_am(int volume) const {
    return where_(volume) == Where::Am || where_(volume) == Where::Both ||
           contains(result_.gathered, volume);
  }

  bool add(int i) {
    const PlanOp& op = model_.ops[at(i)];
    const std::int64_t channels = op.write.channels.size();
    const auto chunks = chunks_of(channels, segment_.chunk);
    for (const Access& read : op.reads) {
      if (writer_inside(model_, segment_, read) >= 0) {
        use(read.volume, i);
        continue;
      }
      if (in_am(read.volume)) continue;
      const PlanVolume& v = model_.volumes[at(read.volume)];
      if (gathered_in_chunks(model_, op, read)) {
        piece(read.volume, i, v.height);
        for (const Span& c : chunks) result_.cycles += model_.ddr_cost(read.volume, c, v.height);
      } else {  // stays for the whole step
        result_.gathered.push_back(read.volume);
        result_.extra += model_.weight(v.words);
        fits_ = fits_ && model_.fits_alone(v.words);
        result_.cycles += model_.ddr_cost(read.volume, {0, v.channels}, v.height);
      }
    }
    const PlanVolume& out = model_.volumes[at(op.write.volume)];
    const bool output = out.last >= segment_.end;
    if (output && !contains(to_ddr_, op.write.volume)) {
      const bool there = in_am(op.write.volume);
      if (where_(op.write.volume) == Where::Ddr) return false;
      const int replaced = operand_to_replace(model_, segment_, i);
      if (!there && !(replaced >= 0 && in_am(replaced))) result_.extra += model_.weight(out.words);
      fits_ = fits_ && model_.fits_alone(out.words);
    } else {
      if (output && (out.atomic || where_(op.write.volume) == Where::Am)) return false;
      piece(op.write.volume, i, out.height);
      if (output) {
        for (const Span& c : chunks) {
          result_.cycles += model_.ddr_cost(op.write.volume, c, out.height);
        }
      }
    }
    const auto parts = static_cast<double>(chunks.size());
    result_.cycles += (parts - 1) * model_.overhead();
    if (op.kind == LoweredKind::Conv) result_.cycles += lost_passes(op, chunks);
    return true;
  }

  // Output channels are computed in passes of the array's columns; a chunk may not fill its last.
  double lost_passes(const PlanOp& op, const std::vector<Span>& chunks) const {
    const std::int64_t pass = model_.machine.pass_channels(false);
    std::int64_t passes = 0;
    for (const Span& c : chunks) passes += ceil_div(c.size(), pass);
    const std::int64_t least = ceil_div(op.write.channels.size(), pass);
    return op.compute * static_cast<double>(passes - least) / static_cast<double>(least);
  }

  void piece(int volume, int op, std::int64_t rows) {
    const std::int64_t words = model_.words(volume, {0, segment_.chunk}, rows);
    fits_ = fits_ && model_.fits_alone(words);
    pieces_.push_back({volume, op, op, model_.weight(words)});
  }
  void use(int volume, int op) {
    for (Piece& p : pieces_) {
      if (p.volume == volume) p.last = op;
    }
  }

  std::int64_t pieces_peak() const {
    std::int64_t worst = 0;
    for (int i = segment_.begin; i < segment_.end; ++i) {
      std::int64_t live = 0, dying = 0, own = 0;
      for (const Piece& p : pieces_) {
        if (p.first > i || p.last < i) continue;
        live += p.weight;
        if (p.volume == model_.ops[at(i)].write.volume) own = p.weight;
        if (p.last == i && p.volume != model_.ops[at(i)].write.volume) dying = p.weight;
      }
      const bool reused = model_.ops[at(i)].kind == LoweredKind::Eltwise && own > 0 &&
                          own == dying &&
                          model_.volumes[at(model_.ops[at(i)].write.volume)].writers == 1;
      worst = std::max(worst, reused ? live - own : live);
    }
    return worst;
  }

  const MemoryModel& model_;
  const Segment& segment_;
  const std::vector<int>& to_ddr_;
  const std::function<Where(int)>& where_;
  GroupCost result_;
  std::vector<Piece> pieces_;
  bool fits_ = true;
};

}  // namespace

bool gathered_in_chunks(const MemoryModel& model, const PlanOp& op, const Access& read) {
  return op.channelwise && !model.volumes[at(read.volume)].read_whole();
}

bool can_chunk(const MemoryModel& model, const Segment& segment) {
  const std::int64_t channels = model.ops[at(segment.begin)].write.channels.size();
  std::vector<int> written;
  for (int i = segment.begin; i < segment.end; ++i) {
    const PlanOp& op = model.ops[at(i)];
    if (!op.chunkable || op.tiled || op.write.channels.size() != channels) return false;
    if (contains(written, op.write.volume)) return false;
    const PlanVolume& out = model.volumes[at(op.write.volume)];
    const bool internal = out.last < segment.end;
    if (internal && op.write.channels != Span{0, out.channels}) return false;
    for (const Access& read : op.reads) {
      const int writer = writer_inside(model, {segment.begin, i}, read);
      if (writer < 0) continue;
      if (!op.channelwise || read.channels != model.ops[at(writer)].write.channels) return false;
    }
    written.push_back(op.write.volume);
  }
  return !model.host_step_between(segment.begin, segment.end);
}

std::optional<GroupCost> group_cost(const MemoryModel& model, const Segment& segment,
                                    const std::vector<int>& to_ddr,
                                    const std::function<Where(int)>& where) {
  return GroupCosts(model, segment, to_ddr, where).run();
}

// --- what to try ---------------------------------------------------------------------------------

// Bands and chunks to try, and what an op weighs whole.

namespace {

std::vector<std::int64_t> band_counts(std::int64_t rows) {
  std::vector<std::int64_t> counts;
  for (const std::int64_t n : {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128}) {
    if (n < rows) counts.push_back(n);
  }
  counts.push_back(rows);
  return counts;
}

}  // namespace

std::vector<BandChoice> band_choices(const MemoryModel& model, int begin, int end,
                                     std::int64_t& steps) {
  std::vector<BandChoice> list;
  std::int64_t rows = 0;
  for (int i = begin; i < end; ++i) {
    const PlanOp& op = model.ops[at(i)];
    if (op.only_tiled) return list;
    if (op.download) continue;
    const std::int64_t unit =
        op.write.volume >= 0 ? model.volumes[at(op.write.volume)].row_unit : 1;
    rows = rows == 0 ? op.out_rows / unit : std::min(rows, op.out_rows / unit);
  }
  if (rows == 0) return list;
  const PlanOp& first = model.ops[at(begin)];
  std::vector<std::int64_t> chunks{0};
  const bool single = end == begin + 1 && first.chunkable && first.write.volume >= 0 &&
                      !model.volumes[at(first.write.volume)].atomic;
  if (single) {
    const bool cut_sources =
        std::none_of(first.reads.begin(), first.reads.end(), [&](const Access& r) {
          return first.channelwise && model.volumes[at(r.volume)].read_whole();
        });
    if (cut_sources) {
      for (const std::int64_t c : chunk_sizes(model, first.write.channels.size()))
        chunks.push_back(c);
    }
  }
  for (const std::int64_t n : band_counts(rows)) {
    bool possible = true;
    for (const std::int64_t chunk : chunks) {
      const Segment segment{begin, end, n, chunk};
      steps += n * (end - begin);
      const auto cost = segment_cost(model, segment);
      if (!cost) {
        possible = chunk != 0;
        if (!possible) break;
        continue;
      }
      const bool helps = std::none_of(list.begin(), list.end(), [&](const BandChoice& c) {
        return c.cost.peak <= cost->peak && c.cost.cycles <= cost->cycles;
      });
      if (helps) list.push_back({segment, *cost});
    }
  }
  std::sort(list.begin(), list.end(), [](const BandChoice& a, const BandChoice& b) {
    return a.cost.cycles != b.cost.cycles ? a.cost.cycles < b.cost.cycles
                                          : a.cost.peak < b.cost.peak;
  });
  return list;
}

const std::vector<BandChoice>& BandChoices::of(int begin, int end) {
  const std::pair key(begin, end);
  auto found = known_.find(key);
  if (found == known_.end()) {
    if (steps_.spent()) return none_;
    found = known_.emplace(key, band_choices(model_, begin, end, steps_.taken)).first;
  }
  return found->second;
}

std::vector<std::int64_t> natural_weights(const MemoryModel& model) {
  std::vector<std::int64_t> weights;
  for (int i = 0; i < static_cast<int>(model.ops.size()); ++i) {
    std::int64_t live = model.weight(model.ops[at(i)].scratch_words);
    if (model.ops[at(i)].scratch_words == 0) live = 0;
    for (const PlanVolume& v : model.volumes) {
      if (v.first < 0 || v.first > i || v.last < i) continue;
      live += model.weight(v.words);
    }
    if (operand_to_replace(model, {i, i + 1}, i) >= 0) {
      live -= model.weight(model.volumes[at(model.ops[at(i)].write.volume)].words);
    }
    weights.push_back(live);
  }
  return weights;
}

std::vector<std::int64_t> chunk_sizes(const MemoryModel& model, std::int64_t channels) {
  const std::int64_t unit = model.geometry.width_aligned()
                                ? 2
                                : std::lcm(model.geometry.channel_granule(), std::int64_t{8});
  std::vector<std::int64_t> sizes;
  for (std::int64_t parts = 2; parts <= ceil_div(channels, unit); ++parts) {
    std::int64_t size = round_up(ceil_div(channels, parts), unit);
    if (model.geometry.width_aligned() && size > 32) size = round_up(size, 32);  // whole passes
    if (size < channels && (sizes.empty() || size < sizes.back())) sizes.push_back(size);
  }
  return sizes;
}

int operand_to_replace(const MemoryModel& model, const Segment& segment, int i) {
  const PlanOp& op = model.ops[at(i)];
  if (op.kind != LoweredKind::Eltwise) return -1;
  const PlanVolume& result = model.volumes[at(op.write.volume)];
  const Span all{0, result.channels};
  if (result.writers != 1 || op.write.channels != all) return -1;
  for (const Access& read : op.reads) {
    const PlanVolume& v = model.volumes[at(read.volume)];
    const bool elsewhere = v.first < segment.begin;  // not itself in chunks
    bool read_again = v.last > i;
    for (int j = segment.begin; j < segment.end; ++j) {
      if (j == i) continue;
      for (const Access& other : model.ops[at(j)].reads) {
        read_again = read_again || other.volume == read.volume;
      }
    }
    if (elsewhere && !read_again && v.channels == result.channels && read.channels == all &&
        v.writers == 1 && v.words == result.words) {
      return read.volume;
    }
  }
  return -1;
}

}  // namespace workbench::xdnn
