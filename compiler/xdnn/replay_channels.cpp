#include "compiler/xdnn/replay_channels.h"

#include <algorithm>
#include <variant>

#include "compiler/xdnn/lower.h"
#include "compiler/xdnn/support.h"
#include "core/error.h"

namespace workbench::xdnn {

std::int64_t channels_in(std::span<const ChannelRun> runs) {
  std::int64_t channels = 0;
  for (const ChannelRun& run : runs) channels += run.count;
  return channels;
}

void append(std::vector<ChannelRun>& runs, const ChannelRun& run) {
  if (run.count == 0) return;
  const bool goes_on = !runs.empty() && runs.back().value == run.value &&
                       runs.back().first + runs.back().count == run.first;
  if (goes_on) {
    runs.back().count += run.count;
  } else {
    runs.push_back(run);
  }
}

std::vector<ChannelRun> some_of(std::span<const ChannelRun> runs, std::int64_t first,
                                std::int64_t count) {
  std::vector<ChannelRun> part;
  std::int64_t begin = 0;  // of the run
  for (const ChannelRun& run : runs) {
    const std::int64_t from = std::max(begin, first);
    const std::int64_t end = std::min(begin + run.count, first + count);
    if (from < end) append(part, {run.value, run.first + from - begin, end - from});
    begin += run.count;
  }
  return part;
}

ChannelRun channel_at(std::span<const ChannelRun> runs, std::int64_t channel) {
  const std::vector<ChannelRun> one = some_of(runs, channel, 1);
  CHECK(one.size() == 1, "no channel {}", channel);
  return one[0];
}

std::vector<Common> common_channels(std::span<const ChannelRun> a, std::span<const ChannelRun> b) {
  std::vector<Common> list;
  std::int64_t a_begin = 0;
  for (const ChannelRun& one : a) {
    std::int64_t b_begin = 0;
    for (const ChannelRun& other : b) {
      const std::int64_t first = std::max(one.first, other.first);
      const std::int64_t end = std::min(one.first + one.count, other.first + other.count);
      if (one.value == other.value && first < end) {
        list.push_back({a_begin + first - one.first, b_begin + first - other.first, end - first});
      }
      b_begin += other.count;
    }
    a_begin += one.count;
  }
  return list;
}

Channels::Channels(const Graph& graph) : runs_(graph.values.size()), with_(graph.values.size()) {
  for (std::size_t id = 0; id < graph.values.size(); ++id) {
    const Shape& shape = graph.values[id].shape;
    if (shape.size() == 4) append(runs_[id], {static_cast<ValueId>(id), 0, shape[1]});
  }
  for (const Node& node : graph.nodes) {  // operands before their readers
    if (!on_accelerator(graph, node)) continue;
    std::vector<ChannelRun>& runs = runs_[at(node.outputs[0])];
    if (std::holds_alternative<Concat>(node.op)) {
      runs.clear();
      for (const ValueId operand : node.inputs) {
        for (const ChannelRun& run : of(operand)) append(runs, run);
      }
    } else if (const auto* slice = std::get_if<Slice>(&node.op)) {
      runs = of(node.inputs[0], first_channel(*slice), graph.value(node.outputs[0]).shape[1]);
    }
  }
  for (std::size_t id = 0; id < runs_.size(); ++id) {
    for (const ChannelRun& run : runs_[id]) {
      auto& with = with_[at(run.value)];
      if (with.empty() || with.back() != static_cast<ValueId>(id)) {
        with.push_back(static_cast<ValueId>(id));
      }
    }
  }
}

std::vector<ChannelRun> Channels::of(ValueId value, std::int64_t first, std::int64_t count) const {
  return some_of(of(value), first, count);
}

std::vector<std::int64_t> Channels::places(ValueId value, std::span<const ChannelRun> runs) const {
  std::vector<std::int64_t> places;
  if (runs.empty()) return places;
  const std::int64_t count = channels_in(runs), all = channels_in(of(value));
  std::int64_t begin = 0;
  for (const ChannelRun& run : of(value)) {
    const ChannelRun& wanted = runs.front();
    const bool inside = run.value == wanted.value && run.first <= wanted.first &&
                        wanted.first < run.first + run.count;
    const std::int64_t place = begin + wanted.first - run.first;
    begin += run.count;
    if (!inside || place + count > all) continue;
    if (std::ranges::equal(of(value, place, count), runs)) places.push_back(place);
  }
  return places;
}

bool Covered::inside(const Part& part) const {
  return part.first_channel >= 0 && part.first_row >= 0 &&
         part.first_channel + part.channels <= channels_ && part.first_row + part.rows <= rows_;
}

std::int64_t Covered::add(const Part& part) {
  if (!inside(part)) return 0;
  const std::int64_t before = count_;
  for (std::int64_t c = part.first_channel; c < part.first_channel + part.channels; ++c) {
    for (std::int64_t row = part.first_row; row < part.first_row + part.rows; ++row) {
      auto cell = there_[static_cast<std::size_t>(c * rows_ + row)];
      count_ += cell ? 0 : 1;
      cell = true;
    }
  }
  return count_ - before;
}

bool Covered::has(const Part& part) const {
  if (!inside(part)) return false;
  for (std::int64_t c = part.first_channel; c < part.first_channel + part.channels; ++c) {
    for (std::int64_t row = part.first_row; row < part.first_row + part.rows; ++row) {
      if (!there_[static_cast<std::size_t>(c * rows_ + row)]) return false;
    }
  }
  return true;
}

}  // namespace workbench::xdnn
