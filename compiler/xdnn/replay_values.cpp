#include "compiler/xdnn/replay_values.h"

#include <algorithm>

#include "compiler/xdnn/lower.h"
#include "compiler/xdnn/mapping.h"
#include "core/error.h"
#include "isa/xdnn/listing.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

// --- layers --------------------------------------------------------------------------------------

namespace {

std::vector<std::string> names_of(const Entry& entry) {
  std::vector<std::string> names;
  for (const char* key : {"conv_name", "name"}) {
    if (const Field* field = entry.find(key)) names.push_back(field->value);
  }
  names.push_back(text_attribute(entry, "name"));
  const std::string layer = text_attribute(entry, "layer");  // "conv1: type=Convolution, ..."
  names.push_back(layer.substr(0, layer.find(':')));
  return names;
}

bool same_window(const Window& window, const ConvPool& fused) {
  return window.kernel[0] == fused.kernel_h && window.kernel[1] == fused.kernel_w &&
         window.strides[0] == fused.stride_h && window.strides[1] == fused.stride_w &&
         window.pads_begin[0] == fused.pad_h && window.pads_begin[1] == fused.pad_w;
}

}  // namespace

NetworkLayers::NetworkLayers(const Graph& graph) : graph_(graph), readers_(consumers(graph)) {
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    by_name_.emplace(node.name, n);
    for (const std::string& merged : node.merged) by_name_.emplace(merged, n);
    by_name_.emplace(graph.value(node.outputs[0]).name, n);
  }
}

std::size_t NetworkLayers::node_of(const Entry& entry, const Instruction& instruction) const {
  for (const std::string& name : names_of(entry)) {
    const auto [begin, end] = by_name_.equal_range(name);
    for (auto at = begin; at != end; ++at) {
      const Node& node = graph_.nodes[at->second];
      if (on_accelerator(graph_, node) && computes(instruction, node.op)) return at->second;
    }
  }
  fail("{}: {} '{}': the network {} has no {} of that name on the accelerator", entry.where,
       entry.opcode, name_of(entry), graph_.name, kind_of_node(instruction));
}

std::optional<std::size_t> NetworkLayers::reading_pool(ValueId value, const ConvPool& fused) const {
  for (const std::size_t n : readers_[static_cast<std::size_t>(value)]) {
    const auto* pool = std::get_if<MaxPool>(&graph_.nodes[n].op);
    if (pool != nullptr && on_accelerator(graph_, graph_.nodes[n]) &&
        same_window(pool->window, fused)) {
      return n;
    }
  }
  return std::nullopt;
}

std::optional<std::size_t> NetworkLayers::reading_concat(ValueId value) const {
  for (const std::size_t n : readers_[static_cast<std::size_t>(value)]) {
    const Node& node = graph_.nodes[n];
    if (std::holds_alternative<Concat>(node.op) && on_accelerator(graph_, node)) return n;
  }
  return std::nullopt;
}

std::int64_t NetworkLayers::channels_before(const Node& concat, ValueId value) const {
  std::int64_t channels = 0;
  for (const ValueId id : concat.inputs) {
    if (id == value) break;
    channels += graph_.value(id).shape[1];
  }
  return channels;
}

ReplayTarget NetworkLayers::target(std::size_t node) const {
  ReplayTarget target{.nodes = {node}};
  target.value = target.whole = graph_.nodes[node].outputs[0];
  if (const auto concat = reading_concat(target.value)) {
    const Node& joined = graph_.nodes[*concat];
    target.start = channels_before(joined, target.value);
    target.whole = joined.outputs[0];
    target.part = true;
  }
  return target;
}

ReplayTarget NetworkLayers::target(std::size_t node, const ConvPool& fused,
                                   const Entry& entry) const {
  const ValueId out = graph_.nodes[node].outputs[0];
  if (const auto pool = reading_pool(out, fused)) {
    ReplayTarget behind = target(*pool);
    behind.nodes.insert(behind.nodes.begin(), node);
    return behind;
  }
  if (const auto concat = reading_concat(out)) {
    const Node& joined = graph_.nodes[*concat];
    if (const auto pool = reading_pool(joined.outputs[0], fused)) {
      return {.nodes = {node, *pool},
              .whole = graph_.nodes[*pool].outputs[0],
              .start = channels_before(joined, out),
              .part = true};
    }
  }
  fail("{}: {} '{}': behind '{}' the network {} has no {}x{} max pool", entry.where, entry.opcode,
       name_of(entry), graph_.nodes[node].name, graph_.name, fused.kernel_w, fused.kernel_h);
}

// --- values --------------------------------------------------------------------------------------

void refuse(const Entry& entry, const std::string& what) {
  fail("{}: {} '{}': {}", entry.where, entry.opcode, name_of(entry), what);
}

void agree(const Entry& entry, const char* field, std::int64_t network, std::int64_t found) {
  if (network == found) return;
  refuse(entry, fmt::format("field {}: the network has {}, found {}", field, network, found));
}

ReplayValues::ReplayValues(const Listing& listing, const Graph& graph, const Machine& machine,
                           Program& program, std::vector<std::string>& notes)
    : listing_(listing),
      graph_(graph),
      machine_(machine),
      geometry_(machine.geometry()),
      program_(program),
      notes_(notes) {}

std::int64_t ReplayValues::word_of(const Entry& entry, std::int64_t address) const {
  if (address % machine_.word_addresses() != 0) {
    refuse(entry,
           fmt::format("address {:#x} begins no word of {} bytes", address, machine_.word_bytes()));
  }
  return address / machine_.word_addresses();
}

void ReplayValues::reads(const Entry& entry, ValueId value, std::int64_t address,
                         const ChannelLayout& layout) {
  const auto held = held_.find(value);
  const std::string& name = graph_.value(value).name;
  if (held == held_.end()) {
    refuse(entry, fmt::format("reads '{}', which nothing before it computes", name));
  }
  Volume& volume = program_.memory_map[held->second.volume];
  volume.last = std::max(volume.last, now());
  const ChannelLayout& known = held->second.layout;
  const bool same_layout =
      geometry_.width_aligned() ||
      (layout.full == known.full && layout.repl_sections == known.repl_sections);
  if (word_of(entry, address) == held->second.word && same_layout) return;
  notes_.push_back(fmt::format(
      "{} '{}' reads {:#x} with {}+{} sections, the network's operand '{}' lies at word {:#x} with "
      "{}+{}",
      entry.opcode, name_of(entry), address, layout.full, layout.repl_sections, name,
      held->second.word, known.full, known.repl_sections));
}

std::size_t ReplayValues::new_volume(ValueId value, std::int64_t word,
                                     const ChannelLayout& layout) {
  const Shape& s = shape(value);
  program_.memory_map.push_back(
      {graph_.value(value).name, word, geometry_.words(s[1], s[2], s[3], layout), now(), now()});
  return program_.memory_map.size() - 1;
}

void ReplayValues::writes(const Entry& entry, const ReplayTarget& target, std::int64_t address,
                          std::int64_t channels, Tail& tail) {
  const std::int64_t word = word_of(entry, address);
  const Shape& s = shape(target.whole);
  if (!target.part) {
    if (held_.contains(target.whole)) {
      refuse(entry, "computes a value twice: row pieces are not replayed");
    }
    const std::size_t volume = new_volume(target.whole, word, tail.destination);
    held_[target.whole] = {word, tail.destination, 0, volume, {now()}, channels};
    return;
  }
  set_concat(entry, target, tail);
  const ChannelLayout plain = plain_layout(s[1], geometry_);
  const std::int64_t base = word - geometry_.word_of_channel(target.start, s[2], s[3]);
  auto whole = held_.find(target.whole);
  if (whole == held_.end()) {
    const std::size_t volume = new_volume(target.whole, base, plain);
    whole = held_.emplace(target.whole, Held{base, plain, 0, volume, {}, 0}).first;
  }
  Held& held = whole->second;
  if (held.word != base) {
    refuse(entry,
           fmt::format("as channel {} of '{}' it belongs at word {:#x}, found {:#x}", target.start,
                       graph_.value(target.whole).name, held.word + word - base, word));
  }
  held.writers.push_back(now());
  held.channels_written += channels;
  const std::size_t volume = held.volume;
  program_.memory_map[volume].last = now();
  if (target.value == kNoValue) return;
  const std::int64_t inside = target.start % geometry_.channel_granule();
  held_[target.value] = {word,    plain_layout(channels, geometry_), inside, volume, {now()},
                         channels};
}

void ReplayValues::set_concat(const Entry& entry, const ReplayTarget& target, Tail& tail) {
  if (geometry_.width_aligned()) return;  // the address says it all
  const std::int64_t inside = target.start % geometry_.channel_granule();
  const auto crossbar = crossbar_start(listing_, entry);
  if (tail.concat_part) {
    agree(entry, "concat_starting_ch", target.start, tail.concat_start);
  } else if (crossbar) {
    agree(entry, "override_xbar_table_ptr (first byte)", inside, *crossbar);
  } else if (inside > 0) {
    ++taken_starts_;
  }
  tail.concat_part = true;
  tail.concat_start = target.start;
  tail.concat_channels = shape(target.whole)[1];
  tail.concat_volume = plain_layout(tail.concat_channels, geometry_);
}

ValueId ReplayValues::value_at(const Entry& entry, std::int64_t address,
                               std::int64_t channels) const {
  const std::int64_t word = word_of(entry, address);
  ValueId value = kNoValue;
  std::int32_t latest = -1;
  for (const auto& [id, held] : held_) {
    if (held.word != word || shape(id)[1] != channels || held.writers.back() <= latest) continue;
    value = id, latest = held.writers.back();
  }
  return value;
}

bool ReplayValues::is_at(ValueId value, std::int64_t address) const {
  const auto held = held_.find(value);
  return held != held_.end() && held->second.word * machine_.word_addresses() == address;
}

void ReplayValues::add_probes() {
  for (const auto& [id, held] : held_) {
    const Shape& s = shape(id);
    if (held.channels_written != s[1]) continue;  // a concat that only pools of its parts read
    program_.probes.push_back({graph_.value(id).name, held.writers, held.word, held.layout,
                               held.start, s[1], s[2], s[3]});
  }
  std::stable_sort(program_.probes.begin(), program_.probes.end(),
                   [](const Probe& a, const Probe& b) { return a.after < b.after; });
  if (taken_starts_ == 0) return;
  notes_.push_back(
      fmt::format("{} concat parts do not say at which channel they begin: taken from the network",
                  taken_starts_));
}

}  // namespace workbench::xdnn
