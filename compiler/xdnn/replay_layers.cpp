#include "compiler/xdnn/replay_layers.h"

#include <algorithm>

#include "compiler/xdnn/lower.h"
#include "compiler/xdnn/mapping.h"
#include "core/error.h"
#include "isa/xdnn/footprint.h"

namespace workbench::xdnn {

void agree(const Entry& entry, const char* field, std::int64_t network, std::int64_t found) {
  if (network == found) return;
  refuse(entry, fmt::format("field {}: the network has {}, found {}", field, network, found));
}

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

// But for the rows of padding above, which are those of a piece.
bool same_window(const Window& window, const ConvPool& fused) {
  return window.kernel[0] == fused.kernel_h && window.kernel[1] == fused.kernel_w &&
         window.strides[0] == fused.stride_h && window.strides[1] == fused.stride_w &&
         window.pads_begin[1] == fused.pad_w;
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

// A lone ReLU has no instruction of its own (mapping.h): a sum of x and x, or of two pieces of it
// that were brought apart.
bool computes_relu(const Instruction& instruction, const Op& op) {
  if (!std::holds_alternative<Activate>(op)) return false;
  const auto* pool = std::get_if<Pool>(&instruction);
  const auto* sum = std::get_if<Eltwise>(&instruction);
  return (pool != nullptr && pool->tail.pre_relu) || sum != nullptr;
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

std::optional<std::int64_t> NetworkLayers::next_channel(
    std::size_t node, const Part& rows, const std::function<bool(std::int64_t)>& may_begin) const {
  const std::int64_t all = graph_.value(graph_.nodes[node].outputs[0]).shape[1];
  for (std::int64_t c = 0; c < all; ++c) {
    if (!done_[node].has({c, 1, rows.first_row, rows.rows}) && may_begin(c)) return c;
  }
  return std::nullopt;
}

void NetworkLayers::computes(const Entry& entry, std::size_t node, const Part& part) {
  const Shape& shape = graph_.value(graph_.nodes[node].outputs[0]).shape;
  const bool inside = part.first_channel >= 0 && part.first_row >= 0 &&
                      part.first_channel + part.channels <= shape[1] &&
                      part.first_row + part.rows <= shape[2];
  const bool more = done_[node].add(part) > 0;
  if (inside && (more || part.rows < shape[2])) return;
  refuse(entry, "computes a value twice, or more than the layer has");
}

// Of several, one with as much padding above as the instruction.
std::optional<std::size_t> NetworkLayers::reading_pool(ValueId value, const ConvPool& fused) const {
  std::optional<std::size_t> found;
  for (const std::size_t n : readers_[static_cast<std::size_t>(value)]) {
    const auto* pool = std::get_if<MaxPool>(&graph_.nodes[n].op);
    if (pool == nullptr || !on_accelerator(graph_, graph_.nodes[n])) continue;
    if (!same_window(pool->window, fused)) continue;
    if (pool->window.pads_begin[0] == fused.pad_h) return n;
    if (!found) found = n;
  }
  return found;
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
  std::map<std::string, ConcatOperand> named;              // by the copies' names
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
    const auto piece = named.find(step.layer);
    if (piece != named.end()) {  // another piece of one that is known
      copies_[step.entry] = piece->second;
      continue;
    }
    const Pool& pool = std::get<Pool>(step.instruction);
    const Node& node = graph_.nodes[concat->second];
    std::optional<ConcatOperand> found;
    int best = -1;
    for (std::size_t operand = 0; operand < node.inputs.size(); ++operand) {
      const ConcatOperand one{concat->second, operand};
      const ValueId id = node.inputs[operand];
      const std::int64_t channels = graph_.value(id).shape[1];
      if (channels < pool.channels || copied_.contains({one.node, operand})) continue;
      const std::ptrdiff_t producer = producers[static_cast<std::size_t>(id)];
      const bool starts =
          pool.tail.concat_part && pool.tail.concat_start == channels_before(graph_, one);
      const bool computed =
          producer >= 0 && written.contains({graph_.nodes[static_cast<std::size_t>(producer)].name,
                                             operands.sources[0].address});
      const bool whole = channels == pool.channels;  // else the first of several pieces
      const int fits = (whole ? 4 : 0) + (starts ? 2 : 0) + (computed ? 1 : 0);
      // A value that is several operands is copied to the later ones.
      const bool again = found && fits == best && node.inputs[found->operand] == id;
      if (fits > best || again) found = one, best = fits;
    }
    if (!found) continue;
    copies_[step.entry] = named[step.layer] = *found;
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

}  // namespace workbench::xdnn
