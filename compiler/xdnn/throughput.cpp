#include <algorithm>

#include "compiler/xdnn/emit.h"
#include "compiler/xdnn/layout.h"
#include "compiler/xdnn/lower.h"
#include "compiler/xdnn/place.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/well_formed.h"

namespace workbench::xdnn {

namespace {

// The block is made for images: units of 3 channels, one per kernel tap (docs/facts/xdnn.md 1.5: 7
// x 3).
constexpr std::int64_t kUnitChannels = 3;

// The layout of fewest array steps in the words of slice 0.
ChannelLayout source_layout(std::int64_t channels, const Window& window, const Machine& block) {
  const ChannelLayout plain{.full = ceil_div(channels, block.array.rows)};
  const std::int64_t units = block.array.rows / kUnitChannels;
  if (units < 2) return plain;
  const ChannelLayout units_of_3{0, ceil_div(channels, kUnitChannels), units, kUnitChannels};
  const auto steps = [&](const ChannelLayout& layout) {
    return array_steps(layout, window.kernel[0], window.kernel[1]);
  };
  return steps(units_of_3) < steps(plain) ? units_of_3 : plain;
}

class FirstLayer {
 public:
  FirstLayer(Lowered& lowered, const Machine& machine)
      : lowered_(lowered), machine_(machine), block_(machine, 0) {}

  std::string run() {
    const std::string where = lowered_.graph->name + ": throughput mode: ";
    if (lowered_.ops.empty()) return fmt::format("{}no layer runs on {}", where, machine_.name);
    std::string obstacle = unsuitable();
    if (obstacle.empty()) obstacle = too_many_steps();
    if (obstacle.empty()) {
      move();
      obstacle = too_large_tiles();
    }
    if (!obstacle.empty()) {
      const auto layer = static_cast<std::size_t>(first().layer);
      return fmt::format("{}the first layer '{}' ({}) cannot run on slice 0 of {}: {}", where,
                         lowered_.layers[layer].name, lowered_.layers[layer].op, machine_.name,
                         obstacle);
    }
    obey_readers();
    return "";
  }

 private:
  LoweredOp& first() { return lowered_.ops.front(); }
  const Map& source() const {
    return lowered_.maps[static_cast<std::size_t>(lowered_.ops.front().sources.at(0))];
  }
  Map& result() { return lowered_.maps[static_cast<std::size_t>(lowered_.ops.front().result)]; }

  // Each says what is in the way, or nothing.
  std::string unsuitable() {
    if (first().kind != LoweredKind::Conv) return "it is no convolution";
    if (first().blocked) return "it is a grouped convolution";
    if (!first().source_in_ddr) return "its input does not come from DDR tile by tile";
    if (result().ddr >= 0) return "the host reads its result";
    return "";
  }

  std::string too_many_steps() {
    const Node& node = lowered_.graph->nodes[static_cast<std::size_t>(first().node)];
    const Window& window = std::get<workbench::Conv>(node.op).window;
    if (source().channels > machine_.slice0.rows) {
      return fmt::format("it has {} input channels, slice 0 has {} rows", source().channels,
                         machine_.slice0.rows);
    }
    first().ddr_layout = source_layout(source().channels, window, block_.get());
    const std::int64_t steps = array_steps(first().ddr_layout, window.kernel[0], window.kernel[1]);
    if (filter_mode(steps, block_.get()).possible) return "";
    return fmt::format("its filters need {} array steps, at most {} are possible", steps,
                       machine_.filters.steps_max);
  }

  std::string too_large_tiles() {
    LoweredOp& op = first();
    const std::int64_t words = block_.get().am_words();
    choose_tile(lowered_, op, machine_, words);
    if (2 * op.buffer_words > words) {
      return fmt::format("two buffers of its smallest tile need {} words of {} bytes, there are {}",
                         2 * op.buffer_words, block_.get().word_bytes(), words);
    }
    op.buffer_0 = 0, op.buffer_1 = op.buffer_words;
    return "";
  }

  void move() {
    first().slice = 0;
    first().destination_in_ddr = true;
    stream_result();
  }

  void stream_result() {
    const Map& map = result();
    lowered_.ddr_tensors.push_back({map.name, 0, map.channels, map.height, map.width});
    lowered_.between_slices = static_cast<int>(lowered_.ddr_tensors.size()) - 1;
    result().ddr = lowered_.between_slices;
  }

  // Whether the result is read once, whole and by a convolution that can fetch it tile by tile.
  LoweredOp* only_reader() {
    const int map = first().result;
    const int volume = result().volume;
    const bool shared = std::any_of(lowered_.maps.begin(), lowered_.maps.end(), [&](const Map& m) {
      return &m != &result() && m.volume == volume;
    });
    if (!result().whole || shared) return nullptr;
    LoweredOp* reader = nullptr;
    for (LoweredOp& op : lowered_.ops) {
      if (std::find(op.sources.begin(), op.sources.end(), map) == op.sources.end()) continue;
      if (reader != nullptr) return nullptr;
      reader = &op;
    }
    if (reader == nullptr || reader->kind != LoweredKind::Conv || reader->blocked) return nullptr;
    const Node& node = lowered_.graph->nodes[static_cast<std::size_t>(reader->node)];
    return std::holds_alternative<workbench::Conv>(node.op) ? reader : nullptr;
  }

  // Slice 1 reads the tensor in tiles, or brings it to the AM once.
  void obey_readers() {
    if (LoweredOp* reader = only_reader()) {
      reader->source_in_ddr = true;
      result().volume = -1;
      return;
    }
    const int map = first().result;
    const LayerInfo& producer = lowered_.layers[static_cast<std::size_t>(first().layer)];
    LoweredOp gather{.kind = LoweredKind::Gather, .owner = first().owner, .sources = {map}};
    gather.result = map;
    gather.layer = static_cast<std::int32_t>(lowered_.layers.size());
    lowered_.layers.push_back({.name = result().name + " (download)",
                               .op = "Download",
                               .shape = producer.shape,
                               .result_words = producer.result_words});
    lowered_.ops.insert(lowered_.ops.begin() + 1, gather);
    for (HostStep& step : lowered_.host_steps) {
      if (step.before >= 1) ++step.before;
    }
  }

  Lowered& lowered_;
  const Machine& machine_;
  MachineOfSlice block_;
};

}  // namespace

std::string use_slice0(Lowered& lowered, const Machine& machine) {
  return FirstLayer(lowered, machine).run();
}

}  // namespace workbench::xdnn
