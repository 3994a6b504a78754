// Steps of one op, its operands and its result whole in the AM or parts that go to DDR at once; and
// what the host gives and takes.
#include <algorithm>

#include "compiler/xdnn/carry_steps.h"

namespace workbench::xdnn {

namespace {

std::size_t at(int index) { return static_cast<std::size_t>(index); }

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
  if (places.host_has(read.volume, read.channels)) return;
  const AmPiece piece = places.operand(read, net.owner_of(i));
  LoweredOp to = from;
  to.sources = {net.map_in(piece, read.volume, from.sources[0], read.channels)};
  to.ddr = map.ddr;
  net.push(to);
  places.note_upload(read.volume, read.channels, map.ddr);
}

}  // namespace

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

}  // namespace workbench::xdnn
