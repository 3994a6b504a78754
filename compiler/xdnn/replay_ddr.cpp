#include "compiler/xdnn/replay_ddr.h"

#include <algorithm>

#include "compiler/xdnn/lower.h"
#include "compiler/xdnn/replay_listing.h"
#include "core/error.h"

namespace workbench::xdnn {

ReplayDdr::ReplayDdr(const Listing& listing, const Graph& graph, Program& program,
                     std::vector<std::string>& notes)
    : listing_(listing), graph_(graph), program_(program), notes_(notes) {}

// --- tensors -------------------------------------------------------------------------------------

bool ReplayDdr::from_host(ValueId value) const {
  return std::any_of(graph_.nodes.begin(), graph_.nodes.end(), [&](const Node& producer) {
    return !on_accelerator(graph_, producer) &&
           std::count(producer.outputs.begin(), producer.outputs.end(), value) > 0;
  });
}

// Made when it has none.
std::size_t ReplayDdr::tensor_of(ValueId value) {
  const auto known = tensors_.find(value);
  if (known != tensors_.end()) return known->second;
  const Shape& s = shape(value);
  program_.ddr_tensors.push_back({graph_.value(value).name, 0, s[1], s[2], s[3]});
  return tensors_[value] = program_.ddr_tensors.size() - 1;
}

void ReplayDdr::use(ValueId value, std::size_t operand, bool result) {
  const auto step = static_cast<std::int32_t>(program_.steps.size());
  uses_.push_back({step, tensor_of(value), operand, result});
}

void ReplayDdr::reads(ValueId value, std::size_t operand) { use(value, operand, false); }

void ReplayDdr::reads_tiles(const Entry& entry, const Tail& tail, ValueId value,
                            std::int64_t address, std::size_t operand) {
  const auto stored = stored_.find(address);
  ValueId there = value;
  if (!tail.source_from_image_queue && stored != stored_.end()) there = stored->second;
  if (there != value) {
    if (shape(there) != shape(value)) there = value;
    notes_.push_back(fmt::format(
        "{} '{}' reads DDR {:#x}, where '{}' lies; the network's operand is '{}'", entry.opcode,
        name_of(entry), address, graph_.value(stored->second).name, graph_.value(value).name));
  }
  const std::optional<std::int64_t> stored_at = address_of(there);
  if (!tail.source_from_image_queue && stored == stored_.end() && stored_at) {
    refuse(entry, fmt::format("reads DDR {:#x}, where nothing has been put: '{}' lies at {:#x}",
                              address, graph_.value(there).name, *stored_at));
  }
  if (!has(there) && !from_host(there)) {
    refuse(entry,
           fmt::format("reads '{}' from DDR, where nothing has put it", graph_.value(there).name));
  }
  use(there, operand, false);
}

void ReplayDdr::writes(const Tail& tail, ValueId value, std::int64_t address) {
  if (tail.slice == 0) between_ = value;
  if (!tail.destination_from_image_queue) stored_[address] = value;
  use(value, 0, true);
}

bool ReplayDdr::is_at(ValueId value, std::int64_t address) const {
  const auto stored = stored_.find(address);
  return stored != stored_.end() && stored->second == value;
}

std::optional<std::int64_t> ReplayDdr::address_of(ValueId value) const {
  for (const auto& [address, stored] : stored_) {
    if (stored == value) return address;
  }
  return std::nullopt;
}

std::ptrdiff_t ReplayDdr::between() const {
  const auto found = tensors_.find(between_);
  return found == tensors_.end() ? -1 : static_cast<std::ptrdiff_t>(found->second);
}

// --- gathers -------------------------------------------------------------------------------------

ValueId ReplayDdr::gathered(const Entry& entry, const Gather& op) {
  const Shape wanted{1, op.channels, op.height, op.width};
  const auto stored = stored_.find(op.ddr_address);
  if (op.tail.source_from_image_queue) {
    if (between_ != kNoValue && shape(between_) == wanted) return between_;
  } else if (stored != stored_.end()) {
    return stored->second;
  }
  return input_at(entry, op, wanted);
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
  for (const Node& producer : graph_.nodes) {
    if (on_accelerator(graph_, producer)) continue;
    for (const ValueId made : producer.outputs) {
      if (made != kNoValue && is_code(graph_.value(made).type) && shape(made) == wanted) {
        list.push_back(made);
      }
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

}  // namespace workbench::xdnn
