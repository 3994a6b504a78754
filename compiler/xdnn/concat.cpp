#include "compiler/xdnn/concat.h"

#include <algorithm>

#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

void give_volume(Lowered& lowered, int map, const Machine& machine) {
  Map& m = lowered.maps[static_cast<std::size_t>(map)];
  lowered.volumes.push_back(
      {m.name, m.channels, m.height, m.width, plain_layout(m.channels, machine.geometry())});
  m.volume = static_cast<int>(lowered.volumes.size()) - 1;
  m.start = 0;
}

namespace {

class Join {
 public:
  Join(Lowered& lowered, int result, const Node& node, const JoinContext& context,
       const std::vector<ConcatRecord>& concats)
      : lowered_(lowered),
        result_(result),
        node_(node),
        context_(context),
        granule_(context.machine.geometry().channel_granule()),
        concats_(concats) {}

  bool run(std::vector<int> parts) {
    replace_prefix(parts);
    give_volume(lowered_, result_, context_.machine);
    map(result_).whole = false;
    const int volume = map(result_).volume;
    std::int64_t offset = 0;
    for (const int part : parts) {
      const std::int64_t channels = map(part).channels;
      if (can_move(part, offset)) {
        move(part, volume, offset);
      } else if (map(part).start % granule_ == 0) {
        copy(part, volume, offset);
      } else {
        return false;
      }
      offset += channels;
    }
    return true;
  }

 private:
  Map& map(int id) { return lowered_.maps[static_cast<std::size_t>(id)]; }
  const Map& map(int id) const { return lowered_.maps[static_cast<std::size_t>(id)]; }

  // concat(a, b, c) after r = concat(a, b) is concat(r, c): dense networks grow one volume.
  void replace_prefix(std::vector<int>& parts) const {
    const ConcatRecord* longest = nullptr;
    for (const ConcatRecord& record : concats_) {
      const auto& p = record.parts;
      const bool prefix =
          p.size() > 1 && p.size() <= parts.size() && std::equal(p.begin(), p.end(), parts.begin());
      if (prefix && covers_volume(record.result) &&
          (longest == nullptr || p.size() > longest->parts.size())) {
        longest = &record;
      }
    }
    if (longest == nullptr) return;
    parts.erase(parts.begin(), parts.begin() + static_cast<std::ptrdiff_t>(longest->parts.size()));
    parts.insert(parts.begin(), longest->result);
  }

  bool covers_volume(int id) const {
    const Map& m = map(id);
    return m.volume >= 0 && m.start == 0 &&
           lowered_.volumes[static_cast<std::size_t>(m.volume)].channels == m.channels;
  }

  // Somebody other than this concat reads the map by itself. A later concat that begins with all
  // of this one's operands will take this one's result instead and does not count.
  bool read_alone(const Map& m) const {
    if (m.value == kNoValue) return false;
    const auto& nodes = lowered_.graph->nodes;
    for (const std::size_t reader : context_.readers[static_cast<std::size_t>(m.value)]) {
      const Node& other = nodes[reader];
      if (&other == &node_) continue;
      const bool extends =
          std::holds_alternative<Concat>(other.op) && other.inputs.size() > node_.inputs.size() &&
          std::equal(node_.inputs.begin(), node_.inputs.end(), other.inputs.begin());
      const bool done = std::holds_alternative<Concat>(other.op) && already_joined(other);
      if (!(extends && context_.grow) && !done) return true;
    }
    const auto& outputs = lowered_.graph->outputs;
    return std::find(outputs.begin(), outputs.end(), m.value) != outputs.end();
  }

  bool already_joined(const Node& other) const {
    const int id = lowered_.value_map[static_cast<std::size_t>(other.outputs[0])];
    return id >= 0 && std::any_of(concats_.begin(), concats_.end(),
                                  [&](const ConcatRecord& r) { return r.result == id; });
  }

  bool can_move(int part, std::int64_t offset) const {
    const Map& m = map(part);
    if (!covers_volume(part) || m.volume == map(result_).volume) return false;
    return std::all_of(lowered_.maps.begin(), lowered_.maps.end(), [&](const Map& inside) {
      return inside.volume != m.volume || (inside.start + offset) % granule_ == 0 ||
             !read_alone(inside);
    });
  }

  void move(int part, int volume, std::int64_t offset) {
    const int from = map(part).volume;
    for (Map& inside : lowered_.maps) {
      if (inside.volume != from) continue;
      inside.volume = volume;
      inside.start += offset;
      inside.whole = false;
    }
  }

  void copy(int part, int volume, std::int64_t offset) {
    Map m = map(part);
    m.value = kNoValue;
    m.name += fmt::format(" (copy in {})", map(result_).name);
    m.volume = volume;
    m.start = offset;
    m.whole = false;
    m.ddr = -1;
    lowered_.maps.push_back(m);
    LoweredOp op{.kind = LoweredKind::MaxPool, .sources = {part}};
    op.result = static_cast<int>(lowered_.maps.size()) - 1;
    lowered_.ops.push_back(op);
  }

  Lowered& lowered_;
  int result_;
  const Node& node_;
  const JoinContext& context_;
  std::int64_t granule_;  // channels that can be read alone begin at its multiples
  const std::vector<ConcatRecord>& concats_;
};

}  // namespace

bool join(Lowered& lowered, int result, const Node& node, std::vector<int> parts,
          const JoinContext& context, std::vector<ConcatRecord>& concats) {
  const bool joined = Join(lowered, result, node, context, concats).run(parts);
  concats.push_back({result, std::move(parts)});
  return joined;
}

}  // namespace workbench::xdnn
