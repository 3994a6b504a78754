// Bands and chunks to try, and what an op weighs whole.
#include "compiler/xdnn/plan_choices.h"

#include <algorithm>
#include <numeric>

namespace workbench::xdnn {

namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }

std::vector<std::int64_t> band_counts(std::int64_t rows) {
  std::vector<std::int64_t> counts;
  for (const std::int64_t n : {1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128}) {
    if (n < rows) counts.push_back(n);
  }
  counts.push_back(rows);
  return counts;
}

}  // namespace

std::vector<BandChoice> band_choices(const MemoryModel& model, int begin, int end) {
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
  if (found == known_.end()) found = known_.emplace(key, band_choices(model_, begin, end)).first;
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
