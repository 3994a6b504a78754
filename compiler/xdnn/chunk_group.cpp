#include "compiler/xdnn/chunk_group.h"

#include <algorithm>

#include "compiler/xdnn/plan_choices.h"

namespace workbench::xdnn {

namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }

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

}  // namespace workbench::xdnn
