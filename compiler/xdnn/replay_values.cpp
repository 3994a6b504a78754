#include "compiler/xdnn/replay_values.h"

#include <algorithm>

#include "core/error.h"
#include "isa/xdnn/crossbar.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

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
