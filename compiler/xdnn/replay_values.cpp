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

std::vector<std::string> names_of(const ListedStep& step) {
  const Entry& entry = *step.entry;
  std::vector<std::string> names;
  if (const Field* field = entry.find("conv_name")) names.push_back(field->value);
  names.push_back(name_of(entry));
  names.push_back(step.layer);
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

NetworkLayers::NetworkLayers(const Graph& graph)
    : graph_(graph), readers_(consumers(graph)), done_(graph.nodes.size(), 0) {
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    by_name_.emplace(node.name, n);
    // network_of() marks further layers of one name so.
    const std::size_t end = node.name.find_last_not_of('\'');
    if (end != std::string::npos && end + 1 < node.name.size()) {
      by_name_.emplace(node.name.substr(0, end + 1), n);
    }
    for (const std::string& merged : node.merged) by_name_.emplace(merged, n);
    by_name_.emplace(graph.value(node.outputs[0]).name, n);
  }
}

namespace {

// A lone ReLU has no instruction of its own (mapping.h).
bool computes_relu(const Instruction& instruction, const Op& op) {
  if (!std::holds_alternative<Activate>(op)) return false;
  const auto* pool = std::get_if<Pool>(&instruction);
  const auto* sum = std::get_if<Eltwise>(&instruction);
  return (pool != nullptr && pool->tail.pre_relu) ||
         (sum != nullptr && sum->inaddr_a == sum->inaddr_b);
}

}  // namespace

std::size_t NetworkLayers::node_of(const ListedStep& step) const {
  std::optional<std::size_t> found;
  for (const std::string& name : names_of(step)) {
    const auto [begin, end] = by_name_.equal_range(name);
    for (auto at = begin; at != end; ++at) {
      const Node& node = graph_.nodes[at->second];
      const bool fits =
          on_accelerator(graph_, node) &&
          (xdnn::computes(step.instruction, node.op) || computes_relu(step.instruction, node.op));
      if (!fits || (found && !computed(*found))) continue;
      if (!found || !computed(at->second)) found = at->second;
    }
  }
  if (found) return *found;
  fail("{}: {} '{}': the network {} has no {} of that name on the accelerator", step.entry->where,
       step.entry->opcode, name_of(*step.entry), graph_.name, kind_of_node(step.instruction));
}

std::int64_t NetworkLayers::cells(std::size_t node) const {
  const Shape& shape = graph_.value(graph_.nodes[node].outputs[0]).shape;
  return shape[1] * shape[2];
}

bool NetworkLayers::computed(std::size_t node) const { return done_[node] == cells(node); }

void NetworkLayers::computes(const Entry& entry, std::size_t node, std::int64_t cells) {
  done_[node] += cells;
  if (done_[node] > this->cells(node)) refuse(entry, "computes a value twice");
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

const ReplayValues::Held* ReplayValues::find(ValueId value, std::int64_t word,
                                             std::int64_t channels, Part& part) const {
  for (auto held = held_.rbegin(); held != held_.rend(); ++held) {
    if (held->value != value) continue;
    const std::int64_t plane = held->part.rows * geometry_.row_words(shape(value)[3]);
    const std::int64_t behind = word - held->word;
    if (behind < 0 || plane == 0 || behind % plane != 0) continue;
    const std::int64_t skipped = behind / plane * geometry_.channel_granule();
    const bool inside = skipped + channels <= held->part.channels &&
                        (behind == 0 || (!held->layout.replicated() && held->start == 0));
    if (!inside) continue;
    part = held->part;
    part.first_channel += skipped;
    part.channels = channels;
    return &*held;
  }
  return nullptr;
}

Part ReplayValues::reads(const Entry& entry, ValueId value, std::int64_t address,
                         const ChannelLayout& layout, std::int64_t channels) {
  const std::int64_t word = word_of(entry, address);
  const std::string& name = graph_.value(value).name;
  Part part = whole(value);
  const Held* held = find(value, word, channels, part);
  const bool here = held != nullptr;
  for (const Held& other : held_) {
    if (!here && other.value == value) held = &other;  // the latest
  }
  if (held == nullptr) {
    refuse(entry, fmt::format("reads '{}', which nothing before it computes", name));
  }
  Volume& volume = program_.memory_map[held->volume];
  volume.last = std::max(volume.last, now());
  const ChannelLayout& known = held->layout;
  const bool same_layout =
      geometry_.width_aligned() || channels != held->part.channels || layout == known;
  if (here && same_layout) return part;
  notes_.push_back(fmt::format(
      "{} '{}' reads {:#x} with {}+{} sections, the network's operand '{}' lies at word {:#x} with "
      "{}+{}",
      entry.opcode, name_of(entry), address, layout.full, layout.repl_sections, name, held->word,
      known.full, known.repl_sections));
  return part;
}

std::size_t ReplayValues::new_volume(ValueId value, std::int64_t word, const ChannelLayout& layout,
                                     std::int64_t rows) {
  const Shape& s = shape(value);
  program_.memory_map.push_back(
      {graph_.value(value).name, word, geometry_.words(s[1], rows, s[3], layout), now(), now()});
  return program_.memory_map.size() - 1;
}

// Instead of what held the same part before; copies that gathers have brought to several places
// are all there.
ReplayValues::Held& ReplayValues::hold(Held held) {
  std::erase_if(held_, [&](const Held& old) {
    const bool copies = !held.computed && (old.computed || old.word != held.word);
    return old.value == held.value && old.part == held.part && !copies;
  });
  held_.push_back(std::move(held));
  return held_.back();
}

void ReplayValues::write_whole(ValueId value, const Part& part, std::int64_t word,
                               const ChannelLayout& layout, std::int64_t start, bool computed) {
  const std::size_t volume = new_volume(value, word, layout, part.rows);
  hold({value, word, layout, start, part, volume, {now()}, part.channels * part.rows, computed});
}

// Channels [start, start + channels) of a value that several instructions write.
ReplayValues::Held& ReplayValues::write_channels(const Entry& entry, ValueId whole,
                                                 std::int64_t start, std::int64_t channels,
                                                 std::int64_t word) {
  const Shape& s = shape(whole);
  const ChannelLayout plain = plain_layout(s[1], geometry_);
  const std::int64_t base = word - geometry_.word_of_channel(start, s[2], s[3]);
  auto found = std::find_if(held_.begin(), held_.end(), [&](const Held& held) {
    return held.value == whole && held.computed && held.cells < s[1] * s[2];
  });
  if (found == held_.end()) {
    const std::size_t volume = new_volume(whole, base, plain, s[2]);
    hold({whole, base, plain, 0, this->whole(whole), volume, {}, 0, true});
    found = std::prev(held_.end());
  }
  if (found->word != base) {
    refuse(entry, fmt::format("as channel {} of '{}' it belongs at word {:#x}, found {:#x}", start,
                              graph_.value(whole).name, found->word + word - base, word));
  }
  found->writers.push_back(now());
  found->cells += channels * s[2];
  program_.memory_map[found->volume].last = now();
  return *found;
}

void ReplayValues::writes(const Entry& entry, const ReplayTarget& target, const Part& part,
                          std::int64_t address, Tail& tail, bool computed) {
  const std::int64_t word = word_of(entry, address);
  const ValueId own = target.value;
  const bool all_channels = own != kNoValue && part.channels == shape(own)[1];
  if (!target.part && all_channels) {
    // As a part of a concat that the network does not have, it may begin inside a word.
    const std::int64_t start = tail.concat_part ? tail.concat_start % geometry_.channel_granule()
                                                : crossbar_start(listing_, entry).value_or(0);
    return write_whole(target.whole, part, word, tail.destination, start, computed);
  }
  if (part.rows != shape(target.whole)[2]) {
    refuse(entry, "row pieces of some of the channels are not replayed");
  }
  const std::int64_t start = target.start + part.first_channel;
  set_concat(entry, target.whole, start, tail);
  const std::size_t volume = write_channels(entry, target.whole, start, part.channels, word).volume;
  if (!target.part || own == kNoValue) return;
  const std::int64_t inside = start % geometry_.channel_granule();
  if (all_channels) {
    hold({own,
          word,
          plain_layout(part.channels, geometry_),
          inside,
          part,
          volume,
          {now()},
          part.channels * part.rows,
          computed});
  } else {
    refuse(entry, "some channels of a part of a concat are not replayed");
  }
}

void ReplayValues::set_concat(const Entry& entry, ValueId whole, std::int64_t start, Tail& tail) {
  if (geometry_.width_aligned()) return;  // the address says it all
  const std::int64_t inside = start % geometry_.channel_granule();
  const auto crossbar = crossbar_start(listing_, entry);
  if (tail.concat_part) {
    agree(entry, "concat_starting_ch", start, tail.concat_start);
    const std::int64_t channels = shape(whole)[1];
    if (entry.find("concat_channels") != nullptr) {
      agree(entry, "concat_channels", channels, tail.concat_channels);
    }
    const ChannelLayout plain = plain_layout(channels, geometry_);
    agree(entry, "concat_full_sect_num", plain.full, tail.concat_volume.full);
    agree(entry, "concat_repl_sect_num", plain.repl_sections, tail.concat_volume.repl_sections);
  } else if (crossbar) {
    agree(entry, "override_xbar_table_ptr (first byte)", inside, *crossbar);
  } else if (inside > 0) {
    ++taken_starts_;
  }
  tail.concat_part = true;
  tail.concat_start = start;
  tail.concat_channels = shape(whole)[1];
  tail.concat_volume = plain_layout(tail.concat_channels, geometry_);
}

std::pair<ValueId, Part> ReplayValues::value_at(const Entry& entry, std::int64_t address,
                                                std::int64_t channels) const {
  const std::int64_t word = word_of(entry, address);
  std::pair<ValueId, Part> found{kNoValue, {}};
  std::int32_t latest = -1;
  for (const Held& held : held_) {
    if (held.word != word || held.part.channels != channels || held.writers.back() < latest) {
      continue;
    }
    found = {held.value, held.part}, latest = held.writers.back();
  }
  return found;
}

bool ReplayValues::is_at(ValueId value, std::int64_t address) const {
  return std::any_of(held_.begin(), held_.end(), [&](const Held& held) {
    return held.value == value && held.word * machine_.word_addresses() == address;
  });
}

bool ReplayValues::known(ValueId value) const {
  return std::any_of(held_.begin(), held_.end(),
                     [&](const Held& held) { return held.value == value; });
}

const ReplayValues::Held* ReplayValues::whole_at(ValueId value) const {
  if (shape(value).size() != 4) return nullptr;  // no map: never in the AM
  const Part all = whole(value);
  const Held* found = nullptr;
  for (const Held& held : held_) {
    if (held.value == value && held.part == all && held.cells == all.channels * all.rows) {
      found = &held;
    }
  }
  return found;
}

void ReplayValues::add_probes() {
  std::map<ValueId, std::int64_t> cells;  // that layers have computed into the AM
  for (const Held& held : held_) {
    if (held.computed) cells[held.value] += held.cells;
  }
  for (const Held& held : held_) {
    const Shape& s = shape(held.value);
    const bool input = !cells.contains(held.value);  // brought by a gather
    const bool complete = input ? held.part == whole(held.value)
                                : held.computed && cells.at(held.value) == s[1] * s[2];
    if (!complete) continue;  // a concat that only pools of its parts read
    const bool piece = held.part != whole(held.value);
    program_.probes.push_back({graph_.value(held.value).name, held.writers, held.word, held.layout,
                               held.start, held.part.channels, held.part.rows, s[3],
                               held.part.first_channel, held.part.first_row, piece ? s[1] : 0,
                               piece ? s[2] : 0});
  }
  std::stable_sort(program_.probes.begin(), program_.probes.end(),
                   [](const Probe& a, const Probe& b) { return a.after < b.after; });
  if (taken_starts_ == 0) return;
  notes_.push_back(
      fmt::format("{} concat parts do not say at which channel they begin: taken from the network",
                  taken_starts_));
}

}  // namespace workbench::xdnn
