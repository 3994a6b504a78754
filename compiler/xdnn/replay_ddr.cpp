#include "compiler/xdnn/replay_ddr.h"

#include <algorithm>
#include <set>

#include "compiler/xdnn/lower.h"
#include "compiler/xdnn/replay_listing.h"
#include "core/error.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

ReplayDdr::ReplayDdr(const Listing& listing, const Graph& graph, const Channels& channels,
                     const Machine& machine, Program& program, std::vector<std::string>& notes)
    : listing_(listing),
      graph_(graph),
      channels_(channels),
      geometry_(machine.geometry()),
      program_(program),
      notes_(notes),
      listed_outputs_(listed_outputs(listing)),
      listed_inputs_(listed_inputs(listing)) {}

bool ReplayDdr::from_host(ValueId value) const {
  return std::any_of(graph_.nodes.begin(), graph_.nodes.end(), [&](const Node& producer) {
    return !on_accelerator(graph_, producer) &&
           std::count(producer.outputs.begin(), producer.outputs.end(), value) > 0;
  });
}

// --- what lies where -----------------------------------------------------------------------------

// Channel-aligned: bytes from a group of 8 channels to the next, which may be addressed by itself.
std::int64_t ReplayDdr::group_bytes(std::int64_t height, std::int64_t width) const {
  return height * ddr_row_bytes(width, geometry_);
}

// Which channel of what is stored the tensor at `address` begins with, below 0 where it begins
// before; `at`: where the former is. Nothing: a tensor has no such channel there.
std::optional<std::int64_t> ReplayDdr::channels_between(const Stored& stored, std::int64_t at,
                                                        std::int64_t address,
                                                        const Shape& tensor) const {
  const Block& block = blocks_[stored.block];
  if (block.height != tensor[2] || block.width != tensor[3]) return std::nullopt;
  if (geometry_.width_aligned()) {  // a row has all channels
    if (at != address || stored.tensor_channels != tensor[1]) return std::nullopt;
    return 0;
  }
  const std::int64_t group = group_bytes(tensor[2], tensor[3]);
  if ((address - at) % group != 0) return std::nullopt;
  return (address - at) / group * 8;
}

// Rows of all channels of the tensor at an address of the listing, or of a block. Nothing: some of
// them are not there.
std::optional<ReplayDdr::Found> ReplayDdr::find(std::optional<std::size_t> block,
                                                std::int64_t address, const Shape& tensor,
                                                std::int64_t first_row, std::int64_t rows) const {
  std::vector<std::optional<ChannelRun>> channels(static_cast<std::size_t>(tensor[1]));
  Covered there(tensor[1], rows);
  Found found{.content = {{}, first_row, rows, tensor[3]}};
  for (std::size_t i = stored_.size(); i-- > 0 && !there.all();) {
    const Stored& stored = stored_[i];
    if (block ? root(stored.block) != root(*block) : !stored.listed) continue;
    const std::int64_t at = block ? stored.address : *stored.listed;
    const auto between = channels_between(stored, at, address, tensor);
    const std::int64_t first = std::max(first_row, stored.content.first_row);
    const std::int64_t end =
        std::min(first_row + rows, stored.content.first_row + stored.content.rows);
    if (!between || first >= end) continue;
    const std::int64_t count = channels_in(stored.content.channels);
    bool useful = false;
    for (std::int64_t c = std::max<std::int64_t>(0, -*between);
         c < std::min(tensor[1], count - *between); ++c) {
      auto& channel = channels[static_cast<std::size_t>(c)];
      const ChannelRun here = channel_at(stored.content.channels, c + *between);
      if (!channel) channel = here;
      if (*channel != here) continue;  // what was there before
      useful |= there.add({c, 1, first - first_row, end - first}) > 0;
    }
    if (!useful) continue;
    if (found.blocks.empty()) found.address = stored.address + address - at;
    found.blocks.push_back(stored.block);
  }
  if (!there.all()) return std::nullopt;
  for (const auto& channel : channels) append(found.content.channels, *channel);
  return found;
}

// All of the value: where the listing says that an output of its name is, or wherever it is.
std::optional<ReplayDdr::Found> ReplayDdr::all_of(ValueId value) const {
  if (channels_.of(value).empty()) return std::nullopt;
  const Shape& whole = shape(value);
  const auto is_all = [&](const std::optional<Found>& found) {
    return found && std::ranges::equal(found->content.channels, channels_.of(value));
  };
  for (const auto& [name, address] : listed_outputs_) {
    if (name != graph_.value(value).name) continue;
    auto found = find(std::nullopt, address, whole, 0, whole[2]);
    if (is_all(found)) return found;
  }
  const ChannelRun first = channel_at(channels_.of(value), 0);
  for (std::size_t i = stored_.size(); i-- > 0;) {
    const Stored& stored = stored_[i];
    for (const Common& common : common_channels({&first, 1}, stored.content.channels)) {
      if (common.b % 8 != 0 || (geometry_.width_aligned() && common.b != 0)) continue;
      const std::int64_t behind =
          geometry_.width_aligned() ? 0 : common.b / 8 * group_bytes(whole[2], whole[3]);
      auto found = stored.listed ? find(std::nullopt, *stored.listed + behind, whole, 0, whole[2])
                                 : find(stored.block, stored.address + behind, whole, 0, whole[2]);
      if (is_all(found)) return found;
    }
  }
  return std::nullopt;
}

bool ReplayDdr::has_some(ValueId value) const {
  return std::ranges::any_of(stored_, [&](const Stored& stored) {
    return !common_channels(channels_.of(value), stored.content.channels).empty();
  });
}

bool ReplayDdr::is_at(ValueId value, std::int64_t address) const {
  const Shape& whole = shape(value);
  const auto found = find(std::nullopt, address, whole, 0, whole[2]);
  return found && std::ranges::equal(found->content.channels, channels_.of(value));
}

std::optional<std::int64_t> ReplayDdr::address_of(ValueId value) const {
  std::optional<std::int64_t> least;
  for (const Stored& stored : stored_) {
    if (!stored.listed || !std::ranges::equal(stored.content.channels, channels_.of(value))) {
      continue;
    }
    least = std::min(least.value_or(*stored.listed), *stored.listed);
  }
  return least;
}

// --- tensors-to-be -------------------------------------------------------------------------------

std::size_t ReplayDdr::root(std::size_t block) const {
  while (blocks_[block].merged_into != block) block = blocks_[block].merged_into;
  return block;
}

std::size_t ReplayDdr::new_block(const Shape& tensor, std::int64_t begin) {
  blocks_.push_back({.begin = begin,
                     .channels = tensor[1],
                     .height = tensor[2],
                     .width = tensor[3],
                     .merged_into = blocks_.size()});
  return blocks_.size() - 1;
}

// What is read as one tensor is one.
std::size_t ReplayDdr::merge(const std::vector<std::size_t>& blocks) {
  std::size_t first = root(blocks.at(0));
  for (const std::size_t block : blocks) first = std::min(first, root(block));
  for (const std::size_t block : blocks) extend(first, root(block));
  return first;
}

// `block` gets what `other` has.
void ReplayDdr::extend(std::size_t block, std::size_t other) {
  if (block == other) return;
  Block& all = blocks_[block];
  Block& part = blocks_[other];
  if (!geometry_.width_aligned()) {
    const std::int64_t group = group_bytes(all.height, all.width);
    const std::int64_t begin = std::min(all.begin, part.begin);
    all.channels = std::max((all.begin - begin) / group * 8 + all.channels,
                            (part.begin - begin) / group * 8 + part.channels);
    all.begin = begin;
  }
  part.merged_into = block;
}

// The tensor at that address which has nothing else in the place of these channels; of rows that
// came before, or channels beside them. Else a new one: the listing has used the address again.
std::size_t ReplayDdr::block_for(const Content& content, const Shape& tensor,
                                 std::int64_t address) {
  const std::size_t made = new_block(tensor, address);
  for (std::size_t i = stored_.size(); i-- > 0;) {
    const Stored& stored = stored_[i];
    if (!stored.listed) continue;
    const auto between = channels_between(stored, *stored.listed, address, tensor);
    if (!between) continue;
    const std::int64_t first = std::max<std::int64_t>(0, -*between);
    const std::int64_t count =
        std::min(tensor[1], channels_in(stored.content.channels) - *between) - first;
    if (count <= 0) continue;
    const bool same = some_of(content.channels, first, count) ==
                      some_of(stored.content.channels, first + *between, count);
    if (!same || blocks_[root(stored.block)].made_by_host != kNoValue) break;
    return merge({root(stored.block), made});
  }
  return made;
}

void ReplayDdr::use(std::size_t block, std::int64_t address, std::size_t operand, bool result) {
  used_.push_back({now(), block, address, operand, result});
}

// Of a value that the host makes.
std::size_t ReplayDdr::host_block(ValueId value) {
  const auto known = host_blocks_.find(value);
  if (known != host_blocks_.end()) return known->second;
  const std::size_t made = new_block(shape(value), 0);
  blocks_[made].made_by_host = value;
  return host_blocks_[value] = made;
}

// --- reads and writes ----------------------------------------------------------------------------

void ReplayDdr::brings(ValueId value) { use(host_block(value), 0, 0, false); }

void ReplayDdr::reads_tiles(const Entry& entry, const Tail& tail, ValueId value,
                            std::int64_t address, std::size_t operand) {
  const Shape& whole = shape(value);
  const auto lies = std::find_if(stored_.rbegin(), stored_.rend(), [&](const Stored& stored) {
    return !tail.source_from_image_queue && stored.listed == address;
  });
  std::optional<Found> found;
  if (!tail.source_from_image_queue) found = find(std::nullopt, address, whole, 0, whole[2]);
  const bool other = found ? !std::ranges::equal(found->content.channels, channels_.of(value))
                           : lies != stored_.rend();
  if (other) {
    const ValueId there = (found ? found->content : lies->content).channels.at(0).value;
    notes_.push_back(fmt::format(
        "{} '{}' reads DDR {:#x}, where '{}' lies; the network's operand is '{}'", entry.opcode,
        name_of(entry), address, graph_.value(there).name, graph_.value(value).name));
  }
  if (found) return use(merge(found->blocks), found->address, operand, false);
  const std::optional<std::int64_t> known = address_of(value);
  if (!tail.source_from_image_queue && !other && known) {
    refuse(entry, fmt::format("reads DDR {:#x}, where nothing has been put: '{}' lies at {:#x}",
                              address, graph_.value(value).name, *known));
  }
  if (const auto all = all_of(value)) return use(merge(all->blocks), all->address, operand, false);
  if (!from_host(value)) {
    refuse(entry,
           fmt::format("reads '{}' from DDR, where nothing has put it", graph_.value(value).name));
  }
  use(host_block(value), 0, operand, false);
}

void ReplayDdr::writes(const Tail& tail, const Content& content, const Shape& tensor,
                       std::int64_t address) {
  const bool queue = tail.destination_from_image_queue;
  Stored stored{.tensor_channels = tensor[1], .content = content};
  if (queue) {
    const auto begun = std::ranges::find_if(stored_, [&](const Stored& other) {
      const Block& block = blocks_[other.block];
      return !other.listed && other.content.channels == content.channels &&
             block.height == tensor[2] && block.made_by_host == kNoValue;
    });
    stored.block = begun == stored_.end() ? new_block(tensor, 0) : begun->block;
  } else {
    stored.block = block_for(content, tensor, address);
    stored.address = address;
    stored.listed = address;
  }
  if (tail.slice == 0) between_ = stored.block;
  use(stored.block, stored.address, 0, true);
  std::erase_if(stored_, [&](const Stored& old) {
    return old.listed == stored.listed && root(old.block) == root(stored.block) &&
           old.content.channels == content.channels && old.content.first_row == content.first_row &&
           old.content.rows == content.rows;
  });
  stored_.push_back(std::move(stored));
}

Content ReplayDdr::gathered(const Entry& entry, const Gather& op) {
  const Shape wanted{1, op.channels, op.height, op.width};
  const std::int64_t rows = op.end_row - op.start_row + 1;
  std::optional<Found> found;
  if (op.tail.source_from_image_queue) {
    if (between_) {
      const Block& block = blocks_[root(*between_)];
      found = find(between_, block.begin, wanted, op.start_row, rows);
    }
  } else {
    found = find(std::nullopt, op.ddr_address, wanted, op.start_row, rows);
    if (!found) refuse_other_sizes(entry, op);
    if (!found && put_listed_input(op, wanted)) {
      found = find(std::nullopt, op.ddr_address, wanted, op.start_row, rows);
    }
  }
  if (found) {
    use(merge(found->blocks), found->address, 0, false);
    return std::move(found->content);
  }
  const ValueId input = input_at(entry, op, wanted);
  brings(input);
  return {channels_.of(input, 0, op.channels), op.start_row, rows, op.width};
}

// Something begins at the address, but not what the gather wants.
void ReplayDdr::refuse_other_sizes(const Entry& entry, const Gather& op) const {
  const auto lies = std::find_if(stored_.rbegin(), stored_.rend(), [&](const Stored& stored) {
    return stored.listed == op.ddr_address;
  });
  if (lies == stored_.rend()) return;
  const Block& block = blocks_[lies->block];
  agree(entry, "insize_h", block.height, op.height);
  agree(entry, "insize_w", block.width, op.width);
  agree(entry, "inchan", lies->tensor_channels, op.channels);
  refuse(entry, fmt::format("reads rows {} to {} of DDR {:#x}, of which some have not been put "
                            "there",
                            op.start_row, op.end_row, op.ddr_address));
}

namespace {

// "Input NAME" or "NAME_blob", as the vendor's compiler comments a gather.
std::string commented_input(const Entry& entry) {
  const Field* field = entry.find("comment");
  std::string text = field != nullptr ? field->value : entry.comment;
  if (text.starts_with("Input ")) text.erase(0, 6);
  if (text.ends_with("_blob")) text.resize(text.size() - 5);
  return text;
}

}  // namespace

// An input that the listing says is there; a gather may begin at one of its later channels.
bool ReplayDdr::put_listed_input(const Gather& op, const Shape& wanted) {
  for (const auto& [name, address] : listed_inputs_) {
    for (const ValueId value : made_by_host()) {
      if (!is_called(value, name) || shape(value).size() != 4) continue;
      Stored stored{.block = host_block(value),
                    .listed = address,
                    .tensor_channels = shape(value)[1],
                    .content = {channels_.of(value, 0, shape(value)[1]), 0, shape(value)[2],
                                shape(value)[3]}};
      const auto first = channels_between(stored, address, op.ddr_address, wanted);
      if (!first || *first < 0 || *first + wanted[1] > shape(value)[1]) continue;
      stored_.push_back(std::move(stored));
      return true;
    }
  }
  return false;
}

// The network's input of that shape: the one that listing or comment name; else the first that no
// other address has brought, or the only one.
ValueId ReplayDdr::input_at(const Entry& entry, const Gather& op, const Shape& wanted) {
  const auto key = std::pair(op.ddr_address, wanted);
  const auto known = inputs_.find(key);
  if (known != inputs_.end()) return known->second;
  const std::vector<ValueId> fitting = inputs_like(wanted);
  ValueId chosen = fitting.size() == 1 ? fitting[0] : kNoValue;
  for (const std::string& name : {listed_input(listing_, op.ddr_address), commented_input(entry)}) {
    for (const ValueId input : fitting) {
      if (chosen == kNoValue && is_called(input, name)) chosen = input;
    }
  }
  for (const ValueId input : fitting) {
    const bool taken = std::any_of(inputs_.begin(), inputs_.end(),
                                   [&](const auto& one) { return one.second == input; });
    if (chosen == kNoValue && !taken) chosen = input;
  }
  if (chosen == kNoValue) {
    refuse(entry, fmt::format("reads DDR {:#x}, where nothing has been put: the network has no "
                              "further input {}",
                              op.ddr_address, workbench::to_string(wanted)));
  }
  return inputs_[key] = chosen;
}

std::vector<ValueId> ReplayDdr::inputs_like(const Shape& wanted) const {
  std::vector<ValueId> list;
  for (const ValueId made : made_by_host()) {
    if (shape(made) == wanted) list.push_back(made);
  }
  return list;
}

std::vector<ValueId> ReplayDdr::made_by_host() const {
  std::vector<ValueId> list;
  for (const Node& producer : graph_.nodes) {
    if (on_accelerator(graph_, producer)) continue;
    for (const ValueId made : producer.outputs) {
      if (made != kNoValue && is_code(graph_.value(made).type)) list.push_back(made);
    }
  }
  return list;
}

// By the name of the quantized value or of the input that it is made from.
bool ReplayDdr::is_called(ValueId value, const std::string& name) const {
  if (name.empty()) return false;
  return std::any_of(graph_.nodes.begin(), graph_.nodes.end(), [&](const Node& producer) {
    if (std::count(producer.outputs.begin(), producer.outputs.end(), value) == 0) return false;
    return graph_.value(value).name == name || (std::holds_alternative<Quantize>(producer.op) &&
                                                graph_.value(producer.inputs[0]).name == name);
  });
}

// --- at the end ----------------------------------------------------------------------------------

ReplayDdr::HostReads ReplayDdr::read_by_host() {
  HostReads reads;
  for (const Node& reader : graph_.nodes) {
    if (on_accelerator(graph_, reader)) continue;
    for (const ValueId id : reader.inputs) {
      if (id == kNoValue || host_blocks_.contains(id)) continue;
      const auto found = all_of(id);
      if (!found) continue;
      const std::size_t number = merge(found->blocks);
      reads.blocks.insert(number);
      const Block& block = blocks_[number];
      const bool just_it = block.begin == found->address && block.channels == shape(id)[1];
      if (just_it) reads.names.try_emplace(number, graph_.value(id).name);
    }
  }
  return reads;
}

std::string ReplayDdr::name_of_block(std::size_t block) const {
  const auto found = std::ranges::find_if(
      stored_, [&](const Stored& stored) { return root(stored.block) == block; });
  CHECK(found != stored_.end(), "a tensor of nothing");
  const ChannelRun& run = found->content.channels.at(0);
  const std::string& name = graph_.value(run.value).name;
  if (run.count == shape(run.value)[1] && run.count == blocks_[block].channels) return name;
  return fmt::format("{} (DDR, from channel {})", name, run.first);
}

// Bytes that are computed for nothing, and most often a mistake of the program: the host may look
// for its results there.
void ReplayDdr::note_unread(const std::set<std::size_t>& read_by_host) {
  std::set<std::size_t> read;
  for (const std::size_t block : read_by_host) read.insert(root(block));
  for (const auto& [value, block] : host_blocks_) read.insert(root(block));
  for (const Use& one : used_) {
    if (!one.result) read.insert(root(one.block));
  }
  for (const Use& one : used_) {
    if (!read.insert(root(one.block)).second) continue;
    notes_.push_back(fmt::format("{} puts '{}' into DDR, where neither host nor program reads it",
                                 program_.info.instruction_text[static_cast<std::size_t>(one.step)],
                                 name_of_block(root(one.block))));
  }
}

void ReplayDdr::finish() {
  const HostReads reads = read_by_host();
  note_unread(reads.blocks);
  std::map<std::size_t, std::string> names = reads.names;
  std::set<std::string> taken;
  for (const auto& [value, block] : host_blocks_) names[block] = graph_.value(value).name;
  for (const auto& [block, name] : names) taken.insert(name);
  for (std::size_t i = 0; i < blocks_.size(); ++i) {
    Block& block = blocks_[i];
    if (root(i) != i) continue;
    std::string name = names.contains(i) ? names.at(i) : name_of_block(i);
    while (!names.contains(i) && !taken.insert(name).second) name += " (DDR)";
    block.tensor = program_.ddr_tensors.size();
    program_.ddr_tensors.push_back({name, 0, block.channels, block.height, block.width});
  }
  for (const Use& one : used_) {
    const Block& block = blocks_[root(one.block)];
    uses_.push_back({.step = one.step,
                     .tensor = block.tensor,
                     .offset = one.address - block.begin,
                     .operand = one.operand,
                     .result = one.result});
  }
}

std::ptrdiff_t ReplayDdr::between() const {
  return between_ ? static_cast<std::ptrdiff_t>(blocks_[root(*between_)].tensor) : -1;
}

}  // namespace workbench::xdnn
