// Integer graph -> Network: one Layer per kernel-shaped node, concat as placement, reshapes as
// views, grouped convolutions as one layer per group.
#include <algorithm>
#include <functional>
#include <map>

#include "compiler/pulp/layer.h"
#include "compiler/pulp/layer_parts.h"
#include "compiler/pulp/row_order.h"
#include "core/error.h"
#include "core/units.h"

namespace workbench::pulp {
namespace {

class Layers {
 public:
  Layers(const Graph& graph, const Machine& machine, NormBits norm_bits, NormStyle norms)
      : graph_(graph),
        machine_(machine),
        norm_bits_(norm_bits),
        norms_(norms),
        of_(graph.values.size(), -1),
        row_orders_(rows_as_maps(graph)),
        readers_(consumers(graph)) {}

  Network run() {
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      const Node& node = graph_.nodes[n];
      node_ = &node;
      index_ = n;
      on_cluster(graph_, node) ? cluster_node(node) : host_node(node);
    }
    resolve_parts();
    separate_flattened_parts();
    check_parts();
    return std::move(network_);
  }

 private:
  std::string here() const { return where(graph_, *node_); }
  const Value& value(ValueId id) const { return graph_.value(id); }
  FeatureMap like(ValueId id) const { return activation_like(value(id), here()); }
  FeatureMap& activation(std::int32_t a) {
    return network_.activations[static_cast<std::size_t>(a)];
  }
  std::int32_t add(FeatureMap a) {
    network_.activations.push_back(std::move(a));
    return static_cast<std::int32_t>(network_.activations.size()) - 1;
  }
  void set(ValueId id, std::int32_t a) {
    of_[static_cast<std::size_t>(id)] = a;
    network_.values.emplace_back(id, a);
  }
  std::int32_t operand(std::size_t i) const {
    const std::int32_t a = of_[static_cast<std::size_t>(node_->inputs.at(i))];
    CHECK(a >= 0, "'{}' of '{}' is no activation", value(node_->inputs[i]).name, node_->name);
    return a;
  }
  // Channels [first, first + channels) of an activation.
  std::int32_t view(std::int32_t whole, std::int64_t first, std::int64_t channels) {
    FeatureMap a = activation(whole);
    a.value.clear();
    a.channels = channels, a.whole = whole, a.first_channel = first;
    return add(std::move(a));
  }
  // A value in the order in memory that its readers want.
  FeatureMap ordered(ValueId id) const {
    FeatureMap a = like(id);
    const auto& order = row_orders_[static_cast<std::size_t>(id)];
    if (order) a.channels = order->channels, a.height = order->height, a.width = order->width;
    return a;
  }
  std::int32_t result() {
    const std::int32_t a = add(like(node_->outputs[0]));
    set(node_->outputs[0], a);
    return a;
  }

  void host_node(const Node& node) {
    network_.host_nodes.push_back(index_);
    for (const ValueId id : node.outputs) {
      if (id != kNoValue && is_integer(value(id))) set(id, add(ordered(id)));
    }
  }

  void cluster_node(const Node& node) {
    if (const auto* conv = std::get_if<workbench::Conv>(&node.op)) return convolution(*conv);
    if (const auto* gemm = std::get_if<Gemm>(&node.op)) {
      if (gemm->transpose_a || gemm->alpha != 1 || gemm->beta != 1) {
        fail("{}: alpha {}, beta {}, transA {}: expected 1, 1, 0", here(), gemm->alpha, gemm->beta,
             gemm->transpose_a);
      }
      return matrix(gemm->transpose_b);
    }
    if (std::holds_alternative<MatMul>(node.op)) return matrix(false);
    if (const auto* pool = std::get_if<MaxPool>(&node.op)) return max_pool(pool->window);
    if (const auto* pool = std::get_if<AveragePool>(&node.op)) return average_pool(pool->window);
    if (const auto* sum = std::get_if<Binary>(&node.op)) return addition(*sum);
    if (std::holds_alternative<Concat>(node.op)) return concat(std::get<Concat>(node.op));
    if (std::holds_alternative<Identity>(node.op) && node.affine) return rescaling();
    if (std::holds_alternative<Identity>(node.op) || std::holds_alternative<Reshape>(node.op)) {
      return rename();
    }
    fail("{}: no kernel of the cluster computes it, and the host has no codes to work on", here());
  }

  // The same elements, as a value of another shape.
  void rename() {
    const ValueId out = node_->outputs[0];
    const FeatureMap from = activation(operand(0)), to = like(out);
    const bool is_row = value(out).shape.size() == 2 && to.channels > 1;
    const bool same =
        from.channels == to.channels && from.height == to.height && from.width == to.width;
    if (is_row || same || !read_as_map(out)) return set(out, operand(0));
    if (from.channels != to.channels) return host_node(*node_);
    const std::int32_t lines = view(operand(0), 0, from.channels);
    activation(lines).height = to.height, activation(lines).width = to.width;
    set(out, lines);
  }

  // By a layer: the host reads elements one by one.
  bool read_as_map(ValueId id) const {
    const auto& read_by = readers_[static_cast<std::size_t>(id)];
    return std::any_of(read_by.begin(), read_by.end(),
                       [&](std::size_t n) { return on_cluster(graph_, graph_.nodes[n]); });
  }

  const AffineRequantize& affine() const {
    if (!node_->affine) fail("{}: says not how its result becomes codes", here());
    return *node_->affine;
  }

  Layer layer(Family kind, std::int32_t in, std::int32_t out) {
    Layer made;
    made.name = node_->name, made.merged = node_->merged;
    made.node = index_, made.family = kind;
    made.in = in, made.out = out;
    const FeatureMap& from = activation(in);
    const FeatureMap& to = activation(out);
    if (from.bits == 32 && !traits(kind).wide_in) {
      fail("{}: reads '{}', which has 32 bits: kernels read 8, 4 or 2", here(), from.value);
    }
    Kernel& call = made.call;
    call.in_c = from.channels, call.in_h = from.height, call.in_w = from.width;
    call.out_c = to.channels, call.out_h = to.height, call.out_w = to.width;
    call.in_bits = from.bits, call.in_signed = from.is_signed;
    call.out_bits = to.bits, call.out_signed = to.is_signed;
    return made;
  }

  // The layer's map has the shape that the graph says: views of another are for layers that take
  // every element alike.
  void check_map(std::int32_t a, ValueId id) {
    const FeatureMap shape = like(id);
    const FeatureMap& map = activation(a);
    if (map.channels != shape.channels || map.height != shape.height || map.width != shape.width) {
      fail("{}: '{}' is a view of '{}' in another order of channels", here(), value(id).name,
           map.value);
    }
  }

  // What the codes of each channel can be, or of all channels.
  std::vector<Values> codes_of(std::int32_t a) const {
    const auto known = codes_.find(a);
    if (known != codes_.end()) return known->second;
    const FeatureMap& map = network_.activations[static_cast<std::size_t>(a)];
    if (map.whole < 0) return {code_range(map)};
    std::vector<Values> whole = codes_of(map.whole);
    if (whole.size() == 1) return whole;
    const auto first = whole.begin() + map.first_channel;
    return {first, first + map.channels};
  }
  void set_codes(std::int32_t a, std::vector<Values> ranges) {
    const FeatureMap& map = activation(a);
    if (map.bits == 32) return;
    if (static_cast<std::int64_t>(ranges.size()) != map.channels) ranges = {hull(ranges)};
    if (map.whole < 0) {
      codes_[a] = std::move(ranges);
      return;
    }
    const FeatureMap& whole = activation(map.whole);
    std::vector<Values>& all = codes_[map.whole];
    if (all.empty()) all.assign(static_cast<std::size_t>(whole.channels), code_range(whole));
    for (std::int64_t c = 0; c < map.channels && all.size() > 1; ++c) {
      all[static_cast<std::size_t>(map.first_channel + c)] =
          ranges.size() == 1 ? ranges.front() : ranges[static_cast<std::size_t>(c)];
    }
  }

  // Ranges of the input channels as the layer's weights name them; one where all are taken alike.
  std::vector<Values> inputs_of(const Layer& layer) const {
    std::vector<Values> ranges = codes_of(layer.in);
    const Kernel& call = layer.call;
    const FeatureMap& map = network_.activations[static_cast<std::size_t>(layer.in)];
    const bool rows = layer.family == Family::Pointwise && map.channels != call.in_c;
    if (rows) ranges = {hull(ranges)};
    if (call.pad_top + call.pad_bottom + call.pad_left + call.pad_right == 0) return ranges;
    for (Values& range : ranges) {
      range = {std::min<std::int64_t>(range.low, 0), std::max<std::int64_t>(range.high, 0)};
    }
    return ranges;
  }

  // Of a result whose accumulators, bias not included, can be `ranges`. Where 32 bits may wrap,
  // codes are what they happen to be.
  void note_codes(const Layer& made, const AffineRequantize& affine,
                  const std::vector<Values>& ranges) {
    if (norm_bits_ == NormBits::Bits32 || made.call.out_bits == 32) return;
    std::vector<Values> codes;
    for (std::size_t c = 0; c < ranges.size(); ++c) {
      const std::int64_t bias = made.bias.empty() ? 0 : made.bias[c];
      codes.push_back(
          rescaled_codes(affine, c, {ranges[c].low + bias, ranges[c].high + bias}, made.call));
    }
    const FeatureMap& out = activation(made.out);
    const bool ordered = out.height * out.width == 1 || !traits(made.family).vector;
    set_codes(made.out, ordered ? std::move(codes) : std::vector{hull(codes)});
  }
  void note_elementwise(const Layer& made, const AffineRequantize& affine, const Values& range) {
    const std::size_t channels = std::max(affine.multiplier.size(), affine.offset.size());
    note_codes(made, affine, std::vector<Values>(channels, range));
  }

  // What an int32 result can be, for those who rescale it.
  void note_words(std::int32_t a, const Values& range) {
    if (activation(a).bits == 32) words_[a] = range;
  }

  void finish(Layer made, std::int64_t parts = 1) {
    made.macs = macs(graph_, *node_) / parts;
    made.ops = layer_ops(graph_, *node_) / parts;
    network_.layers.push_back(std::move(made));
  }

  // Empty where there is none, or nothing but zeros.
  std::vector<std::int32_t> bias(std::int64_t channels) const {
    if (node_->inputs.size() < 3 || node_->inputs[2] == kNoValue) return {};
    const std::vector<std::int64_t> wide =
        integers(value(node_->inputs[2]), {-(std::int64_t{1} << 31), (std::int64_t{1} << 31) - 1});
    std::vector<std::int32_t> list(wide.begin(), wide.end());
    if (list.size() == 1) list.resize(static_cast<std::size_t>(channels), list[0]);
    CHECK(static_cast<std::int64_t>(list.size()) == channels, "'{}'", node_->name);
    const bool zero = std::all_of(list.begin(), list.end(), [](std::int32_t b) { return b == 0; });
    return zero ? std::vector<std::int32_t>{} : list;
  }

  void convolution(const workbench::Conv& conv) {
    check_map(operand(0), node_->inputs[0]);
    const std::int32_t in = operand(0), out = result();
    const std::int64_t in_c = activation(in).channels, out_c = activation(out).channels;
    const bool depthwise = conv.groups == in_c && conv.groups == out_c && in_c > 1;
    // The library's depthwise kernels have no dilation, and the DMA turns maps around by bytes.
    Kernel window;
    set_window(window, conv.window);
    const bool dilated = window.dilation_x != 1 || window.dilation_y != 1;
    if (depthwise && !dilated && activation(in).bits == 8) {
      return group(conv, layer(Family::Depthwise, in, out), 0, 1);
    }
    if (depthwise) return dense(conv, layer(Family::Conv, in, out));
    for (std::int64_t g = 0; g < conv.groups; ++g) {
      const std::int64_t ins = in_c / conv.groups, outs = out_c / conv.groups;
      const std::int32_t from = conv.groups == 1 ? in : view(in, g * ins, ins);
      const std::int32_t to = conv.groups == 1 ? out : view(out, g * outs, outs);
      group(conv, layer(Family::Conv, from, to), g, conv.groups);
    }
  }

  void group(const workbench::Conv& conv, Layer made, std::int64_t g, std::int64_t groups) {
    Kernel& call = made.call;
    if (groups > 1) made.name += fmt::format(" (group {})", g);
    set_window(call, conv.window);
    if (!conv.window.pads_end.empty()) made.pad_bottom = conv.window.pads_end.front();
    const bool unpadded =
        call.pad_top == 0 && call.pad_bottom == 0 && call.pad_left == 0 && call.pad_right == 0;
    if (made.family == Family::Conv && unpadded && call.kernel_h * call.kernel_w == 1 &&
        call.stride_x * call.stride_y == 1) {
      made.family = Family::Pointwise;
    }
    const Value& weights = value(node_->inputs.at(1));
    call.weight_bits = weight_bits(weights);
    made.weights = conv_weights(weights, g * call.out_c, call.out_c);
    const std::vector<std::int32_t> all = bias(call.out_c * groups);
    if (!all.empty()) {
      made.bias.assign(all.begin() + g * call.out_c, all.begin() + (g + 1) * call.out_c);
    }
    scale_and_finish(std::move(made), g * call.out_c, groups);
  }

  // A depthwise convolution as one of all channels, most of whose weights are 0.
  void dense(const workbench::Conv& conv, Layer made) {
    set_window(made.call, conv.window);
    const Value& weights = value(node_->inputs.at(1));
    made.call.weight_bits = weight_bits(weights);
    const std::vector<std::int8_t> own = conv_weights(weights, 0, made.call.out_c);
    const std::int64_t area = made.call.kernel_h * made.call.kernel_w, channels = made.call.in_c;
    made.weights.assign(static_cast<std::size_t>(channels * area * channels), 0);
    for (std::int64_t c = 0; c < channels; ++c) {
      for (std::int64_t tap = 0; tap < area; ++tap) {
        made.weights[static_cast<std::size_t>((c * area + tap) * channels + c)] =
            own[static_cast<std::size_t>(c * area + tap)];
      }
    }
    made.bias = bias(made.call.out_c);
    scale_and_finish(std::move(made), 0, 1);
  }

  void scale_and_finish(Layer made, std::int64_t first, std::int64_t groups) {
    AffineRequantize own = affine();
    for (auto* list : {&own.multiplier, &own.offset}) {
      if (list->size() == 1 || groups == 1) continue;
      *list = {list->begin() + first, list->begin() + first + made.call.out_c};
    }
    std::vector<Values> ranges = accumulator_ranges(made.weights, made.call.out_c, inputs_of(made),
                                                    traits(made.family).by_channel);
    note_codes(made, own, ranges);
    note_words(made.out, set_rescaling(made, own, std::move(ranges), {norm_bits_, norms_}, here()));
    if (made.family == Family::Linear) write_in_order_of(activation(made.out), made);
    finish(std::move(made), groups);
  }

  void matrix(bool transposed) {
    const Value& weights = value(node_->inputs.at(1));
    const std::int32_t in = operand(0), out = add(ordered(node_->outputs[0]));
    set(node_->outputs[0], out);
    const std::int64_t ins = weights.shape[transposed ? 1 : 0];
    const std::int64_t rows = element_count(value(node_->inputs[0]).shape) / ins;
    Layer made = layer(rows == 1 ? Family::Linear : Family::Pointwise, in, out);
    Kernel& call = made.call;
    call.in_c = ins, call.in_h = rows, call.in_w = 1;
    call.out_c = weights.shape[transposed ? 0 : 1], call.out_h = rows, call.out_w = 1;
    call.weight_bits = weight_bits(weights);
    FeatureMap order = activation(in);
    if (rows > 1) {
      const std::int64_t out_bits = activation(out).bits;
      if (order.channels != 1 || order.bits != 8 || (out_bits != 8 && out_bits != 32)) {
        fail("{}: a matrix of {} rows must be of 8-bit codes, row by row", here(), rows);
      }
      order.width = ins, order.height = 1;
    } else if (order.bits != 8 && order.channels * order.bits % 8 != 0 &&
               order.height * order.width > 1) {
      fail("{}: flattens '{}', whose pixels of {} codes of {} bits end inside a byte", here(),
           order.value, order.channels, order.bits);
    }
    made.weights = linear_weights(weights, transposed, order);
    made.bias = bias(call.out_c);
    scale_and_finish(std::move(made), 0, 1);
  }

  void check_pool(const Window& window) const {
    for (const std::int64_t dilation : window.dilations) {
      if (dilation != 1) fail("{}: dilation {}, pools have none", here(), dilation);
    }
  }

  // Channels of a pool that is computed in several layers, as a window of all is larger than L1;
  // both buffers of it and of the results fit then. All channels where that is not needed. A window
  // that passes through L1 in pieces (Tiling::passes) has to fit L2.
  std::int64_t channels_at_once(Family family, std::int32_t in, const Window& window) {
    const FeatureMap& map = activation(in);
    const std::int64_t each = element_count(window.kernel) + 1;
    const auto fitting = [&](std::int64_t bytes) {
      return bytes / (2 * each) / kChannelStep * kChannelStep;
    };
    if (map.channels * each <= machine_.l1.buffer_bytes) return map.channels;
    std::int64_t count = fitting(machine_.l1.buffer_bytes);
    if (count == 0 && traits(family).partial) count = fitting(machine_.l2.buffer_bytes);
    return std::min(map.channels, std::max(kChannelStep, count));
  }

  void pool(Family family, const Window& window, const std::function<void(Layer&)>& set_numbers) {
    check_pool(window);
    check_map(operand(0), node_->inputs[0]);
    const std::int32_t in = operand(0), out = result();
    const std::int64_t channels = activation(in).channels,
                       step = channels_at_once(family, in, window);
    const std::int64_t parts = ceil_div(channels, step);
    for (std::int64_t first = 0; first < channels; first += step) {
      const std::int64_t count = std::min(step, channels - first);
      const std::int32_t from = parts == 1 ? in : view(in, first, count);
      const std::int32_t to = parts == 1 ? out : view(out, first, count);
      Layer made = layer(family, from, to);
      if (parts > 1) made.name += fmt::format(" (channels {} to {})", first, first + count - 1);
      set_window(made.call, window);
      set_numbers(made);
      finish(std::move(made), parts);
    }
  }

  void max_pool(const Window& window) {
    pool(Family::MaxPool, window, [this](Layer& made) { set_codes(made.out, codes_of(made.in)); });
  }

  void average_pool(const Window& window) {
    pool(Family::AveragePool, window, [this](Layer& made) {
      set_average(made, affine(), code_range(activation(made.in)), here());
    });
  }

  // Elementwise layers: the result has its operand's layout, and a matrix of several rows is as
  // many pixels.
  Layer elementwise(Family kind, std::int32_t in) {
    FeatureMap shape = activation(in);
    const FeatureMap own = like(node_->outputs[0]);
    shape.value = own.value, shape.bits = own.bits, shape.is_signed = own.is_signed;
    shape.whole = -1, shape.first_channel = 0;
    const std::int32_t out = add(std::move(shape));
    set(node_->outputs[0], out);
    return layer(kind, in, out);
  }

  void addition(const Binary& sum) {
    const std::int32_t in = operand(0), in2 = operand(1);
    const FeatureMap &a = activation(in), &b = activation(in2);
    if (sum.kind != Binary::Kind::Add) fail("{}: kernels add codes, nothing else", here());
    if (a.channels != b.channels || a.height != b.height || a.width != b.width ||
        a.bits != b.bits) {
      fail("{}: operands '{}' and '{}' are not of one shape and width", here(), a.value, b.value);
    }
    Layer made = elementwise(Family::Add, in);
    made.in2 = in2;
    made.call.in2_signed = activation(in2).is_signed;
    affine();  // must be there
    note_words(made.out, set_add(made, *node_, code_range(activation(in)),
                                 code_range(activation(in2)), here()));
    finish(std::move(made));
  }

  void rescaling() {
    const std::int32_t in = operand(0);
    Layer made = elementwise(Family::Requantize, in);
    const FeatureMap shape = like(node_->inputs[0]);
    const bool by_channel = affine().multiplier.size() > 1 || affine().offset.size() > 1;
    if (by_channel && activation(in).height * activation(in).width > 1) {
      check_map(in, node_->inputs[0]);
      if (shape.channels == 1)
        made.call.in_c = made.call.out_c = shape.width, made.call.in_w = made.call.out_w = 1;
    }
    const auto known = words_.find(in);
    const Values range = known == words_.end() ? code_range(activation(in)) : known->second;
    set_rescaling(made, affine(),
                  std::vector<Values>(static_cast<std::size_t>(made.call.out_c), range),
                  {norm_bits_, norms_}, here());
    note_elementwise(made, affine(), range);
    finish(std::move(made));
  }

  // A copy of an activation's codes, for places that want one of their own.
  Layer copy_layer(std::int32_t in, std::int32_t out, const std::string& name) {
    Layer made = layer(Family::Requantize, in, out);
    made.name = name;
    made.merged.clear();
    return made;
  }

  // A fully connected layer writes its result as one run of bytes.
  bool is_closely_packed(std::int32_t a) {
    if (activation(a).height * activation(a).width == 1) return false;
    return std::any_of(network_.layers.begin(), network_.layers.end(), [&](const Layer& layer) {
      return layer.out == a && traits(layer.family).vector;
    });
  }

  // Parts of which another place has been found already are copied.
  void concat(const Concat& op) {
    const std::int64_t rank = static_cast<std::int64_t>(value(node_->outputs[0]).shape.size());
    if (op.axis != 1 && op.axis != 1 - rank) {
      fail("{}: joins axis {}, only channels (axis 1) can lie side by side", here(), op.axis);
    }
    const std::int32_t whole = result();
    std::vector<Values> codes;
    std::int64_t first = 0;
    for (std::size_t i = 0; i < node_->inputs.size(); ++i) {
      std::int32_t part = operand(i);
      check_map(part, node_->inputs[i]);
      if (activation(part).bits != activation(whole).bits ||
          activation(part).is_signed != activation(whole).is_signed) {
        fail("{}: '{}' and the result are of different codes", here(), activation(part).value);
      }
      if (activation(part).whole >= 0 || is_closely_packed(part)) {
        const std::int32_t copy = view(part, 0, activation(part).channels);
        network_.layers.push_back(
            copy_layer(part, copy, fmt::format("{} (copy {})", node_->name, i)));
        part = copy;
      }
      std::vector<Values> own = codes_of(part);
      own.resize(static_cast<std::size_t>(activation(part).channels), own.front());
      codes.insert(codes.end(), own.begin(), own.end());
      activation(part).whole = whole;
      activation(part).first_channel = first;
      first += activation(part).channels;
    }
    codes_[whole] = std::move(codes);
  }

  // Parts of parts become parts of the outermost.
  void resolve_parts() {
    for (FeatureMap& a : network_.activations) {
      while (a.whole >= 0 && activation(a.whole).whole >= 0) {
        const FeatureMap& outer = activation(a.whole);
        a.first_channel += outer.first_channel;
        a.whole = outer.whole;
      }
    }
  }

  // A fully connected layer reads its input as one run of bytes.
  void separate_flattened_parts() {
    std::vector<Layer> layers;
    for (Layer& made : network_.layers) {
      const FeatureMap in = activation(made.in);
      if (traits(made.family).vector && in.whole >= 0 && in.height * in.width > 1) {
        node_ = &graph_.nodes[made.node];
        FeatureMap own = in;
        own.value.clear();
        own.whole = -1, own.first_channel = 0;
        const std::int32_t copy = add(own);
        layers.push_back(copy_layer(made.in, copy, made.name + " (copy)"));
        layers.back().node = made.node;
        made.in = copy;
      }
      layers.push_back(std::move(made));
    }
    network_.layers = std::move(layers);
  }

  void check_parts() const {
    for (const FeatureMap& a : network_.activations) {
      if (a.whole < 0) continue;
      const auto& whole = network_.activations[static_cast<std::size_t>(a.whole)];
      if (a.first_channel * a.bits % 8 == 0 && a.channels * a.bits % 8 == 0) continue;
      fail(
          "{}: '{}' begins or ends inside a byte of '{}', which it is joined to: channels {} to {} "
          "of {} bits each; expected multiples of {}: give the parts other numbers of "
          "channels, or the join codes of 8 bits (--layer NAME:activation-bits=8)",
          graph_.name, a.value, whole.value, a.first_channel, a.first_channel + a.channels - 1,
          a.bits, 8 / a.bits);
    }
  }

  const Graph& graph_;
  const Machine& machine_;
  NormBits norm_bits_;
  NormStyle norms_;
  Network network_;
  std::vector<std::int32_t> of_;                       // graph value -> activation
  std::map<std::int32_t, std::vector<Values>> codes_;  // of activations that layers make
  std::map<std::int32_t, Values> words_;               // of activations of 32 bits that layers make
  std::vector<std::optional<FeatureMap>> row_orders_;
  std::vector<std::vector<std::size_t>> readers_;  // per value of the graph
  const Node* node_ = nullptr;                     // the one being looked at
  std::size_t index_ = 0;
};

}  // namespace

Network layers_of(const Graph& quantized, const Machine& machine, NormBits norm_bits,
                  NormStyle norms) {
  return Layers(quantized, machine, norm_bits, norms).run();
}

}  // namespace workbench::pulp
