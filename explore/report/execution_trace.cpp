#include "explore/report/execution_trace.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "explore/report/trace.h"

namespace workbench {
namespace {

using riscv::CoreEvent;
using Wait = riscv::EventUnit::Wait;

}  // namespace

CallRecorder::CallRecorder(const riscv::Elf& program, const pulp::Machine& machine,
                           std::size_t most_slices)
    : program_(program),
      machine_(machine),
      most_slices_(most_slices),
      open_(static_cast<std::size_t>(machine.cluster.cores) + 1) {}

void CallRecorder::operator()(const CoreEvent& event) {
  std::vector<Open>& open = open_[event.hart];
  switch (event.kind) {
    case CoreEvent::Kind::Enters:
      open.push_back({event.watched, event.time});
      return;
    case CoreEvent::Kind::Leaves:
      if (open.empty()) return;
      keep({open.back().begin, event.time, static_cast<std::int32_t>(open.back().function),
            event.hart});
      open.pop_back();
      return;
    case CoreEvent::Kind::Slept:
      keep({event.begin, event.time, -1 - static_cast<std::int32_t>(event.waited), event.hart});
  }
}

void CallRecorder::keep(const Slice& slice) {
  const auto is_short = [&](const Slice& one) { return one.end - one.begin < shortest_; };
  if (is_short(slice)) return;
  slices_.push_back(slice);
  while (slices_.size() > most_slices_) {
    shortest_ *= 2;
    std::erase_if(slices_, is_short);
  }
}

std::string CallRecorder::name_of(const Slice& slice) const {
  if (slice.function >= 0) {
    return program_.functions[static_cast<std::size_t>(slice.function)].name;
  }
  return static_cast<Wait>(-1 - slice.function) == Wait::Barrier ? "asleep: barrier"
                                                                 : "asleep: event";
}

std::string CallRecorder::trace(const riscv::Cluster& cluster, const std::string& name) {
  const std::size_t cores = open_.size();
  std::vector<std::string> tracks;
  for (std::size_t core = 0; core + 1 < cores; ++core)
    tracks.push_back(fmt::format("core {}", core));
  for (const char* other : {"fabric controller", "dma in", "dma out", "l3"})
    tracks.emplace_back(other);
  // Outer calls before those in them, as the viewer asks for of slices that begin together.
  std::vector<Slice> slices = slices_;
  for (std::size_t core = 0; core < cores; ++core) {
    for (const Open& call : open_[core]) {
      slices.push_back({call.begin, cluster.cycles(), static_cast<std::int32_t>(call.function),
                        static_cast<std::uint32_t>(core)});
    }
  }
  std::stable_sort(slices.begin(), slices.end(), [](const Slice& a, const Slice& b) {
    return std::tuple(a.begin, -a.end, a.core) < std::tuple(b.begin, -b.end, b.core);
  });
  TraceText text(fmt::format("{} on {}", name, machine_.name), tracks, machine_.clocks.cluster);
  for (const Slice& slice : slices) {
    text.slice(slice.core, slice.begin, slice.end, name_of(slice),
               slice.function >= 0 ? "call" : "sleep");
  }
  const auto add_moves = [&](const std::vector<riscv::Move>& moves, std::size_t track) {
    for (const riscv::Move& move : moves) {
      if (move.end - move.begin < shortest_) continue;
      text.slice(track + move.lane, move.begin, move.end, tracks[track + move.lane], "transfer",
                 fmt::format(",\"bytes\":{}", move.bytes));
    }
  };
  add_moves(cluster.dma_moves(), cores);
  add_moves(cluster.l3_moves(), cores + riscv::Mchan::kLanes);
  return text.take(fmt::format(",\"otherData\":{{\"shortest_slice_cycles\":{}}}", shortest_));
}

}  // namespace workbench
