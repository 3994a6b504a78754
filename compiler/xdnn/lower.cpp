// Quantized graph -> LoweredOps: instruction selection, conv+pool fusion, concat as address
// arithmetic, grouped convolutions in blocks, and the host's part cut out.
#include "compiler/xdnn/lower.h"

#include <algorithm>
#include <optional>
#include <set>
#include <vector>

#include "compiler/xdnn/layout.h"
#include "compiler/xdnn/mapping.h"
#include "compiler/xdnn/support.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

namespace {

// --- concat --------------------------------------------------------------------------------------

// Concat is address arithmetic: the result is one volume, its parts are written into their channels
// of it by the ops that compute them. Where a part cannot be there (it already sits in another
// concat, or it has a reader of its own and its first channel would fall inside a word) a copy is
// made.

// A concat already laid out: its result and the maps it was made of.
struct ConcatRecord {
  int result = -1;
  std::vector<int> parts;
};

// Gives `map` a plain volume of its own.
void give_volume(Lowered& lowered, int map, const Machine& machine);

struct JoinContext {
  const std::vector<std::vector<std::size_t>>& readers;  // consumers() of the graph
  const Machine& machine;
  // Trust that a later concat which begins with all operands of this one takes this one's result
  // (so its parts need not be readable alone). Not always possible: then join() says so.
  bool grow = true;
};

// Lays out `result` = concat of `parts` (all in the AM); appends copy ops where needed and the
// record to `concats`. False when a copy would have to read from inside a word: lower again
// without `grow`.
[[nodiscard]] bool join(Lowered& lowered, int result, const Node& node, std::vector<int> parts,
                        const JoinContext& context, std::vector<ConcatRecord>& concats);

void give_volume(Lowered& lowered, int map, const Machine& machine) {
  Map& m = lowered.maps[static_cast<std::size_t>(map)];
  lowered.volumes.push_back(
      {m.name, m.channels, m.height, m.width, plain_layout(m.channels, machine.geometry())});
  m.volume = static_cast<int>(lowered.volumes.size()) - 1;
  m.start = 0;
}

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

  // The map has a reader other than this concat, or this one reads it again to copy it. A later
  // concat that begins with all of this one's operands will take this one's result instead and
  // does not count.
  bool read_alone(const Map& m) const {
    if (m.value == kNoValue) return false;
    if (std::count(node_.inputs.begin(), node_.inputs.end(), m.value) > 1) return true;
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
    LoweredOp op{.kind = LoweredKind::Stream, .sources = {part}};
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

bool join(Lowered& lowered, int result, const Node& node, std::vector<int> parts,
          const JoinContext& context, std::vector<ConcatRecord>& concats) {
  const bool joined = Join(lowered, result, node, context, concats).run(parts);
  concats.push_back({result, std::move(parts)});
  return joined;
}

}  // namespace

// --- lowering ------------------------------------------------------------------------------------

namespace {

std::string window_text(const Window& window) {
  std::string text = fmt::format("{}x{}", window.kernel[1], window.kernel[0]);
  if (window.strides[0] != 1 || window.strides[1] != 1) {
    text += fmt::format("/{}", std::max(window.strides[0], window.strides[1]));
  }
  return text;
}

std::string activation_text(const Node& node, const Activation& activation) {
  if (node.requantize && !node.requantize->negative_scale.empty()) return " +PRelu";
  return activation.kind == Activation::Kind::Relu ? " +Relu" : "";
}

std::string layer_text(const Node& node) {
  if (const auto* conv = std::get_if<workbench::Conv>(&node.op)) {
    const std::string groups = conv->groups > 1 ? fmt::format(" g{}", conv->groups) : "";
    return "Conv " + window_text(conv->window) + groups + activation_text(node, conv->activation);
  }
  if (const auto* conv = std::get_if<ConvTranspose>(&node.op)) {
    return "Deconv " + window_text(conv->window) + activation_text(node, conv->activation);
  }
  if (const auto* pool = std::get_if<MaxPool>(&node.op)) {
    return "MaxPool " + window_text(pool->window);
  }
  if (const auto* pool = std::get_if<AveragePool>(&node.op)) {
    return "AvgPool " + window_text(pool->window);
  }
  if (const auto* add = std::get_if<Binary>(&node.op)) {
    return op_name(node.op) + activation_text(node, add->activation);
  }
  return op_name(node.op);
}

class Lowering {
 public:
  // `grow`: let concats that extend each other share a volume (join()).
  Lowering(const Graph& graph, const Machine& machine, std::span<const std::size_t> order,
           bool grow)
      : graph_(graph), machine_(machine), order_(order), readers_(consumers(graph)), grow_(grow) {
    result_.graph = &graph;
    result_.value_map.assign(graph.values.size(), -1);
    result_.host.name = graph.name;
    host_value_.assign(graph.values.size(), kNoValue);
  }

  std::optional<Lowered> run() {
    for (const ValueId id : graph_.inputs) result_.host.inputs.push_back(host_value(id));
    for (const std::size_t n : order_) {
      if (fused_.contains(n)) continue;
      const Node& node = graph_.nodes[n];
      const std::size_t before = result_.ops.size();
      if (!on_accelerator(graph_, node)) {
        host_node(node);
      } else if (std::holds_alternative<Concat>(node.op)) {
        concat(node);
      } else if (std::holds_alternative<Slice>(node.op)) {
        slice(node);
      } else {
        accelerated(n);
      }
      for (std::size_t i = before; i < result_.ops.size(); ++i) {
        result_.ops[i].owner = static_cast<std::ptrdiff_t>(n);
      }
    }
    for (const ValueId id : graph_.outputs) result_.host.outputs.push_back(host_value(id));
    flush_host();
    if (!joined_) return std::nullopt;
    return std::move(result_);
  }

 private:
  const Value& value(ValueId id) const { return graph_.value(id); }

  // --- host -----------------------------------------------------------------------------------

  ValueId host_value(ValueId id) {
    ValueId& known = host_value_[static_cast<std::size_t>(id)];
    if (known == kNoValue) known = result_.host.add_value(value(id));
    return known;
  }

  void host_node(const Node& node) {
    Node copy = node;
    for (ValueId& id : copy.inputs) {
      if (id == kNoValue) continue;
      upload_for_host(id);
      id = host_value(id);
    }
    for (ValueId& id : copy.outputs) {
      if (id == kNoValue) continue;
      if (is_code(value(id).type) && machine_reads(id)) {
        const int map = new_map(id, value(id).name);
        result_.maps[static_cast<std::size_t>(map)].ddr = ddr_tensor(map);
        waiting_for_host_.insert(map);
      }
      id = host_value(id);
    }
    pending_host_.push_back(result_.host.nodes.size());
    result_.host.nodes.push_back(std::move(copy));
  }

  // Codes that the user alone gets are not the machine's.
  bool machine_reads(ValueId id) const {
    return std::ranges::any_of(readers_[static_cast<std::size_t>(id)], [&](std::size_t n) {
      return on_accelerator(graph_, graph_.nodes[n]);
    });
  }

  // A map in the AM that the host reads is uploaded once.
  void upload_for_host(ValueId id) {
    const int map = result_.value_map[static_cast<std::size_t>(id)];
    if (map < 0 || result_.maps[static_cast<std::size_t>(map)].ddr >= 0) return;
    result_.maps[static_cast<std::size_t>(map)].ddr = ddr_tensor(map);
    LoweredOp op{.kind = LoweredKind::Scatter, .sources = {map}};
    op.layer = add_layer(value(id).name + " (upload)", "Upload", map, {});
    result_.ops.push_back(op);
  }

  void flush_host() {
    if (pending_host_.empty()) return;
    result_.host_steps.push_back({static_cast<std::int32_t>(result_.ops.size()), pending_host_});
    pending_host_.clear();
    waiting_for_host_.clear();
  }

  int ddr_tensor(int map) {
    const Map& m = result_.maps[static_cast<std::size_t>(map)];
    result_.ddr_tensors.push_back({m.name, 0, m.channels, m.height, m.width});
    return static_cast<int>(result_.ddr_tensors.size()) - 1;
  }

  // --- maps and volumes -----------------------------------------------------------------------

  int new_map(ValueId id, const std::string& name) {
    const Shape& shape = value(id).shape;
    CHECK(shape.size() == 4 && shape[0] == 1, "'{}' is {}", name, workbench::to_string(shape));
    result_.maps.push_back({id, name, shape[1], shape[2], shape[3]});
    const int map = static_cast<int>(result_.maps.size()) - 1;
    result_.value_map[static_cast<std::size_t>(id)] = map;
    return map;
  }

  int new_map_in_am(ValueId id) {
    const int map = new_map(id, value(id).name);
    give_volume(result_, map, machine_);
    return map;
  }

  // The map of `id` in the AM, downloaded first when it is in DDR.
  int in_am(ValueId id) {
    const int map = result_.value_map[static_cast<std::size_t>(id)];
    CHECK(map >= 0, "'{}' has no map", value(id).name);
    if (result_.maps[static_cast<std::size_t>(map)].volume >= 0) return map;
    if (waiting_for_host_.contains(map)) flush_host();
    give_volume(result_, map, machine_);
    LoweredOp op{.kind = LoweredKind::Gather, .sources = {map}, .result = map};
    op.layer = add_layer(value(id).name + " (download)", "Download", map, {});
    result_.ops.push_back(op);
    return map;
  }

  bool only_in_ddr(ValueId id) const {
    const int map = result_.value_map[static_cast<std::size_t>(id)];
    return result_.maps[static_cast<std::size_t>(map)].volume < 0;
  }

  std::int32_t add_layer(const std::string& name, const std::string& op, int map,
                         const std::vector<const Node*>& nodes) {
    const Map& m = result_.maps[static_cast<std::size_t>(map)];
    LayerInfo layer{.name = name, .op = op, .shape = {1, m.channels, m.height, m.width}};
    for (const Node* node : nodes) {
      layer.merged.push_back(node->name);
      layer.merged.insert(layer.merged.end(), node->merged.begin(), node->merged.end());
      layer.macs += macs(graph_, *node);
      layer.ops += layer_ops(graph_, *node);
    }
    layer.result_words = machine_.geometry().words(m.channels, m.height, m.width,
                                                   plain_layout(m.channels, machine_.geometry()));
    result_.layers.push_back(std::move(layer));
    return static_cast<std::int32_t>(result_.layers.size()) - 1;
  }

  // --- accelerator ----------------------------------------------------------------------------

  // The MaxPool node that can follow `node` inside the conv pipeline; -1: none.
  std::ptrdiff_t pool_behind(const Node& node) const {
    if (machine_.features.inline_pool == 0) return -1;
    const ValueId out = node.outputs[0];
    const auto& readers = readers_[static_cast<std::size_t>(out)];
    if (!std::holds_alternative<workbench::Conv>(node.op) || readers.size() != 1) return -1;
    if (std::count(graph_.outputs.begin(), graph_.outputs.end(), out) > 0) return -1;
    const Node& next = graph_.nodes[readers[0]];
    const bool pool = std::holds_alternative<MaxPool>(next.op) && on_accelerator(graph_, next);
    return pool ? static_cast<std::ptrdiff_t>(readers[0]) : -1;
  }

  void accelerated(std::size_t n) {
    const Node& node = graph_.nodes[n];
    LoweredOp op{.node = static_cast<std::ptrdiff_t>(n)};
    std::vector<const Node*> nodes = {&node};
    ValueId out = node.outputs[0];
    std::string text = layer_text(node);
    op.kind = kind_of(node);
    if (op.kind == LoweredKind::Conv) {
      op.fused_pool = pool_behind(node);
      if (op.fused_pool >= 0) {
        const Node& pool = graph_.nodes[static_cast<std::size_t>(op.fused_pool)];
        fused_.insert(static_cast<std::size_t>(op.fused_pool));
        nodes.push_back(&pool);
        out = pool.outputs[0];
        text += " +" + layer_text(pool);
      }
      convolve(op, node, nodes, out, text);
      return;
    }
    const std::size_t operands = op.kind == LoweredKind::Eltwise ? 2 : 1;
    for (std::size_t i = 0; i < operands; ++i) {
      op.sources.push_back(in_am(node.inputs[std::min(i, node.inputs.size() - 1)]));
    }
    op.result = new_map_in_am(out);
    op.layer = add_layer(node.name, text, op.result, nodes);
    result_.ops.push_back(op);
  }

  LoweredKind kind_of(const Node& node) const {
    const Instruction instruction = instruction_for(layer_of(graph_, node, nullptr, machine_));
    if (std::holds_alternative<xdnn::Conv>(instruction)) return LoweredKind::Conv;
    return std::holds_alternative<Eltwise>(instruction) ? LoweredKind::Eltwise
                                                        : LoweredKind::Stream;
  }

  // Channels of a map are a map: they lie where they lay.
  void slice(const Node& node) {
    const int source = in_am(node.inputs[0]);
    const std::int64_t first = first_channel(std::get<Slice>(node.op));
    const int map = new_map(node.outputs[0], value(node.outputs[0]).name);
    const Map& whole = result_.maps[static_cast<std::size_t>(source)];
    Map& part = result_.maps[static_cast<std::size_t>(map)];
    part.volume = whole.volume;
    part.start = whole.start + first;
    part.whole = false;
  }

  void convolve(LoweredOp op, const Node& node, const std::vector<const Node*>& nodes, ValueId out,
                const std::string& text) {
    const std::vector<GroupBlock> blocks = blocks_of(node);
    op.blocked = blocks.size() > 1;
    const bool transposed = std::holds_alternative<ConvTranspose>(node.op);
    op.source_in_ddr =
        machine_.features.tiling == 1 && !op.blocked && !transposed && only_in_ddr(node.inputs[0]);
    if (op.source_in_ddr) {
      const int map = result_.value_map[static_cast<std::size_t>(node.inputs[0])];
      if (waiting_for_host_.contains(map)) flush_host();
      op.sources = {map};
    } else {
      op.sources = {in_am(node.inputs[0])};
    }
    op.result = new_map_in_am(out);
    op.layer = add_layer(node.name, text, op.result, nodes);
    for (const GroupBlock& block : blocks) {
      op.block = block;
      result_.ops.push_back(op);
    }
  }

  std::vector<GroupBlock> blocks_of(const Node& node) const {
    const auto* conv = std::get_if<workbench::Conv>(&node.op);
    const std::int64_t groups =
        conv != nullptr ? conv->groups : std::get<ConvTranspose>(node.op).groups;
    const Window& window = conv != nullptr ? conv->window : std::get<ConvTranspose>(node.op).window;
    const Shape& in = value(node.inputs[0]).shape;
    const Shape& out = value(node.outputs[0]).shape;
    if (groups == 1) return {{0, in[1], 0, out[1]}};
    auto blocks = split_groups(
        {in[1], out[1], groups, window.kernel[0], window.kernel[1], in[2], in[3], out[2], out[3]},
        machine_);
    CHECK(!blocks.empty(), "grouped convolution '{}' was not checked", node.name);
    return blocks;
  }

  void concat(const Node& node) {
    std::vector<int> parts;
    for (const ValueId id : node.inputs) {
      if (only_in_ddr(id)) in_am(id);
      parts.push_back(result_.value_map[static_cast<std::size_t>(id)]);
    }
    const int map = new_map(node.outputs[0], value(node.outputs[0]).name);
    const std::size_t before = result_.ops.size();
    joined_ = join(result_, map, node, parts, {readers_, machine_, grow_}, concats_) && joined_;
    for (std::size_t i = before; i < result_.ops.size(); ++i) {  // copies that join() had to add
      result_.ops[i].layer =
          add_layer(copy_name(node.name, i - before), "Copy", result_.ops[i].result, {});
    }
  }

  const Graph& graph_;
  const Machine& machine_;
  std::span<const std::size_t> order_;
  std::vector<std::vector<std::size_t>> readers_;
  bool grow_;
  bool joined_ = true;  // every concat could be laid out
  Lowered result_;
  std::vector<ValueId> host_value_;        // graph value -> host value
  std::vector<std::size_t> pending_host_;  // host nodes not yet in a step
  std::set<int> waiting_for_host_;         // maps those will write
  std::set<std::size_t> fused_;            // pool nodes inside a conv
  std::vector<ConcatRecord> concats_;
};

}  // namespace

bool on_accelerator(const Graph& graph, const Node& node) {
  const Value& source = graph.value(node.inputs[0]);
  return !std::holds_alternative<Quantize>(node.op) && is_code(graph.value(node.outputs[0]).type) &&
         is_code(source.type) && !source.constant;
}

namespace {
constexpr std::string_view kCopy = " (copy ";
}

std::string copy_name(const std::string& concat, std::size_t copy) {
  return fmt::format("{}{}{})", concat, kCopy, copy);
}

std::string concat_of_copy(const std::string& name) {
  const std::size_t end = name.rfind(kCopy);
  return end != std::string::npos && name.ends_with(')') ? name.substr(0, end) : "";
}

Lowered lower(const Graph& quantized, const Machine& machine, std::span<const std::size_t> order) {
  auto lowered = Lowering(quantized, machine, order, true).run();
  if (!lowered) lowered = Lowering(quantized, machine, order, false).run();
  CHECK(lowered.has_value(), "a concat cannot be laid out");
  if (machine.slice0.used == 1) lowered->obstacle = use_slice0(*lowered, machine);
  return std::move(*lowered);
}

std::vector<int> volumes_read(const Lowered& lowered, const LoweredOp& op) {
  std::vector<int> volumes;
  if (op.kind == LoweredKind::Gather || op.source_in_ddr) return volumes;
  for (const int map : op.sources) {
    volumes.push_back(lowered.maps[static_cast<std::size_t>(map)].volume);
  }
  return volumes;
}

int volume_written(const Lowered& lowered, const LoweredOp& op) {
  return op.result < 0 || op.destination_in_ddr
             ? -1
             : lowered.maps[static_cast<std::size_t>(op.result)].volume;
}

}  // namespace workbench::xdnn
