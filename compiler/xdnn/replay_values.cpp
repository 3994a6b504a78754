#include "compiler/xdnn/replay_values.h"

#include <algorithm>

#include "compiler/xdnn/lower.h"
#include "compiler/xdnn/mapping.h"
#include "compiler/xdnn/support.h"
#include "core/error.h"
#include "isa/xdnn/footprint.h"
#include "isa/xdnn/listing.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

std::int64_t Covered::add(const Part& part) {
  const bool inside = part.first_channel >= 0 && part.first_row >= 0 &&
                      part.first_channel + part.channels <= channels_ &&
                      part.first_row + part.rows <= rows_;
  if (!inside) return 0;
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

NetworkLayers::NetworkLayers(const Graph& graph, const std::vector<ListedStep>& steps,
                             const Machine& machine)
    : graph_(graph), readers_(consumers(graph)) {
  for (const Node& node : graph.nodes) done_.emplace_back(graph.value(node.outputs[0]).shape);
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
  find_copies(steps, machine);
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

bool NetworkLayers::computed(std::size_t node) const { return done_[node].all(); }

void NetworkLayers::computes(const Entry& entry, std::size_t node, const Part& part) {
  if (done_[node].add(part) == 0)
    refuse(entry, "computes a value twice, or more than the layer has");
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

std::int64_t channels_before(const Graph& graph, const ConcatOperand& at) {
  std::int64_t channels = 0;
  for (std::size_t i = 0; i < at.operand; ++i) {
    channels += graph.value(graph.nodes[at.node].inputs[i]).shape[1];
  }
  return channels;
}

// Of several operands with the copy's channels, the one that begins where the copy says, or that
// was computed where it reads.
void NetworkLayers::find_copies(const std::vector<ListedStep>& steps, const Machine& machine) {
  const std::vector<std::ptrdiff_t> producers = workbench::producers(graph_);
  std::set<std::pair<std::string, std::int64_t>> written;  // layer, word
  for (const ListedStep& step : steps) {
    const Operands operands = am_operands({.instruction = step.instruction}, machine);
    for (const AmTensor& result : operands.results) written.emplace(step.layer, result.address);
    // A layer of that name is a layer.
    const bool pools = std::holds_alternative<Pool>(step.instruction);
    if (!pools || by_name_.contains(step.layer)) continue;
    const std::string name = concat_of_copy(step.layer);
    const auto [begin, end] = by_name_.equal_range(name);
    const auto concat = std::find_if(begin, end, [&](const auto& one) {
      return std::holds_alternative<Concat>(graph_.nodes[one.second].op);
    });
    if (name.empty() || concat == end || operands.sources.empty()) continue;
    const Pool& pool = std::get<Pool>(step.instruction);
    const Node& node = graph_.nodes[concat->second];
    std::optional<ConcatOperand> found;
    int best = -1;
    for (std::size_t operand = 0; operand < node.inputs.size(); ++operand) {
      const ConcatOperand one{concat->second, operand};
      const ValueId id = node.inputs[operand];
      if (graph_.value(id).shape[1] != pool.channels || copied_.contains({one.node, operand})) {
        continue;
      }
      const std::ptrdiff_t producer = producers[static_cast<std::size_t>(id)];
      const bool starts =
          pool.tail.concat_part && pool.tail.concat_start == channels_before(graph_, one);
      const bool computed =
          producer >= 0 && written.contains({graph_.nodes[static_cast<std::size_t>(producer)].name,
                                             operands.sources[0].address});
      const int fits = (starts ? 2 : 0) + (computed ? 1 : 0);
      // A value that is several operands is copied to the later ones.
      const bool again = found && fits == best && node.inputs[found->operand] == id;
      if (fits > best || again) found = one, best = fits;
    }
    if (!found) continue;
    copies_[step.entry] = *found;
    copied_.insert({found->node, found->operand});
  }
}

const ConcatOperand* NetworkLayers::copied(const ListedStep& step) const {
  const auto found = copies_.find(step.entry);
  return found == copies_.end() ? nullptr : &found->second;
}

// A concat that has the value where it was computed.
std::optional<ConcatOperand> NetworkLayers::reading_concat(ValueId value) const {
  for (const std::size_t n : readers_[static_cast<std::size_t>(value)]) {
    const Node& node = graph_.nodes[n];
    if (!std::holds_alternative<Concat>(node.op) || !on_accelerator(graph_, node)) continue;
    for (std::size_t operand = 0; operand < node.inputs.size(); ++operand) {
      const ConcatOperand one{n, operand};
      if (node.inputs[operand] == value && !copied_.contains({n, operand})) return one;
    }
  }
  return std::nullopt;
}

ReplayTarget NetworkLayers::target(const ConcatOperand& copied) const {
  return {.whole = graph_.nodes[copied.node].outputs[0],
          .start = channels_before(graph_, copied),
          .part = true};
}

ReplayTarget NetworkLayers::target(std::size_t node) const {
  ReplayTarget target{.nodes = {node}};
  target.value = target.whole = graph_.nodes[node].outputs[0];
  if (const auto concat = reading_concat(target.value)) {
    target.start = channels_before(graph_, *concat);
    target.whole = graph_.nodes[concat->node].outputs[0];
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
    const ValueId joined = graph_.nodes[concat->node].outputs[0];
    if (const auto pool = reading_pool(joined, fused)) {
      return {.nodes = {node, *pool},
              .whole = graph_.nodes[*pool].outputs[0],
              .start = channels_before(graph_, *concat),
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
      producers_(producers(graph)),
      readers_(consumers(graph)),
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

std::size_t ReplayValues::new_volume(ValueId value, const Part& part, std::int64_t word,
                                     const ChannelLayout& layout) {
  const std::int64_t words = geometry_.words(part.channels, part.rows, shape(value)[3], layout);
  program_.memory_map.push_back({graph_.value(value).name, word, words, now(), now()});
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
  const std::size_t volume = new_volume(value, part, word, layout);
  hold({value, word, layout, start, part, volume, {now()}, part.channels * part.rows, computed});
  if (part.channels == shape(value)[1]) complete({value, part}, kNoValue);
}

// Planes of some of the channels: behind those of the channels before, where they lie there.
void ReplayValues::write_block(ValueId value, const Part& part, std::int64_t word, bool computed) {
  const std::int64_t width = shape(value)[3];
  const auto before = std::find_if(held_.rbegin(), held_.rend(), [&](const Held& held) {
    const Part& there = held.part;
    return held.value == value && held.computed == computed && there.first_row == part.first_row &&
           there.rows == part.rows && there.first_channel + there.channels == part.first_channel &&
           held.word + geometry_.word_of_channel(there.channels, there.rows, width) == word;
  });
  if (before == held_.rend()) {
    return write_whole(value, part, word, plain_layout(part.channels, geometry_), 0, computed);
  }
  before->part.channels += part.channels;
  before->layout = plain_layout(before->part.channels, geometry_);
  before->cells += part.channels * part.rows;
  before->writers.push_back(now());
  Volume& volume = program_.memory_map[before->volume];
  volume.words = geometry_.words(before->part.channels, part.rows, width, before->layout);
  volume.last = now();
  if (before->part.channels == shape(value)[1]) complete({value, before->part}, kNoValue);
}

// --- values inside others ------------------------------------------------------------------------

// All channels of a value's rows are there: so are they in what has them. `counted`: the concat
// that has them already.
void ReplayValues::complete(const Piece& piece, ValueId counted) {
  std::vector<Piece> pieces = {piece};
  while (!pieces.empty()) {
    const Piece next = pieces.back();
    pieces.pop_back();
    for (const Piece& further : take_into_concats(next, counted)) pieces.push_back(further);
    for (const Piece& further : hold_slices(next)) pieces.push_back(further);
    counted = kNoValue;
  }
}

// The concat has `part` from channel `start` on, where it lies exactly there.
bool ReplayValues::take_in(Held& concat, const Held& part, std::int64_t start) {
  const std::int64_t rows = concat.part.rows, width = shape(concat.value)[3];
  const std::int64_t from = concat.start + start;
  const bool there = part.part.first_row == concat.part.first_row && part.part.rows == rows &&
                     part.word == concat.word + geometry_.word_of_channel(from, rows, width) &&
                     part.start == from % geometry_.channel_granule() && !part.layout.replicated();
  if (!there) return false;
  concat.cells += part.cells;
  concat.writers.insert(concat.writers.end(), part.writers.begin(), part.writers.end());
  std::sort(concat.writers.begin(), concat.writers.end());
  merge_volumes(concat.volume, part.volume);
  return true;
}

// What lay in volume `other` lies in `volume`, which has room for it.
void ReplayValues::merge_volumes(std::size_t volume, std::size_t other) {
  if (volume == other) return;
  Volume& whole = program_.memory_map[volume];
  const Volume& part = program_.memory_map[other];
  whole.first = std::min(whole.first, part.first);
  whole.last = std::max(whole.last, part.last);
  for (Held& held : held_) {
    if (held.volume == other) held.volume = volume;
  }
  merged_.insert(other);
}

// A concat of which a part is about to be written has those before it, which may be concats.
void ReplayValues::take_in_operands(std::size_t concat) {
  const std::ptrdiff_t producer = producers_[static_cast<std::size_t>(held_[concat].value)];
  if (producer < 0) return;
  const Node& node = graph_.nodes[static_cast<std::size_t>(producer)];
  if (!std::holds_alternative<Concat>(node.op)) return;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const Part& rows = held_[concat].part;
    const Held* part =
        complete_at(node.inputs[i], {0, shape(node.inputs[i])[1], rows.first_row, rows.rows});
    if (part == nullptr) continue;
    take_in(held_[concat], *part, channels_before(graph_, {static_cast<std::size_t>(producer), i}));
  }
}

// Concats of which other parts were written before have the value, too. Returns those complete now.
std::vector<ReplayValues::Piece> ReplayValues::take_into_concats(const Piece& piece,
                                                                 ValueId counted) {
  std::vector<Piece> complete;
  const Held* part = complete_at(piece.value, piece.part);
  if (part == nullptr) return complete;
  for (const std::size_t n : readers_[static_cast<std::size_t>(piece.value)]) {
    const Node& node = graph_.nodes[n];
    if (!std::holds_alternative<Concat>(node.op) || node.outputs[0] == counted) continue;
    for (Held& held : held_) {
      const std::int64_t all = held.part.channels * held.part.rows;
      if (held.value != node.outputs[0] || !held.computed || held.cells >= all) continue;
      for (std::size_t i = 0; i < node.inputs.size(); ++i) {
        if (node.inputs[i] == piece.value) take_in(held, *part, channels_before(graph_, {n, i}));
      }
      if (held.cells == all) complete.push_back({held.value, held.part});
    }
  }
  return complete;
}

// Slices of channels lie where the whole does. Returns them.
std::vector<ReplayValues::Piece> ReplayValues::hold_slices(const Piece& piece) {
  std::vector<Piece> slices;
  const Held* whole = complete_at(piece.value, piece.part);
  if (whole == nullptr || whole->layout.replicated()) return slices;
  const Held of = *whole;
  for (const std::size_t n : readers_[static_cast<std::size_t>(of.value)]) {
    const Node& node = graph_.nodes[n];
    if (!std::holds_alternative<Slice>(node.op) || !on_accelerator(graph_, node)) continue;
    Held held = of;
    held.value = node.outputs[0];
    const std::int64_t from = of.start + first_channel(std::get<Slice>(node.op));
    held.word = of.word + geometry_.word_of_channel(from, of.part.rows, shape(of.value)[3]);
    held.start = from % geometry_.channel_granule();
    held.part.channels = shape(held.value)[1];
    held.layout = plain_layout(held.part.channels, geometry_);
    held.cells = held.part.channels * held.part.rows;
    slices.push_back({held.value, held.part});
    hold(std::move(held));
  }
  return slices;
}

// Some of the channels, of some of the rows, of a value that several instructions write, which
// begins at channel `inside` of its volume: one of its own, unless `volume` says which. Returns the
// volume. `counted`: as of complete().
std::size_t ReplayValues::write_channels(const Entry& entry, ValueId whole, const Part& part,
                                         std::int64_t word, std::int64_t inside,
                                         std::optional<std::size_t> volume, ValueId counted) {
  const std::int64_t width = shape(whole)[3];
  const Part all{0, shape(whole)[1], part.first_row, part.rows};
  const auto word_of_channel = [&](std::int64_t channel) {
    return geometry_.word_of_channel(channel, part.rows, width);
  };
  const std::int64_t base =
      word - word_of_channel(inside + part.first_channel) + word_of_channel(inside);
  auto found = std::find_if(held_.begin(), held_.end(), [&](const Held& held) {
    return held.value == whole && held.computed && held.part == all &&
           held.cells < all.channels * all.rows;
  });
  if (found == held_.end()) {
    const ChannelLayout plain = plain_layout(all.channels, geometry_);
    if (!volume) volume = new_volume(whole, all, base, plain);
    const std::int64_t start = inside % geometry_.channel_granule();
    hold({whole, base, plain, start, all, *volume, {}, 0, true});
    take_in_operands(held_.size() - 1);
    found = std::prev(held_.end());
  }
  if (found->word != base) {
    refuse(entry, fmt::format("as channel {} of '{}' it belongs at word {:#x}, found {:#x}",
                              part.first_channel, graph_.value(whole).name,
                              found->word + word - base, word));
  }
  found->writers.push_back(now());
  found->cells += part.channels * part.rows;
  const std::size_t written = found->volume;
  program_.memory_map[written].last = now();
  if (found->cells == all.channels * all.rows) complete({whole, all}, counted);
  return written;
}

void ReplayValues::writes(const Entry& entry, const ReplayTarget& target, const Part& part,
                          std::int64_t address, Tail& tail, bool computed) {
  const std::int64_t word = word_of(entry, address);
  const ValueId own = target.value;
  if (!target.part && own != kNoValue && part.channels == shape(own)[1]) {
    // As a part of a concat that the network does not have, it may begin inside a word.
    const std::int64_t start = tail.concat_part ? tail.concat_start % geometry_.channel_granule()
                                                : crossbar_start(listing_, entry).value_or(0);
    return write_whole(target.whole, part, word, tail.destination, start, computed);
  }
  if (!target.part && own != kNoValue) {
    // Blocks of channels by themselves, unless the instruction, or nothing in it, says otherwise.
    const bool says = entry.find("concat_starting_ch") != nullptr;
    if (geometry_.width_aligned()) return write_block(own, part, word, computed);
    if (says && !tail.concat_part) {
      return write_whole(own, part, word, tail.destination, 0, computed);
    }
  }
  Part joined = part;
  joined.first_channel += target.start;
  const std::int64_t inside = set_concat(entry, target.whole, joined.first_channel, tail);
  const std::size_t volume =
      write_channels(entry, target.whole, joined, word, inside, std::nullopt, kNoValue);
  if (!target.part || own == kNoValue) return;
  write_channels(entry, own, part, word, inside + target.start, volume, target.whole);
}

// Returns the channel of the volume at which `whole` begins: concats that grow lie in the last.
std::int64_t ReplayValues::set_concat(const Entry& entry, ValueId whole, std::int64_t start,
                                      Tail& tail) {
  if (geometry_.width_aligned()) return 0;  // the address says it all
  std::int64_t in_volume = 0;
  if (tail.concat_part && entry.find("concat_channels") != nullptr) {
    while (shape(whole)[1] < tail.concat_channels) {
      const auto& readers = readers_[static_cast<std::size_t>(whole)];
      const auto joined = std::find_if(readers.begin(), readers.end(), [&](std::size_t n) {
        return std::holds_alternative<Concat>(graph_.nodes[n].op) &&
               on_accelerator(graph_, graph_.nodes[n]);
      });
      if (joined == readers.end()) break;
      const auto& inputs = graph_.nodes[*joined].inputs;
      const auto at = std::find(inputs.begin(), inputs.end(), whole);
      in_volume +=
          channels_before(graph_, {*joined, static_cast<std::size_t>(at - inputs.begin())});
      whole = graph_.nodes[*joined].outputs[0];
    }
    start += in_volume;
  }
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
  return in_volume;
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
  return complete_at(value, whole(value));
}

const ReplayValues::Held* ReplayValues::complete_at(ValueId value, const Part& part) const {
  const Held* found = nullptr;
  for (const Held& held : held_) {
    if (held.value == value && held.part == part && held.cells == part.channels * part.rows) {
      found = &held;
    }
  }
  return found;
}

void ReplayValues::add_probes() {
  std::vector<Volume> map;
  for (std::size_t i = 0; i < program_.memory_map.size(); ++i) {
    if (!merged_.contains(i)) map.push_back(std::move(program_.memory_map[i]));
  }
  program_.memory_map = std::move(map);
  std::map<ValueId, Covered> computed;  // by layers, into the AM
  for (const Held& held : held_) {
    const bool complete = held.cells == held.part.channels * held.part.rows;
    if (!held.computed) continue;
    Covered& all = computed.try_emplace(held.value, shape(held.value)).first->second;
    if (complete) all.add(held.part);
  }
  for (const Held& held : held_) {
    const Shape& s = shape(held.value);
    const auto known = computed.find(held.value);
    const bool complete = known == computed.end()  // brought by a gather
                              ? held.part == whole(held.value)
                              : held.computed && known->second.all();
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
