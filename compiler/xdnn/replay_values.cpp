#include "compiler/xdnn/replay_values.h"

#include <algorithm>
#include <tuple>

#include "compiler/xdnn/lower.h"
#include "core/error.h"
#include "isa/xdnn/listing.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

ReplayValues::ReplayValues(const Listing& listing, const Graph& graph, const Channels& channels,
                           const Machine& machine, Program& program,
                           std::vector<std::string>& notes)
    : listing_(listing),
      graph_(graph),
      channels_(channels),
      machine_(machine),
      geometry_(machine.geometry()),
      producers_(producers(graph)),
      program_(program),
      notes_(notes) {}

Content ReplayValues::content_of(const ReplayTarget& target, const Part& part) const {
  const bool own = target.value != kNoValue;
  const ValueId value = own ? target.value : target.whole;
  const std::int64_t first = part.first_channel + (own ? 0 : target.start);
  return {channels_.of(value, first, part.channels), part.first_row, part.rows, shape(value)[3]};
}

// --- where a channel's rows are ------------------------------------------------------------------

std::int64_t ReplayValues::word_of(const Entry& entry, std::int64_t address) const {
  if (address % machine_.word_addresses() != 0) {
    refuse(entry,
           fmt::format("address {:#x} begins no word of {} bytes", address, machine_.word_bytes()));
  }
  return address / machine_.word_addresses();
}

ReplayValues::Spot ReplayValues::spot(const ChannelLayout& layout, std::int64_t channel) const {
  if (geometry_.width_aligned()) return {channel, 0};
  const std::int64_t word = geometry_.word_channels();
  if (!layout.replicated() || channel < layout.full * word) return {channel / word, channel % word};
  const std::int64_t behind = channel - layout.full * word;
  return {layout.full + behind / layout.repl_width, behind % layout.repl_width};
}

std::int64_t ReplayValues::word_at(const Region& region, std::int64_t channel,
                                   std::int64_t row) const {
  const Content& content = region.content;
  return region.word +
         spot(region.layout, region.start + channel).plane *
             plane_words(content.rows, content.width) +
         (row - content.first_row) * geometry_.row_words(content.width);
}

// The channel's row of the region that begins at that code of the word.
std::optional<ReplayValues::Cell> ReplayValues::cell_at(const Region& region, std::int64_t word,
                                                        std::int64_t code) const {
  const Content& content = region.content;
  const std::int64_t plane = plane_words(content.rows, content.width);
  const std::int64_t row_words = geometry_.row_words(content.width);
  const std::int64_t behind = word - region.word;
  if (behind < 0 || plane == 0 || behind % plane % row_words != 0) return std::nullopt;
  const std::int64_t number = behind / plane;
  std::int64_t channel = number;
  if (!geometry_.width_aligned()) {
    const std::int64_t word_channels = geometry_.word_channels();
    const std::int64_t copied = region.layout.replicated() ? number - region.layout.full : -1;
    if (copied >= 0 && code >= region.layout.repl_width) return std::nullopt;  // a copy
    channel = copied >= 0
                  ? region.layout.full * word_channels + copied * region.layout.repl_width + code
                  : number * word_channels + code - region.start;
  }
  if (channel < 0 || channel >= region.count) return std::nullopt;
  return Cell{channel, content.first_row + behind % plane / row_words};
}

std::int64_t ReplayValues::end_of(const Region& region) const {
  const Content& content = region.content;
  return word_at(region, region.count - 1, content.first_row) +
         plane_words(content.rows, content.width);
}

// Regions with channels of the value, the latest first.
std::vector<std::size_t> ReplayValues::regions_of(ValueId value) const {
  std::vector<std::size_t> list;
  for (const ChannelRun& run : channels_.of(value)) {
    const auto found = regions_with_.find(run.value);
    if (found != regions_with_.end()) {
      list.insert(list.end(), found->second.begin(), found->second.end());
    }
  }
  std::sort(list.rbegin(), list.rend());
  list.erase(std::unique(list.begin(), list.end()), list.end());
  return list;
}

// The part of the value lies there, every channel's every row.
std::optional<ReplayValues::Found> ReplayValues::whole_of(ValueId value, const Part& part,
                                                          std::int64_t word,
                                                          const AmPlace& place) const {
  const std::vector<ChannelRun> wanted = channels_.of(value, part.first_channel, part.channels);
  const Region all{.content = {wanted, part.first_row, part.rows, shape(value)[3]},
                   .count = part.channels,
                   .word = word,
                   .layout = place.layout};
  Found found{part, {}};
  Covered there(part.channels, part.rows);
  for (const std::size_t number : regions_of(value)) {
    const Region& region = regions_[number];
    const std::int64_t first = std::max(part.first_row, region.content.first_row);
    const std::int64_t end =
        std::min(part.first_row + part.rows, region.content.first_row + region.content.rows);
    const bool copies = region.layout.replicated() || place.layout.replicated();
    if (first >= end || (copies && region.layout != place.layout)) continue;
    bool useful = false;
    for (const Common& common : common_channels(wanted, region.content.channels)) {
      for (std::int64_t i = 0; i < common.count; ++i) {
        const bool same =
            word_at(all, common.a + i, first) == word_at(region, common.b + i, first) &&
            spot(all.layout, common.a + i).code ==
                spot(region.layout, region.start + common.b + i).code;
        // Of a plane with other rows, the channels behind begin elsewhere.
        if (same) useful |= there.add({common.a + i, 1, first - part.first_row, end - first}) > 0;
      }
    }
    if (useful) found.regions.push_back(number);
    if (there.all()) return found;
  }
  return std::nullopt;
}

// The part of the value that lies there and that nothing has written over.
std::optional<ReplayValues::Found> ReplayValues::find_latest(ValueId value, std::int64_t word,
                                                             const AmPlace& place) const {
  const std::optional<Lying> found = lying(word, place, shape(value)[3]);
  if (!found) return std::nullopt;
  const auto places = channels_.places(value, found->content.channels);
  if (places.empty()) return std::nullopt;
  return Found{{places[0], place.channels, found->content.first_row, place.rows}, found->regions};
}

// The part of the value that was written there, what was last goes first: a program that has
// written over it shows in the values.
std::optional<ReplayValues::Found> ReplayValues::find(ValueId value, std::int64_t word,
                                                      const AmPlace& place) const {
  for (const std::size_t number : regions_of(value)) {
    const Region& region = regions_[number];
    const std::optional<Cell> cell = cell_at(region, word, 0);
    if (!cell) continue;
    const ChannelRun first = channel_at(region.content.channels, cell->channel);
    for (const std::int64_t channel : channels_.places(value, {&first, 1})) {
      const Part part{channel, place.channels, cell->row, place.rows};
      const bool inside =
          channel + place.channels <= shape(value)[1] && cell->row + place.rows <= shape(value)[2];
      if (!inside) continue;
      if (auto found = whole_of(value, part, word, place)) return found;
    }
  }
  return std::nullopt;
}

// As one instruction has written it, or one channel after the other.
bool ReplayValues::same_layout(const std::vector<std::size_t>& regions,
                               const AmPlace& place) const {
  if (geometry_.width_aligned()) return true;
  const Region& region = regions_[regions.at(0)];
  const bool one = regions.size() == 1 && region.count == place.channels;
  return place.layout == (one ? region.layout : plain_layout(place.channels, geometry_));
}

// --- reads ---------------------------------------------------------------------------------------

std::size_t ReplayValues::volume_of(std::size_t region) const {
  std::size_t volume = regions_[region].volume;
  while (merged_into_[volume] != volume) volume = merged_into_[volume];
  return volume;
}

// The next instruction reads them. Where no instruction says what is one volume (width-aligned
// memories) that are those that are read as one.
void ReplayValues::touch(const std::vector<std::size_t>& regions) {
  const std::size_t first = volume_of(regions.at(0));
  for (const std::size_t region : regions) {
    const std::size_t other = volume_of(region);
    volumes_[other].last = now();
    if (!geometry_.width_aligned() || other == first) continue;
    Volume &volume = volumes_[first], &part = volumes_[other];
    const std::int64_t end = std::max(volume.address + volume.words, part.address + part.words);
    volume.address = std::min(volume.address, part.address);
    volume.words = end - volume.address;
    volume.first = std::min(volume.first, part.first);
    volume.last = now();
    merged_into_[other] = first;
  }
}

Part ReplayValues::reads(const Entry& entry, ValueId value, const AmPlace& place) {
  const std::int64_t word = word_of(entry, place.address);
  const std::string& name = graph_.value(value).name;
  std::optional<Found> found = find_latest(value, word, place);
  if (!found) found = find(value, word, place);
  if (found) touch(found->regions);
  if (found && same_layout(found->regions, place)) return found->part;
  const std::vector<std::size_t> known = regions_of(value);
  if (known.empty()) {
    refuse(entry, fmt::format("reads '{}', which nothing before it computes", name));
  }
  if (!found) touch({known[0]});
  const Region& latest = regions_[found ? found->regions[0] : known[0]];
  notes_.push_back(fmt::format(
      "{} '{}' reads {:#x} with {}+{} sections, the network's operand '{}' lies at word {:#x} with "
      "{}+{}",
      entry.opcode, name_of(entry), place.address, place.layout.full, place.layout.repl_sections,
      name, latest.word, latest.layout.full, latest.layout.repl_sections));
  return found ? found->part : whole(value);
}

// What was written last of each channel, whatever values that is of. Rows of one region alone:
// those of several begin where nothing does that reads whatever lies there.
std::optional<ReplayValues::Lying> ReplayValues::lying(std::int64_t word, const AmPlace& place,
                                                       std::int64_t width) const {
  const std::int64_t plane = plane_words(place.rows, width);
  std::vector<std::optional<ChannelRun>> channels(static_cast<std::size_t>(place.channels));
  std::int64_t missing = place.channels;
  Lying lying{.content = {{}, 0, place.rows, width}, .regions = {}};
  for (std::size_t number = regions_.size(); number-- > 0 && missing > 0;) {
    const Region& region = regions_[number];
    if (region.content.width != width || end_of(region) <= word) continue;
    const std::int64_t before = missing;
    for (std::size_t c = 0; c < channels.size(); ++c) {
      if (channels[c]) continue;
      const Spot at = spot(place.layout, static_cast<std::int64_t>(c));
      const std::optional<Cell> cell = cell_at(region, word + at.plane * plane, at.code);
      const bool rows = cell &&
                        cell->row + place.rows <= region.content.first_row + region.content.rows &&
                        (missing == place.channels || cell->row == lying.content.first_row);
      if (!rows) continue;
      lying.content.first_row = cell->row;
      channels[c] = channel_at(region.content.channels, cell->channel);
      --missing;
    }
    if (missing < before) lying.regions.push_back(number);
  }
  if (missing > 0) return std::nullopt;
  for (const auto& channel : channels) append(lying.content.channels, *channel);
  return lying;
}

std::optional<Content> ReplayValues::reads_any(const Entry& entry, const AmPlace& place,
                                               std::int64_t width) {
  const std::optional<Lying> found = lying(word_of(entry, place.address), place, width);
  if (!found) return std::nullopt;
  touch(found->regions);
  if (same_layout(found->regions, place)) return found->content;
  const ChannelLayout& known = regions_[found->regions[0]].layout;
  notes_.push_back(fmt::format("{} '{}' reads {:#x} with {}+{} sections, what lies there has {}+{}",
                               entry.opcode, name_of(entry), place.address, place.layout.full,
                               place.layout.repl_sections, known.full, known.repl_sections));
  return found->content;
}

bool ReplayValues::lies(ValueId value, const AmPlace& place) const {
  const std::int64_t unit = machine_.word_addresses();
  if (place.address % unit != 0 || !known(value)) return false;
  const std::optional<Lying> found = lying(place.address / unit, place, shape(value)[3]);
  return found && !channels_.places(value, found->content.channels).empty();
}

std::int64_t ReplayValues::rows_at(ValueId value, std::int64_t address) const {
  if (address % machine_.word_addresses() != 0) return 0;
  for (const std::size_t number : regions_of(value)) {
    const Region& region = regions_[number];
    const auto cell = cell_at(region, address / machine_.word_addresses(), 0);
    if (!cell) continue;
    const ChannelRun channel = channel_at(region.content.channels, cell->channel);
    if (!channels_.places(value, {&channel, 1}).empty()) return region.content.rows;
  }
  return 0;
}

std::optional<ReplayValues::Whole> ReplayValues::whole_at(ValueId value) const {
  if (shape(value).size() != 4) return std::nullopt;  // no map: never in the AM
  const ChannelRun first = channel_at(channels_.of(value), 0);
  for (const std::size_t number : regions_of(value)) {
    const Region& region = regions_[number];
    for (const Common& common : common_channels({&first, 1}, region.content.channels)) {
      const bool begins =
          spot(region.layout, region.start + common.b).code == 0 && region.content.first_row == 0;
      if (!begins) continue;
      const std::int64_t word = word_at(region, common.b, 0);
      AmPlace place{word * machine_.word_addresses(), shape(value)[1], shape(value)[2]};
      place.layout =
          region.count == place.channels ? region.layout : plain_layout(place.channels, geometry_);
      const std::optional<Found> found = whole_of(value, whole(value), word, place);
      if (!found) continue;
      Whole all{place, word};
      all.words = geometry_.words(place.channels, place.rows, shape(value)[3], place.layout);
      for (const std::size_t part : found->regions) {
        all.last_writer = std::max(all.last_writer, regions_[part].writer);
      }
      return all;
    }
  }
  return std::nullopt;
}

// --- writes --------------------------------------------------------------------------------------

// Of a volume that has nothing else.
std::int64_t ReplayValues::words_of(const Content& content, const ChannelLayout& layout) const {
  const std::int64_t channels = channels_in(content.channels);
  if (!geometry_.width_aligned()) {
    return geometry_.words(channels, content.rows, content.width, layout);
  }
  // A volume of its own has an even number of channels; what may be a part of a larger one ends
  // where the next begins.
  const bool alone = content.channels.size() == 1 &&
                     std::ranges::all_of(channels_.with(content.channels[0].value),
                                         [&](ValueId id) { return shape(id)[1] <= channels; });
  return (alone ? round_up(channels, 2) : channels) * plane_words(content.rows, content.width);
}

std::size_t ReplayValues::new_volume(const Content& content, std::int64_t word,
                                     std::int64_t words) {
  volumes_.push_back({graph_.value(content.channels.at(0).value).name, word, words, now(), now()});
  merged_into_.push_back(volumes_.size() - 1);
  return volumes_.size() - 1;
}

// The volume of which an instruction says that its result is a part: one that others have begun,
// unless something else is in the place of this part, or has been since.
std::size_t ReplayValues::joined_volume(const Entry& entry, const Content& content,
                                        std::int64_t word, const Tail& tail, Named named) {
  const std::int64_t plane = plane_words(content.rows, content.width);
  const std::int64_t base =
      word - geometry_.word_of_channel(tail.concat_start, content.rows, content.width);
  const std::int64_t words = tail.concat_volume.sections() * plane;
  const std::int64_t count = channels_in(content.channels);
  const auto place = [&](Joined& joined, std::int64_t i) -> std::optional<ChannelRun>& {
    return joined.written.at(static_cast<std::size_t>(tail.concat_start + i));
  };
  const auto has_room = [&](Joined& joined) {
    const Volume& volume = volumes_[joined.volume];
    if (!joined.open || volume.address != base || volume.words != words) return false;
    if (joined.channels != tail.concat_channels || joined.first_row != content.first_row) {
      return false;
    }
    for (std::int64_t i = 0; i < count; ++i) {
      const auto& there = place(joined, i);
      if (there && *there != channel_at(content.channels, i)) return false;
    }
    return true;
  };
  auto known = std::find_if(joined_.rbegin(), joined_.rend(), has_room);
  if (known == joined_.rend()) {
    Joined made{.volume = new_volume(content, base, words),
                .channels = tail.concat_channels,
                .named = named,
                .first_row = content.first_row,
                .entry = &entry};
    made.written.resize(
        static_cast<std::size_t>(std::max(tail.concat_channels, tail.concat_start + count)));
    joined_.push_back(std::move(made));
    known = joined_.rbegin();
  }
  for (std::int64_t i = 0; i < count; ++i) place(*known, i) = channel_at(content.channels, i);
  volumes_[known->volume].last = now();
  return known->volume;
}

// What is written there begins no part of other volumes any more.
void ReplayValues::close_others(std::size_t volume, std::int64_t word, std::int64_t words) {
  for (Joined& joined : joined_) {
    const Volume& other = volumes_[joined.volume];
    if (joined.volume == volume || !joined.open) continue;
    if (word < other.address + other.words && other.address < word + words) joined.open = false;
  }
}

void ReplayValues::write(const Entry& entry, Content content, std::int64_t word, const Tail& tail,
                         bool computed, std::int64_t start, Named volume) {
  Region region{.count = channels_in(content.channels),
                .word = word,
                .layout = tail.destination,
                .start = start,
                .writer = now(),
                .computed = computed};
  if (tail.concat_part || region.layout.sections() == 0) {
    region.layout = plain_layout(region.count, geometry_);
  }
  const std::int64_t words = words_of(content, region.layout);
  region.volume = volume == Named::None ? new_volume(content, word, words)
                                        : joined_volume(entry, content, word, tail, volume);
  close_others(region.volume, word, words);
  for (const ChannelRun& run : content.channels) {
    auto& with = regions_with_[run.value];
    if (with.empty() || with.back() != regions_.size()) with.push_back(regions_.size());
  }
  region.content = std::move(content);
  regions_.push_back(std::move(region));
}

void ReplayValues::computes(const Entry& entry, const ReplayTarget& target, const Part& part,
                            std::int64_t address, Tail& tail) {
  const std::int64_t word = word_of(entry, address);
  Content content = content_of(target, part);
  if (geometry_.width_aligned()) {  // the address says it all
    return write(entry, std::move(content), word, tail, true, 0, Named::None);
  }
  const std::int64_t granule = geometry_.channel_granule();
  const bool own =
      !target.part && target.value != kNoValue && part.channels == shape(target.value)[1];
  // As a part of a concat that the network does not have, it may begin inside a word.
  Named volume = Named::None;
  if (!own) {
    volume = set_concat(entry, target, part, tail);
  } else if (tail.concat_part && tail.concat_volume.sections() > 0 && tail.concat_channels > 0) {
    volume = Named::Value;
  }
  const std::int64_t start =
      tail.concat_part ? tail.concat_start % granule : crossbar_start(listing_, entry).value_or(0);
  write(entry, std::move(content), word, tail, true, start, volume);
}

void ReplayValues::brings(const Entry& entry, const Content& content, std::int64_t address,
                          Tail& tail) {
  const std::int64_t word = word_of(entry, address);
  if (geometry_.width_aligned() || !tail.concat_part) {
    return write(entry, content, word, tail, false, 0, Named::None);
  }
  const Named volume = check_concat(entry, content, tail, nullptr, 0);
  write(entry, content, word, tail, false, tail.concat_start % geometry_.channel_granule(), volume);
}

// The tail's fields say which volume the part is in: as they are, or the network's where they say
// nothing.
ReplayValues::Named ReplayValues::set_concat(const Entry& entry, const ReplayTarget& target,
                                             const Part& part, Tail& tail) {
  const std::int64_t first = target.start + part.first_channel;
  const std::int64_t inside = first % geometry_.channel_granule();
  const auto crossbar = crossbar_start(listing_, entry);
  if (tail.concat_part) {
    const Named named = check_concat(entry, content_of(target, part), tail, &target, first);
    if (entry.find("concat_channels") != nullptr) return named;
  } else if (crossbar) {
    agree(entry, "override_xbar_table_ptr (first byte)", inside, *crossbar);
  } else if (entry.find("concat_starting_ch") != nullptr) {
    return Named::None;
  } else if (inside > 0) {
    ++taken_starts_;
  }
  tail.concat_part = true;
  tail.concat_start = first;
  tail.concat_channels = shape(target.whole)[1];
  tail.concat_volume = plain_layout(tail.concat_channels, geometry_);
  return Named::Value;
}

// The volume that the tail names is a value that has the part just there, or some channels of one:
// then others must write the rest of it (finish()).
ReplayValues::Named ReplayValues::check_concat(const Entry& entry, const Content& content,
                                               const Tail& tail, const ReplayTarget* target,
                                               std::int64_t first) const {
  const bool counted = entry.find("concat_channels") != nullptr;
  std::int64_t channels = tail.concat_channels;
  bool whole = false, inside = false;
  if (!counted && target != nullptr) {
    agree(entry, "concat_starting_ch", first, tail.concat_start);
    channels = shape(target->whole)[1];
    whole = true;
  }
  for (const ValueId id : channels_.with(content.channels.at(0).value)) {
    for (const std::int64_t place : channels_.places(id, content.channels)) {
      const std::int64_t begin = place - tail.concat_start;
      whole = whole || (begin == 0 && shape(id)[1] == channels);
      inside = inside || (begin >= 0 && begin + channels <= shape(id)[1]);
    }
  }
  if (!whole && !inside) {
    if (target != nullptr) {
      agree(entry, "concat_starting_ch", first, tail.concat_start);
      agree(entry, "concat_channels", shape(target->whole)[1], channels);
    }
    refuse(entry, fmt::format("fields concat_*: the network has no volume of {} channels with "
                              "these at channel {}",
                              channels, tail.concat_start));
  }
  const ChannelLayout plain = plain_layout(channels, geometry_);
  agree(entry, "concat_full_sect_num", plain.full, tail.concat_volume.full);
  agree(entry, "concat_repl_sect_num", plain.repl_sections, tail.concat_volume.repl_sections);
  return whole ? Named::Value : Named::SomeChannels;
}

// --- at the end ----------------------------------------------------------------------------------

// Probes of the value from what layers and the host have computed of it, or what gathers have
// brought again. False: that is not all of it.
bool ReplayValues::add_probes(ValueId value, bool computed) {
  const Shape& s = shape(value);
  struct Piece {
    std::size_t number;
    const Region* region;
    Common channels;
  };
  std::vector<Piece> pieces;
  Covered all(s);
  std::vector<std::size_t> regions = regions_of(value);
  std::reverse(regions.begin(), regions.end());
  for (const std::size_t number : regions) {
    const Region& region = regions_[number];
    for (const Common& common : common_channels(channels_.of(value), region.content.channels)) {
      const ValueId root = channel_at(channels_.of(value), common.a).value;
      const bool made =
          region.computed || producers_[static_cast<std::size_t>(root)] < 0 ||
          !on_accelerator(
              graph_,
              graph_.nodes[static_cast<std::size_t>(producers_[static_cast<std::size_t>(root)])]);
      if (made != computed) continue;
      pieces.push_back({number, &region, common});
      all.add({common.a, common.count, region.content.first_row, region.content.rows});
    }
  }
  if (!all.all()) return false;
  const auto probe = [&](const Piece& piece, std::int64_t channels) {
    const Region& region = *piece.region;
    const std::int64_t first = region.start + piece.channels.b;
    const bool copies = region.layout.replicated();
    Probe made{.value = graph_.value(value).name,
               .after = {region.writer},
               .address = word_at(region, piece.channels.b, region.content.first_row),
               .layout = copies ? region.layout : plain_layout(channels, geometry_),
               .start_channel = first % geometry_.channel_granule(),
               .channels = channels,
               .height = region.content.rows,
               .width = s[3],
               .first_channel = piece.channels.a,
               .first_row = region.content.first_row};
    const bool part = channels != s[1] || made.height != s[2];
    if (part) made.value_channels = s[1], made.value_height = s[2];
    return made;
  };
  // All of it side by side in one volume: looked at there, when the last part is.
  std::map<std::tuple<std::size_t, std::int64_t, std::int64_t>,
           std::pair<std::vector<const Piece*>, Covered>>
      places;
  for (const Piece& piece : pieces) {
    const Region& region = *piece.region;
    const bool copies = region.layout.replicated() && piece.channels.count != region.count;
    if (region.content.rows != s[2] || copies) continue;
    // Where the value's first channel would be.
    const std::int64_t granule = geometry_.channel_granule();
    const std::int64_t first = region.start + piece.channels.b - piece.channels.a;
    const std::int64_t planes = first >= 0 ? first / granule : -ceil_div(-first, granule);
    const std::int64_t word = region.word + planes * plane_words(s[2], s[3]);
    const auto key = std::tuple(volume_of(piece.number), word, first - planes * granule);
    auto& [parts, there] =
        places.try_emplace(key, std::vector<const Piece*>{}, Covered(s[1], 1)).first->second;
    parts.push_back(&piece);
    there.add({piece.channels.a, piece.channels.count, 0, 1});
    if (!there.all()) continue;
    const auto begin = std::min_element(
        parts.begin(), parts.end(),
        [](const Piece* a, const Piece* b) { return a->channels.a < b->channels.a; });
    Probe made = probe(**begin, s[1]);
    made.after.clear();
    for (const Piece* part : parts) made.after.push_back(part->region->writer);
    std::sort(made.after.begin(), made.after.end());
    made.after.erase(std::unique(made.after.begin(), made.after.end()), made.after.end());
    program_.probes.push_back(std::move(made));
    return true;
  }
  for (const Piece& piece : pieces) {
    if (!piece.region->layout.replicated() || piece.channels.count == piece.region->count) {
      program_.probes.push_back(probe(piece, piece.channels.count));
    }
  }
  return true;
}

void ReplayValues::add_probes() {
  for (std::size_t id = 0; id < graph_.values.size(); ++id) {
    const auto value = static_cast<ValueId>(id);
    if (channels_.of(value).empty() || regions_of(value).empty()) continue;
    if (!add_probes(value, true)) add_probes(value, false);
  }
  std::stable_sort(program_.probes.begin(), program_.probes.end(),
                   [](const Probe& a, const Probe& b) { return a.after < b.after; });
}

void ReplayValues::finish() {
  for (const Joined& joined : joined_) {
    const bool all =
        std::ranges::all_of(joined.written, [](const auto& one) { return one.has_value(); });
    if (joined.named == Named::Value || all) continue;
    refuse(*joined.entry, fmt::format("fields concat_*: of a volume of {} channels some are never "
                                      "written",
                                      joined.channels));
  }
  for (std::size_t i = 0; i < volumes_.size(); ++i) {
    if (merged_into_[i] == i) program_.memory_map.push_back(volumes_[i]);
  }
  add_probes();
  if (taken_starts_ == 0) return;
  notes_.push_back(
      fmt::format("{} concat parts do not say at which channel they begin: taken from the network",
                  taken_starts_));
}

}  // namespace workbench::xdnn
