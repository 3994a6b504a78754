// Steps in channel chunks: the ops one after the other for some channels, then for the next ones.
#include <map>

#include "compiler/xdnn/carry_steps.h"
#include "compiler/xdnn/chunk_group.h"

namespace workbench::xdnn {

namespace {

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

}  // namespace

void carry_chunked(Carried& net, VolumePlaces& places, const PlanStep& step) {
  ChunkedStep(net, places, step).run();
}

}  // namespace workbench::xdnn
