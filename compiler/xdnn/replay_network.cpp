#include "compiler/xdnn/replay_network.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>

#include "compiler/xdnn/mapping.h"
#include "core/error.h"
#include "core/shapes.h"
#include "isa/xdnn/assembly.h"
#include "isa/xdnn/footprint.h"
#include "isa/xdnn/listing.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

namespace {

// Channels [first, first + channels) of a value, as they begin in a word of the AM.
struct Piece {
  ValueId value = kNoValue;
  std::int64_t word = 0, words = 0;  // of its section, or of its channel's plane
  std::int64_t byte = 0, first = 0, channels = 0;
};

class Rebuilding {
 public:
  Rebuilding(const Listing& listing, const Machine& machine, std::uint64_t seed)
      : listing_(listing), machine_(machine), geometry_(machine.geometry()), random_(seed) {}

  Graph run() {
    graph_.name = "program";
    for (const Entry& entry : listing_.entries) {
      if (entry.opcode.empty() || !active(entry)) continue;
      entry_ = &entry;
      Instruction instruction = instruction_from(entry);
      if (tail(instruction).pre_relu) refuse("prerelu is not rebuilt");
      std::visit([&](const auto& op) { add(op); }, instruction);
    }
    if (graph_.outputs.empty()) fail("{}: the program scatters no result", graph_.name);
    return std::move(graph_);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const {
    fail("{}: {} '{}': {}", entry_->where, entry_->opcode, name_of(*entry_), what);
  }

  // --- where values are -----------------------------------------------------------------------

  std::vector<Piece> pieces_of(ValueId value, const AmTensor& tensor) const {
    std::vector<Piece> pieces;
    const std::int64_t words = tensor.height * geometry_.row_words(tensor.width);
    if (geometry_.width_aligned()) {
      for (std::int64_t c = 0; c < tensor.channels; ++c) {
        pieces.push_back({value, tensor.address + c * words, words, 0, c, 1});
      }
      return pieces;
    }
    std::int64_t word = tensor.address;
    for (const SectionSlice& slice : section_slices(tensor, geometry_)) {
      pieces.push_back({value, word, words, slice.first_byte / geometry_.code_bytes,
                        slice.first_channel, slice.channels});
      word += words;
    }
    return pieces;
  }

  void put(ValueId value, const AmTensor& tensor) {
    for (const Piece& piece : pieces_of(value, tensor)) {
      std::erase_if(pieces_, [&](const Piece& old) {
        if (old.word >= piece.word + piece.words || piece.word >= old.word + old.words)
          return false;
        const bool beside =
            old.word == piece.word && old.words == piece.words &&
            (old.byte >= piece.byte + piece.channels || piece.byte >= old.byte + old.channels);
        return !beside || geometry_.width_aligned();
      });
      pieces_.push_back(piece);
    }
  }

  // The value that lies there: one, or a concat of several.
  ValueId get(const AmTensor& tensor) {
    std::vector<Piece> found;
    for (const Piece& wanted : pieces_of(kNoValue, tensor)) {
      const std::size_t before = found.size();
      for (const Piece& piece : pieces_) {
        const bool there = piece.word == wanted.word && piece.words == wanted.words &&
                           piece.byte >= wanted.byte && piece.byte < wanted.byte + wanted.channels;
        if (there) found.push_back(piece);
      }
      std::sort(found.begin() + static_cast<std::ptrdiff_t>(before), found.end(),
                [](const Piece& a, const Piece& b) { return a.byte < b.byte; });
    }
    std::vector<ValueId> parts;
    std::int64_t next = 0, channels = 0;  // of the part that is being read
    for (const Piece& piece : found) {
      if (next == 0) parts.push_back(piece.value);
      if (piece.value != parts.back() || piece.first != next) break;
      next += piece.channels;
      channels += piece.channels;
      if (next == graph_.value(piece.value).shape[1]) next = 0;
    }
    if (parts.empty() || next != 0 || channels != tensor.channels) {
      refuse(fmt::format("at word {:#x} lie {} of the {} channels it reads", tensor.address,
                         channels, tensor.channels));
    }
    return parts.size() == 1 ? parts[0] : concat(parts);
  }

  ValueId concat(const std::vector<ValueId>& parts) {
    const auto known = concats_.find(parts);
    if (known != concats_.end()) return known->second;
    const std::string name = fmt::format("concat{}", concats_.size() + 1);
    return concats_[parts] = node(name, Concat{}, parts);
  }

  // --- nodes ----------------------------------------------------------------------------------

  ValueId node(const std::string& name, Op op, std::vector<ValueId> inputs) {
    std::string unique = name.empty() ? "layer" : name;
    while (!names_.insert(unique).second) unique += "'";
    Node made{.name = unique, .op = std::move(op), .inputs = std::move(inputs)};
    made.outputs = {graph_.add_value({.name = unique})};
    const Shape shape = output_shapes(graph_, made).at(0);
    graph_.value(made.outputs[0]).shape = shape;
    graph_.nodes.push_back(std::move(made));
    return graph_.nodes.back().outputs[0];
  }

  void expect(ValueId value, std::int64_t channels, std::int64_t height, std::int64_t width) const {
    const Shape expected{1, channels, height, width};
    if (graph_.value(value).shape == expected) return;
    refuse(fmt::format("expected a result {}, its own numbers give {}",
                       workbench::to_string(expected),
                       workbench::to_string(graph_.value(value).shape)));
  }

  // Uniform with the deviation sqrt(2 / fan in) that keeps activations behind ReLUs level.
  ValueId weights(const std::string& name, Shape shape) {
    Tensor tensor = Tensor::uninitialized(ElementType::Float32, std::move(shape), Layout::Oihw);
    const double fan_in = static_cast<double>(tensor.size() / tensor.dim(0));
    const double range = std::sqrt(6.0 / fan_in);
    for (float& w : tensor.mutable_values<float>()) {
      const double unit = static_cast<double>(random_() >> 11) * 0x1p-53;
      w = static_cast<float>((2 * unit - 1) * range);
    }
    return graph_.add_constant(name + "/weights", std::move(tensor));
  }

  ValueId bias(const std::string& name, std::int64_t channels) {
    Tensor tensor = Tensor::uninitialized(ElementType::Float32, {channels});
    for (float& b : tensor.mutable_values<float>()) {
      b = static_cast<float>(static_cast<double>(random_() >> 11) * 0x1p-53 - 0.5) * 0.1F;
    }
    return graph_.add_constant(name + "/bias", std::move(tensor));
  }

  // Where the entry's result begins in its first word, and where it lies.
  void result(ValueId value, const Instruction& instruction) {
    AmTensor tensor = am_operands({.instruction = instruction}, machine_).results.at(0);
    if (const auto start = crossbar_start(listing_, *entry_); start && *start > 0) {
      tensor.start_channel = *start;
      tensor.layout = plain_layout(*start + tensor.channels, geometry_);
    }
    put(value, tensor);
  }

  ValueId source(const Instruction& instruction, std::size_t i = 0) {
    return get(am_operands({.instruction = instruction}, machine_).sources.at(i));
  }

  ValueId input(std::int64_t channels, std::int64_t height, std::int64_t width) {
    const Shape shape{1, channels, height, width};
    if (graph_.inputs.empty()) {
      names_.insert("data");
      graph_.inputs.push_back(graph_.add_value({.name = "data", .shape = shape}));
    }
    if (graph_.value(graph_.inputs[0]).shape != shape) refuse("reads an input of other sizes");
    return graph_.inputs[0];
  }

  // The node of a convolution, without the pool that may be behind it.
  ValueId convolution(const Conv& op, const std::string& name, const Instruction& whole) {
    if (op.transposed) refuse("deconvolutions are not rebuilt");
    const ValueId x = op.tail.source_in_ddr ? input(op.in_ch, op.in_h, op.in_w) : source(whole);
    const ValueId y = node(
        name, op_of(layer_of(op)),
        {x, weights(name, {op.out_ch, op.in_ch, op.kernel_h, op.kernel_w}), bias(name, op.out_ch)});
    expect(y, op.out_ch, op.out_h, op.out_w);
    return y;
  }

  void add(const Conv& op) { result(convolution(op, name_of(*entry_), op), op); }

  void add(const ConvPool& op) {
    const Field* conv_name = entry_->find("conv_name");
    const std::string own = name_of(*entry_);
    const std::string name = conv_name != nullptr ? conv_name->value : own;
    const ValueId x = convolution(op.conv, name, op);
    const ValueId y = node(own == name ? name + "/pool" : own, pool_of(layer_of(op)), {x});
    expect(y, op.conv.out_ch, op.out_h, op.out_w);
    result(y, op);
  }

  // Maps of the AM in, a map of the AM out.
  void add(const auto& op) {
    std::vector<ValueId> inputs;
    const std::size_t count = operands(op).sources.size();
    for (std::size_t i = 0; i < count; ++i) inputs.push_back(source(op, i));
    const Layer layer = layer_of(op);
    const ValueId y = node(name_of(*entry_), op_of(layer), inputs);
    expect(y, layer.out.channels, layer.out.height, layer.out.width);
    result(y, op);
  }

  void add(const Gather& op) {
    const auto stored = in_ddr_.find(op.ddr_address);
    const bool queue = op.tail.source_from_image_queue || stored == in_ddr_.end();
    result(queue ? input(op.channels, op.height, op.width) : stored->second, op);
  }

  void add(const Scatter& op) {
    const ValueId value = source(op);
    in_ddr_[op.ddr_address] = value;
    const bool known = std::count(graph_.outputs.begin(), graph_.outputs.end(), value) > 0;
    if (op.tail.destination_from_image_queue && !known) graph_.outputs.push_back(value);
  }

  const Listing& listing_;
  const Machine& machine_;
  Geometry geometry_;
  std::mt19937_64 random_;
  const Entry* entry_ = nullptr;
  Graph graph_;
  std::vector<Piece> pieces_;
  std::set<std::string> names_;
  std::map<std::vector<ValueId>, ValueId> concats_;
  std::map<std::int64_t, ValueId> in_ddr_;  // by the listing's DDR address
};

}  // namespace

Graph network_of(const Listing& listing, const Machine& machine, std::uint64_t seed) {
  return Rebuilding(listing, machine, seed).run();
}

}  // namespace workbench::xdnn
