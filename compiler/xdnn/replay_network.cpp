#include "compiler/xdnn/replay_network.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <set>

#include "compiler/xdnn/mapping.h"
#include "compiler/xdnn/replay_listing.h"
#include "core/error.h"
#include "core/shapes.h"
#include "isa/xdnn/footprint.h"
#include "isa/xdnn/listing.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

namespace {

// Channels [first, first + channels) of a value's rows, as they begin in a word of the AM.
struct Piece {
  ValueId value = kNoValue;
  std::int64_t word = 0, words = 0;  // of its section, or of its channel's plane
  std::int64_t byte = 0, first = 0, channels = 0;
  std::int64_t first_row = 0, rows = 0;
};

// A value that was found in a memory, or rows of it.
struct Found {
  ValueId value = kNoValue;
  std::int64_t first_row = 0, rows = 0;
};

class Rebuilding {
 public:
  Rebuilding(const Listing& listing, const Machine& machine, std::uint64_t seed)
      : listing_(listing),
        machine_(machine),
        geometry_(machine.geometry()),
        steps_(listed_steps(listing, machine)),
        random_(seed) {}

  Graph run() {
    graph_.name = "program";
    reserve_names();
    for (const ListedStep& step : steps_) {
      step_ = &step;
      std::visit([&](const auto& op) { add(op); }, step.instruction);
    }
    add_unread();
    if (graph_.outputs.empty()) fail("{}: the program computes no result", graph_.name);
    return std::move(graph_);
  }

 private:
  [[noreturn]] void refuse(const std::string& what) const { xdnn::refuse(*step_->entry, what); }
  const Shape& shape(ValueId value) const { return graph_.value(value).shape; }

  // --- where values are -----------------------------------------------------------------------

  std::vector<Piece> pieces_of(const Found& found, const AmTensor& tensor) const {
    std::vector<Piece> pieces;
    const std::int64_t words = tensor.height * geometry_.row_words(tensor.width);
    const Piece like{.value = found.value, .first_row = found.first_row, .rows = found.rows};
    const auto add = [&](std::int64_t word, std::int64_t byte, std::int64_t first,
                         std::int64_t channels) {
      Piece piece = like;
      piece.word = word, piece.words = words;
      piece.byte = byte, piece.first = first, piece.channels = channels;
      pieces.push_back(piece);
    };
    if (geometry_.width_aligned()) {
      for (std::int64_t c = 0; c < tensor.channels; ++c) add(tensor.address + c * words, 0, c, 1);
      return pieces;
    }
    std::int64_t word = tensor.address;
    for (const SectionSlice& slice : section_slices(tensor, geometry_)) {
      if (slice.channels > 0) {
        add(word, slice.first_byte / geometry_.code_bytes, slice.first_channel, slice.channels);
      }
      word += words;
    }
    return pieces;
  }

  static bool meet(const Piece& a, const Piece& b) {
    return a.word < b.word + b.words && b.word < a.word + a.words;
  }

  void put(const Found& found, const AmTensor& tensor) {
    for (const Piece& piece : pieces_of(found, tensor)) {
      std::erase_if(pieces_, [&](const Piece& old) {
        if (!meet(old, piece)) return false;
        const bool beside =
            old.word == piece.word && old.words == piece.words &&
            (old.byte >= piece.byte + piece.channels || piece.byte >= old.byte + old.channels);
        return !beside || geometry_.width_aligned();
      });
      pieces_.push_back(piece);
    }
  }

  // The pieces of the words that the tensor lies in, in order of channels.
  std::vector<Piece> pieces_at(const AmTensor& tensor) const {
    std::vector<Piece> found;
    for (const Piece& wanted : pieces_of({}, tensor)) {
      const std::size_t before = found.size();
      for (const Piece& piece : pieces_) {
        const bool there = piece.word == wanted.word && piece.words == wanted.words &&
                           piece.byte >= wanted.byte && piece.byte < wanted.byte + wanted.channels;
        if (there) found.push_back(piece);
      }
      std::sort(found.begin() + static_cast<std::ptrdiff_t>(before), found.end(),
                [](const Piece& a, const Piece& b) { return a.byte < b.byte; });
    }
    return found;
  }

  // Nothing was ever written where the tensor lies.
  bool untouched(const AmTensor& tensor) const {
    const Piece whole{.word = tensor.address, .words = am_words(tensor, geometry_)};
    return std::none_of(pieces_.begin(), pieces_.end(),
                        [&](const Piece& piece) { return meet(piece, whole); });
  }

  // The value that lies there: one, or a concat of several. Where nothing was written it is an
  // input that the host has put into the AM, unless inputs come from DDR.
  Found get(const AmTensor& tensor) {
    if (inputs_.empty() && untouched(tensor)) {
      const Found whole = all_of(new_input(tensor.channels, tensor.height, tensor.width, ""));
      put(whole, tensor);
      return whole;
    }
    const std::vector<Piece> found = pieces_at(tensor);
    std::vector<ValueId> parts;
    std::int64_t next = 0, channels = 0;  // of the part that is being read
    for (const Piece& piece : found) {
      if (next == 0) parts.push_back(piece.value);
      if (piece.value != parts.back() || piece.first != next ||
          piece.first_row != found[0].first_row || piece.rows != found[0].rows) {
        break;
      }
      next += piece.channels;
      channels += piece.channels;
      if (next == shape(piece.value)[1]) next = 0;
    }
    if (parts.empty() || next != 0 || channels != tensor.channels) {
      refuse(fmt::format("at word {:#x} lie {} of the {} channels it reads{}", tensor.address,
                         channels, tensor.channels, width_hint()));
    }
    return {parts.size() == 1 ? parts[0] : concat(parts), found[0].first_row, found[0].rows};
  }

  std::string width_hint() const {
    if (!geometry_.width_aligned()) return "";
    return fmt::format(" (as an array of {} pixels has them)", machine_.array.rows);
  }

  Found all_of(ValueId value) const { return {value, 0, shape(value)[2]}; }

  ValueId concat(const std::vector<ValueId>& parts) {
    const auto known = concats_.find(parts);
    if (known != concats_.end()) return known->second;
    for (const ValueId part : parts) {
      const Shape &a = shape(part), &b = shape(parts[0]);
      if (a[2] != b[2] || a[3] != b[3]) refuse("reads maps of different sizes as one");
    }
    const std::string name = fmt::format("concat{}", concats_.size() + 1);
    return concats_[parts] = node(name, Concat{}, parts);
  }

  // --- nodes ----------------------------------------------------------------------------------

  // Layers keep their names whatever is made beside them.
  void reserve_names() {
    for (const ListedStep& step : steps_) {
      const Unit unit = unit_of(step.instruction);
      if (unit == Unit::Download || unit == Unit::Upload) continue;
      reserved_.insert(step.layer);
      if (const Field* conv = step.entry->find("conv_name")) reserved_.insert(conv->value);
    }
  }

  // Further layers of one name are marked: replay knows (replay_values.cpp).
  std::string unique_name(std::string name) {
    if (name.empty()) name = "layer";
    while (!names_.insert(name).second) name += "'";
    return name;
  }

  Shape shape_of(const Node& made) const {
    try {
      return output_shapes(graph_, made).at(0);
    } catch (const Error& error) {
      refuse(error.what());
    }
  }

  ValueId node(const std::string& name, Op op, std::vector<ValueId> inputs) {
    const std::string unique = unique_name(name);
    Node made{.name = unique, .op = std::move(op), .inputs = std::move(inputs)};
    made.outputs = {graph_.add_value({.name = unique})};
    graph_.value(made.outputs[0]).shape = shape_of(made);
    graph_.nodes.push_back(std::move(made));
    return graph_.nodes.back().outputs[0];
  }

  void expect(ValueId value, std::int64_t channels, std::int64_t height, std::int64_t width) const {
    const Shape expected{1, channels, height, width};
    if (shape(value) == expected) return;
    refuse(fmt::format("expected a result {}, its own numbers give {}",
                       workbench::to_string(expected), workbench::to_string(shape(value))));
  }

  // Uniform with the deviation sqrt(2 / fan in) that keeps activations behind ReLUs level.
  ValueId weights(const std::string& name, Shape shape, std::int64_t fan_in) {
    Tensor tensor = Tensor::uninitialized(ElementType::Float32, std::move(shape), Layout::Oihw);
    const double range = std::sqrt(6.0 / static_cast<double>(fan_in));
    for (float& w : tensor.mutable_values<float>()) {
      const double unit = static_cast<double>(random_() >> 11) * 0x1p-53;
      w = static_cast<float>((2 * unit - 1) * range);
    }
    return graph_.add_constant(unique_name(name + "/weights"), std::move(tensor));
  }

  ValueId bias(const std::string& name, std::int64_t channels) {
    Tensor tensor = Tensor::uninitialized(ElementType::Float32, {channels});
    for (float& b : tensor.mutable_values<float>()) {
      b = static_cast<float>(static_cast<double>(random_() >> 11) * 0x1p-53 - 0.5) * 0.1F;
    }
    return graph_.add_constant(unique_name(name + "/bias"), std::move(tensor));
  }

  // --- operands and results -------------------------------------------------------------------

  // Where the entry's result begins in its first word, and where it lies.
  void result(const Found& found, const Instruction& instruction) {
    AmTensor tensor = am_operands({.instruction = instruction}, machine_).results.at(0);
    if (const auto start = crossbar_start(listing_, *step_->entry); start && *start > 0) {
      tensor.start_channel = *start;
      tensor.layout = plain_layout(*start + tensor.channels, geometry_);
    }
    tensor.height = found.rows;
    put(found, tensor);
  }

  Found source(const Instruction& instruction, std::size_t i = 0) {
    const Tail& t = tail(instruction);
    if (t.source_in_ddr) {
      const DdrTensor from = ddr_sources(instruction).at(i);
      return all_of(from_ddr(t, from.address, from.channels, from.height, from.width));
    }
    return get(am_operands({.instruction = instruction}, machine_).sources.at(i));
  }

  ValueId new_input(std::int64_t channels, std::int64_t height, std::int64_t width,
                    const std::string& listed) {
    std::string name = listed.empty() || reserved_.contains(listed) ? "data" : listed;
    const std::string base = name;
    for (int i = 2; reserved_.contains(name) || names_.contains(name); ++i) {
      name = fmt::format("{}{}", base, i);
    }
    names_.insert(name);
    const Shape shape{1, channels, height, width};
    graph_.inputs.push_back(graph_.add_value({.name = name, .shape = shape}));
    return graph_.inputs.back();
  }

  // The network's input that the host puts to a DDR address.
  ValueId input(std::int64_t address, std::int64_t channels, std::int64_t height,
                std::int64_t width) {
    const auto key = std::pair(address, Shape{1, channels, height, width});
    const auto known = inputs_.find(key);
    if (known != inputs_.end()) return known->second;
    return inputs_[key] = new_input(channels, height, width, listed_input(listing_, address));
  }

  // What DDR holds for an instruction of these sizes: what was put there, or an input.
  ValueId from_ddr(const Tail& tail, std::int64_t address, std::int64_t channels,
                   std::int64_t height, std::int64_t width) {
    const Shape wanted{1, channels, height, width};
    if (tail.source_from_image_queue) {  // of slice 1: what slice 0 has left there
      if (tail.slice == 1 && between_ != kNoValue && shape(between_) == wanted) return between_;
      return input(address, channels, height, width);
    }
    const auto stored = in_ddr_.find(address);
    if (stored == in_ddr_.end()) return input(address, channels, height, width);
    if (shape(stored->second) != wanted) {
      refuse(fmt::format("at DDR address {:#x} lies {}, found {}", address,
                         workbench::to_string(shape(stored->second)),
                         workbench::to_string(wanted)));
    }
    return stored->second;
  }

  void to_ddr(const Tail& tail, std::int64_t address, ValueId value) {
    if (!tail.destination_from_image_queue) {
      in_ddr_[address] = value;
      return;
    }
    if (tail.slice == 0) {
      between_ = value;
    } else if (std::count(graph_.outputs.begin(), graph_.outputs.end(), value) == 0) {
      graph_.outputs.push_back(value);
    }
  }

  // Where the value of a whole layer goes, or the rows of it that a piece computes.
  void finish(const Found& found, const Instruction& instruction) {
    const Tail& t = tail(instruction);
    if (!t.destination_in_ddr) return result(found, instruction);
    to_ddr(t, ddr_result({.instruction = instruction}).address, found.value);
  }

  // --- pieces of rows -------------------------------------------------------------------------

  bool is_piece(const Found& x) const { return x.rows != shape(x.value)[2]; }

  // Sizes of the whole layer of which the instruction computes rows.
  template <typename I>
  I whole_layer(const I& op, std::int64_t height) const {
    I whole = op;
    whole.in_h = height;
    whole.pad_h = whole.out_h = 0;
    for (const ListedStep& other : steps_) {
      const I* part = std::get_if<I>(&other.instruction);
      if (part == nullptr || other.layer != step_->layer) continue;
      whole.pad_h = std::max(whole.pad_h, part->pad_h);
      whole.out_h += part->out_h;
    }
    return whole;
  }

  // The rows of the layer's value that a piece computes from rows `x`.
  Found rows_of(ValueId layer, const Found& x, const auto& op, std::int64_t pad) const {
    const std::int64_t reach = x.first_row + pad - op.pad_h;
    const Found rows{layer, reach / op.stride_h, op.out_h};
    if (reach % op.stride_h != 0 || reach < 0 || rows.first_row + rows.rows > shape(layer)[2]) {
      refuse(fmt::format("rows {} to {} of its operand begin no row of its result", x.first_row,
                         x.first_row + x.rows - 1));
    }
    return rows;
  }

  // The value of the whole layer; `make` adds it for the first of its pieces.
  ValueId layer_value(auto&& make) {
    const auto key = std::pair(step_->entry->opcode, step_->layer);
    const auto known = row_layers_.find(key);
    if (known != row_layers_.end()) return known->second;
    return row_layers_[key] = make();
  }

  // --- instructions ---------------------------------------------------------------------------

  // The node of a convolution, without the pool that may be behind it.
  ValueId convolution(const Conv& op, const std::string& name, ValueId x) {
    Shape filters{op.out_ch, op.in_ch, op.kernel_h, op.kernel_w};
    if (op.transposed) std::swap(filters[0], filters[1]);
    std::vector<ValueId> inputs{
        x, weights(name, std::move(filters), op.in_ch * op.kernel_h * op.kernel_w)};
    if (op.bias) inputs.push_back(bias(name, op.out_ch));
    Op made = op_of(layer_of(op));
    if (op.prelu) {  // its slopes are the quantizer's
      if (op.relu) refuse("fields relu prelu: expected one of them, found 1 1");
      const Activation slope{.kind = Activation::Kind::LeakyRelu, .alpha = 0.1F};
      if (auto* conv = std::get_if<workbench::Conv>(&made)) conv->activation = slope;
      if (auto* conv = std::get_if<ConvTranspose>(&made)) conv->activation = slope;
    }
    const ValueId y = node(name, std::move(made), std::move(inputs));
    expect(y, op.out_ch, op.out_h, op.out_w);
    return y;
  }

  void add(const Conv& op) {
    const Found x = source(op);
    if (!is_piece(x)) return finish(all_of(convolution(op, step_->layer, x.value)), op);
    if (op.transposed) refuse("row pieces of a deconvolution are not replayed");
    const Conv whole = whole_layer(op, shape(x.value)[2]);
    const ValueId y = layer_value([&] { return convolution(whole, step_->layer, x.value); });
    finish(rows_of(y, x, op, whole.pad_h), op);
  }

  void add(const ConvPool& op) {
    const Field* conv_name = step_->entry->find("conv_name");
    const std::string own = step_->layer;
    const std::string name = conv_name != nullptr ? conv_name->value : own;
    const Found x = source(op);
    if (is_piece(x)) refuse("row pieces of a convolution with a pool are not replayed");
    const ValueId middle = convolution(op.conv, name, x.value);
    const ValueId y = node(own == name ? name + "/pool" : own, pool_of(layer_of(op)), {middle});
    expect(y, op.conv.out_ch, op.out_h, op.out_w);
    finish(all_of(y), op);
  }

  void add(const Pool& op) {
    const Found x = source(op);
    const auto make = [&](const Pool& whole) {
      Layer layer = layer_of(whole);
      if (whole.tail.pre_relu) {  // a lone ReLU, as a 1x1 pool
        return node(step_->layer, Activate{{.kind = Activation::Kind::Relu}}, {x.value});
      }
      const ValueId y = node(step_->layer, op_of(layer), {x.value});
      expect(y, whole.channels, whole.out_h, whole.out_w);
      return y;
    };
    if (!is_piece(x)) return finish(all_of(make(op)), op);
    const Pool whole = whole_layer(op, shape(x.value)[2]);
    const ValueId y = layer_value([&] { return make(whole); });
    finish(rows_of(y, x, op, whole.pad_h), op);
  }

  void add(const Eltwise& printed) {
    Eltwise op = printed;
    op.height = std::min(op.height, rows_at(op));
    const Found a = source(op, 0), b = source(op, 1);
    if (a.first_row != b.first_row || a.rows != b.rows) refuse("its operands are different rows");
    const auto make = [&] { return node(step_->layer, op_of(layer_of(op)), {a.value, b.value}); };
    if (shape(a.value) != shape(b.value)) refuse("its operands are of different sizes");
    if (!is_piece(a)) return finish(all_of(make()), op);
    finish({layer_value(make), a.first_row, a.rows}, op);
  }

  // Rows of the piece that a sum reads: the vendor prints the height of the whole map.
  std::int64_t rows_at(const Eltwise& op) const {
    const std::int64_t word = op.inaddr_a / machine_.word_addresses();
    std::int64_t rows = op.height;
    for (const Piece& piece : pieces_) {
      if (piece.word == word && piece.rows != shape(piece.value)[2]) rows = piece.rows;
    }
    return rows;
  }

  void add(const Upsample& op) {
    const Found x = source(op);
    if (is_piece(x)) refuse("row pieces of an upsampling are not replayed");
    const Layer layer = layer_of(op);
    const ValueId y = node(step_->layer, op_of(layer), {x.value});
    expect(y, layer.out.channels, layer.out.height, layer.out.width);
    finish(all_of(y), op);
  }

  void add(const Gather& op) {
    const ValueId value = from_ddr(op.tail, op.ddr_address, op.channels, op.height, op.width);
    result({value, op.start_row, op.end_row - op.start_row + 1}, op);
  }

  void add(const Scatter& op) {
    const Found found = source(op);
    const Shape& whole = shape(found.value);
    if (found.first_row != op.start_row || whole[2] != op.height || whole[3] != op.width) {
      refuse(fmt::format(
          "rows {} to {} of {}: at its address lie rows {} to {} of {}", op.start_row, op.end_row,
          workbench::to_string(Shape{1, op.channels, op.height, op.width}), found.first_row,
          found.first_row + found.rows - 1, workbench::to_string(whole)));
    }
    to_ddr(op.tail, op.ddr_address, found.value);
  }

  // Results that no instruction takes anywhere are the host's, too.
  void add_unread() {
    const auto readers = consumers(graph_);
    for (const Node& made : graph_.nodes) {
      const ValueId value = made.outputs[0];
      const bool taken = !readers[static_cast<std::size_t>(value)].empty() ||
                         std::count(graph_.outputs.begin(), graph_.outputs.end(), value) > 0;
      if (!taken) graph_.outputs.push_back(value);
    }
  }

  const Listing& listing_;
  const Machine& machine_;
  Geometry geometry_;
  std::vector<ListedStep> steps_;
  std::mt19937_64 random_;
  const ListedStep* step_ = nullptr;
  Graph graph_;
  std::vector<Piece> pieces_;
  std::set<std::string> names_, reserved_;
  std::map<std::vector<ValueId>, ValueId> concats_;
  std::map<std::pair<std::string, std::string>, ValueId> row_layers_;  // by opcode and layer
  std::map<std::pair<std::int64_t, Shape>, ValueId> inputs_;           // by DDR address
  std::map<std::int64_t, ValueId> in_ddr_;  // by the listing's DDR address
  ValueId between_ = kNoValue;              // what slice 0 leaves to slice 1
};

}  // namespace

Graph network_of(const Listing& listing, const Machine& machine, std::uint64_t seed) {
  return Rebuilding(listing, machine, seed).run();
}

}  // namespace workbench::xdnn
