#include "compiler/xdnn/support.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "compiler/passes/passes.h"
#include "compiler/xdnn/fit_limits.h"
#include "compiler/xdnn/layout.h"
#include "isa/xdnn/filters.h"
#include "isa/xdnn/memory.h"

namespace workbench::xdnn {

// --- limits --------------------------------------------------------------------------------------

namespace {

using Reason = std::optional<std::string>;

// The checks of one node; each returns why not, or nothing.
class Support {
 public:
  Support(const Graph& graph, const Node& node, const Machine& machine)
      : graph_(graph), node_(node), machine_(machine) {}

  Reason operator()(const workbench::Conv& op) const {
    if (op.window.kernel.size() != 2) return "only 2-D convolutions";
    if (auto why = constants()) return why;
    if (auto why = window(op.window)) return why;
    if (auto why = activation(op.activation)) return why;
    return filters(op.window, op.groups, out_shape()[1], false);
  }
  Reason operator()(const ConvTranspose& op) const {
    if (machine_.features.deconv == 0) return "the overlay has no deconvolution";
    if (op.window.kernel.size() != 2) return "only 2-D convolutions";
    if (auto why = constants()) return why;
    if (auto why = window(op.window)) return why;
    if (auto why = activation(op.activation)) return why;
    return filters(op.window, op.groups, out_shape()[1], true);
  }
  Reason operator()(const MaxPool& op) const {
    if (node_.outputs.size() > 1) return "the pool engine gives no indices";
    if (op.window.kernel.size() != 2) return "only 2-D pools";
    if (op.window.dilations != std::vector<std::int64_t>{1, 1}) return "no dilated pools";
    return window(op.window);
  }
  Reason operator()(const AveragePool& op) const {
    if (op.window.kernel.size() != 2) return "only 2-D pools";
    if (auto why = window(op.window)) return why;
    if (op.window.dilations != std::vector<std::int64_t>{1, 1}) return "no dilated pools";
    const Shape& in = in_shape();
    for (std::size_t i = 0; i < 2; ++i) {
      const std::int64_t pads = op.window.pads_begin[i] + op.window.pads_end[i];
      if (pads > 0 && !op.count_include_pad) {
        return "the pool engine divides every window by its whole area, padding included";
      }
      const std::int64_t last = (out_shape()[i + 2] - 1) * op.window.strides[i];
      if (last + op.window.kernel[i] > in[i + 2] + pads) {
        return "the last window reaches beyond the padding (ceil mode)";
      }
    }
    return std::nullopt;
  }
  Reason operator()(const Binary& op) const {
    if (op.kind != Binary::Kind::Add) return "the eltwise engine only adds";
    if (graph_.value(node_.inputs[0]).shape != graph_.value(node_.inputs[1]).shape) {
      return "the eltwise engine does not broadcast";
    }
    if (graph_.value(node_.inputs[0]).constant || graph_.value(node_.inputs[1]).constant) {
      return "one operand is a constant map";
    }
    if (op.activation.kind == Activation::Kind::None) return std::nullopt;
    if (op.activation.kind == Activation::Kind::Relu) return std::nullopt;
    if (op.activation.kind == Activation::Kind::Clip) return activation(op.activation);
    return "the eltwise engine only has ReLU";
  }
  Reason operator()(const Activate& op) const {
    if (op.activation.kind == Activation::Kind::Relu) return std::nullopt;
    return "no unit of the overlay computes " + op_name(node_.op);
  }
  Reason operator()(const Concat& op) const {
    for (const ValueId id : node_.inputs) {
      if (graph_.value(id).constant) return "one operand is a constant";
    }
    if (op.axis == 1 || op.axis == -3) return std::nullopt;
    return fmt::format("concat along axis {}, only channels can be concatenated", op.axis);
  }
  Reason operator()(const Resize& op) const { return resize(op); }
  Reason operator()(const Slice& op) const { return slice(op); }
  Reason operator()(const Gemm&) const { return "fully connected layers run on the host"; }
  Reason operator()(const MatMul&) const { return "fully connected layers run on the host"; }
  template <typename Other>
  Reason operator()(const Other&) const {
    return "no unit of the overlay computes " + op_name(node_.op);
  }

  Reason common() const {
    for (const ValueId id : node_.inputs) {
      if (id == kNoValue || graph_.value(id).constant) continue;
      if (auto why = map(graph_.value(id))) return why;
    }
    return map(graph_.value(node_.outputs[0]));
  }

 private:
  const Shape& in_shape() const { return graph_.value(node_.inputs[0]).shape; }
  const Shape& out_shape() const { return graph_.value(node_.outputs[0]).shape; }

  Reason constants() const {
    if (!graph_.value(node_.inputs[1]).constant) return "weights are not constant";
    if (node_.inputs.size() > 2 && node_.inputs[2] != kNoValue &&
        !graph_.value(node_.inputs[2]).constant) {
      return "bias is not constant";
    }
    return std::nullopt;
  }

  // A tensor the activation memory can hold.
  Reason map(const Value& value) const {
    if (value.shape.size() != 4) {
      return fmt::format("'{}' has {} dimensions, not N,C,H,W", value.name, value.shape.size());
    }
    if (value.shape[0] != 1) return fmt::format("batch {} (only 1)", value.shape[0]);
    if (value.type != ElementType::Float32) return "operand is not float32";
    const Machine::Limits& limits = machine_.limits;
    if (value.shape[1] > limits.channels_max) {
      return fmt::format("{} channels, at most {}", value.shape[1], limits.channels_max);
    }
    if (value.shape[2] > limits.side_max || value.shape[3] > limits.side_max) {
      return fmt::format("map {}x{}, sides at most {}", value.shape[2], value.shape[3],
                         limits.side_max);
    }
    return std::nullopt;
  }

  Reason window(const Window& w) const {
    const Machine::Limits& limits = machine_.limits;
    const auto beyond = [](const std::vector<std::int64_t>& list, std::int64_t limit) {
      return std::any_of(list.begin(), list.end(), [&](std::int64_t v) { return v > limit; });
    };
    if (beyond(w.kernel, limits.kernel_max)) {
      return fmt::format("kernel {}x{}, at most {}", w.kernel[0], w.kernel[1], limits.kernel_max);
    }
    if (beyond(w.strides, limits.stride_max)) {
      return fmt::format("stride {}x{}, at most {}", w.strides[0], w.strides[1], limits.stride_max);
    }
    if (beyond(w.dilations, limits.dilation_max)) {
      return fmt::format("dilation {}x{}, at most {}", w.dilations[0], w.dilations[1],
                         limits.dilation_max);
    }
    const auto within = [](const std::vector<std::int64_t>& list, auto&& ok) {
      return std::all_of(list.begin(), list.end(), ok);
    };
    if (!within(w.strides, [&](std::int64_t v) { return limits.stride_ok(v); })) {
      return fmt::format("stride {}x{}, strides are powers of two", w.strides[0], w.strides[1]);
    }
    if (!within(w.dilations, [&](std::int64_t v) { return limits.dilation_ok(v); })) {
      return fmt::format("dilation {}x{}, dilations are powers of two", w.dilations[0],
                         w.dilations[1]);
    }
    const auto negative = [](std::int64_t p) { return p < 0; };
    if (std::any_of(w.pads_begin.begin(), w.pads_begin.end(), negative) ||
        std::any_of(w.pads_end.begin(), w.pads_end.end(), negative)) {
      return "negative padding";
    }
    if (beyond(w.pads_begin, limits.pad_max)) {
      return fmt::format("padding {}x{}, at most {}", w.pads_begin[0], w.pads_begin[1],
                         limits.pad_max);
    }
    return std::nullopt;
  }

  Reason activation(const Activation& a) const {
    switch (a.kind) {
      case Activation::Kind::None:
      case Activation::Kind::Relu:
        return std::nullopt;
      case Activation::Kind::LeakyRelu:
        if (machine_.features.prelu == 0) return "the overlay has no PReLU";
        if (a.alpha >= 0) return std::nullopt;
        return "PReLU slopes must not be negative";
      case Activation::Kind::PRelu:
        if (machine_.features.prelu == 0) return "the overlay has no PReLU";
        if (std::all_of(a.slopes.begin(), a.slopes.end(), [](float s) { return s >= 0; })) {
          return std::nullopt;
        }
        return "PReLU slopes must not be negative";
      case Activation::Kind::Clip:
        if (!a.bounds.empty()) return "one clip bound per channel";
        // Saturation is the clipping: [0, b] as ReLU with threshold b, [-b, b] with threshold b.
        if (a.beta > 0 && std::isfinite(a.beta) && (a.alpha == 0 || a.alpha == -a.beta)) {
          return std::nullopt;
        }
        return fmt::format("clip to [{}, {}] is no saturation", a.alpha, a.beta);
      default:
        return "the array's output stage has no such activation";
    }
  }

  Reason filters(const Window& w, std::int64_t groups, std::int64_t out_channels,
                 bool transposed) const {
    const std::int64_t in_channels = in_shape()[1];
    if (groups > 1) {
      const GroupedShape shape{in_channels,   out_channels,   groups,
                               w.kernel[0],   w.kernel[1],    in_shape()[2],
                               in_shape()[3], out_shape()[2], out_shape()[3]};
      if (!split_groups(shape, machine_).empty()) return std::nullopt;
      return "no legal split of the groups";
    }
    const std::int64_t filter = in_channels * w.kernel[0] * w.kernel[1];
    if (machine_.limits.filter_max > 0 && filter > machine_.limits.filter_max) {
      return fmt::format("filters of {} weights, at most {}", filter, machine_.limits.filter_max);
    }
    // With tiling, the network's input comes from DDR, where every replication is possible.
    const bool tiled = machine_.features.tiling == 1 && !transposed &&
                       std::find(graph_.inputs.begin(), graph_.inputs.end(), node_.inputs[0]) !=
                           graph_.inputs.end();
    const ChannelLayout layout =
        tiled ? ddr_source_layout(in_channels, w.kernel[0], w.kernel[1], machine_)
              : plain_layout(in_channels, machine_.geometry());
    const FilterShape shape{layout, in_channels, out_channels, w.kernel[0], w.kernel[1], false};
    if (filter_mode(shape, machine_).possible) return std::nullopt;
    return fmt::format("{} array steps per pixel, the filter buffers hold {}",
                       array_steps(shape, machine_), machine_.filters.steps_max);
  }

  // Some of the channels, where they begin at an address of their own: a view, nothing moves.
  Reason slice(const Slice& op) const {
    const std::int64_t granule = machine_.geometry().channel_granule();
    if (std::any_of(op.steps.begin(), op.steps.end(), [](std::int64_t s) { return s != 1; })) {
      return "slices have no steps";
    }
    if (in_shape().size() == 4 &&
        (in_shape()[2] != out_shape()[2] || in_shape()[3] != out_shape()[3])) {
      return "only channels can be sliced";
    }
    const std::int64_t first = first_channel(op);
    if (first % granule == 0) return std::nullopt;
    return fmt::format("slice from channel {}, slices begin at multiples of {}", first, granule);
  }

  Reason resize(const Resize& op) const {
    if (machine_.features.upsample == 0) return "the overlay has no upsampling";
    const Shape& in = in_shape();
    const Shape& out = out_shape();
    if (out[1] != in[1]) return "only rows and columns can be upsampled";
    for (const std::size_t axis : {std::size_t{2}, std::size_t{3}}) {
      const std::int64_t factor = out[axis] / in[axis];
      const bool power = factor > 0 && (factor & (factor - 1)) == 0;
      if (out[axis] % in[axis] != 0 || !power || factor > machine_.limits.upsample_max) {
        return fmt::format("upsampling {} to {}, factors are 1, 2, 4 ... {}", in[axis], out[axis],
                           machine_.limits.upsample_max);
      }
    }
    const bool floor_like =
        op.coordinates == Resize::Coordinates::Asymmetric && op.nearest == Resize::Nearest::Floor;
    const bool round_like = (op.coordinates == Resize::Coordinates::HalfPixel ||
                             op.coordinates == Resize::Coordinates::PytorchHalfPixel) &&
                            (op.nearest == Resize::Nearest::RoundPreferFloor ||
                             op.nearest == Resize::Nearest::RoundPreferCeil);
    // Both pick source pixel floor(y / factor): asymmetric by definition, half-pixel because
    // (y + 1/2) / factor - 1/2 is nearer to it than 1/2.
    if (floor_like || round_like) return std::nullopt;
    return "this coordinate mode does not repeat pixels evenly";
  }

  const Graph& graph_;
  const Node& node_;
  const Machine& machine_;
};

}  // namespace

std::function<std::optional<std::string>(const Graph&, const Node&)> host_reasons(
    const Machine& machine) {
  return [machine](const Graph& graph, const Node& node) -> std::optional<std::string> {
    const Support support(graph, node, machine);
    if (std::holds_alternative<Gemm>(node.op) || std::holds_alternative<MatMul>(node.op)) {
      return std::visit(support, node.op);
    }
    if (auto why = std::visit(support, node.op)) return why;
    return support.common();
  };
}

// The table of docs/facts/xdnn.md 3.6; what a prescale leaves and the bias: 3.2 and 3.3. It has no
// row for V2's average pools. The shipped V2 programs run them on the overlay and the shipped
// quantizer file has no entry for them, so what the hardware is given is the runtime's 1338 >> 16
// (3.4): a scale of more than 8 bits, a shift of up to 16.
RequantizeLimits requantize_limits(const Machine& machine) {
  const int bits = static_cast<int>(machine.array.bits);
  if (!machine.prescales()) {
    if (bits == 8) return {};
    return {.conv_prescale_max = 24,
            .prescaled_bits = 24,
            .conv_shift_max = 24,
            .other_shift_max = 32,
            .average_shift_max = 32,
            .bias_bits = 48,
            .bias_shift = 16};
  }
  return {.scale_bits = 8,
          .conv_prescale_max = bits == 8 ? 16 : 32,
          .prescaled_bits = bits,
          .conv_shift_max = 8,
          .other_shift_max = 8,
          .average_scale_bits = 16,
          .average_shift_max = 16,
          .bias_bits = bits,
          .bias_after = true};
}

std::int64_t first_channel(const Slice& op) {
  for (std::size_t i = 0; i < op.axes.size(); ++i) {
    if (op.axes[i] == 1) return op.starts[i];
  }
  return 0;
}

bool host_by_design(const Op& op) {
  return std::holds_alternative<Gemm>(op) || std::holds_alternative<MatMul>(op) ||
         std::holds_alternative<Softmax>(op) || std::holds_alternative<Lrn>(op) ||
         std::holds_alternative<Reshape>(op);
}

// --- units ---------------------------------------------------------------------------------------

namespace {

Window window(std::int64_t kernel, std::int64_t stride, std::int64_t pad) {
  return {{kernel, kernel}, {stride, stride}, {1, 1}, {pad, pad}, {pad, pad}};
}

constexpr std::int64_t kChannels = 64, kSide = 14;

// One node on maps of kChannels x kSide x kSide.
struct Typical {
  Op op;
  Shape out{1, kChannels, kSide, kSide};
  int operands = 1;
  bool weights = false;
  std::int64_t channels = kChannels;
};

Graph graph_of(const Typical& typical) {
  Graph graph{.name = "typical"};
  Node node{.name = "node", .op = typical.op};
  for (int i = 0; i < typical.operands; ++i) {
    node.inputs.push_back(graph.add_value(
        {.name = "x" + std::to_string(i), .shape = {1, typical.channels, kSide, kSide}}));
  }
  graph.inputs = node.inputs;
  if (typical.weights) {
    const Shape shape{typical.out[1], typical.channels, 3, 3};
    node.inputs.push_back(graph.add_constant("w", Tensor::zeros(ElementType::Float32, shape)));
  }
  node.outputs = {graph.add_value({.name = "y", .shape = typical.out})};
  graph.outputs = node.outputs;
  graph.nodes.push_back(std::move(node));
  return graph;
}

bool runs(const Graph& graph, const Machine& machine) {
  const auto reason = host_reasons(machine);
  return std::none_of(graph.nodes.begin(), graph.nodes.end(),
                      [&](const Node& node) { return reason(graph, node).has_value(); });
}

Typical convolution(Activation activation = {}) {
  return {.op = workbench::Conv{.window = window(3, 1, 1), .activation = std::move(activation)},
          .weights = true};
}

Typical average() {
  return {.op = AveragePool{.window = window(2, 2, 0)}, .out = {1, kChannels, 7, 7}};
}

Typical largest() {
  return {.op = MaxPool{.window = window(2, 2, 0)}, .out = {1, kChannels, 7, 7}};
}

// A row of the table: the operator as an op of ours, and what it is called when that runs.
struct Row {
  std::string_view name, runs_as;
  Typical (*typical)();
};

const Row kRows[] = {
    {"Add", "eltwise", [] { return Typical{.op = Binary{}, .operands = 2}; }},
    {"AveragePool", "pool", average},
    {"BatchNormalization", "merged", [] { return convolution(); }},
    {"Clip", "merged",
     [] { return convolution({.kind = Activation::Kind::Clip, .alpha = 0, .beta = 6}); }},
    {"Concat", "address",
     [] {
       return Typical{.op = Concat{}, .out = {1, 2 * kChannels, kSide, kSide}, .operands = 2};
     }},
    {"Conv", "array", [] { return convolution(); }},
    {"ConvTranspose", "array",
     [] {
       return Typical{.op = ConvTranspose{.window = window(3, 1, 1), .output_padding = {0, 0}},
                      .weights = true};
     }},
    {"GlobalAveragePool", "pool", average},
    {"GlobalMaxPool", "pool", largest},
    {"LeakyRelu", "merged",
     [] { return convolution({.kind = Activation::Kind::LeakyRelu, .alpha = 0.1F}); }},
    {"MaxPool", "pool", largest},
    {"PRelu", "merged",
     [] {
       return convolution(
           {.kind = Activation::Kind::PRelu, .slopes = std::vector<float>(kChannels, 0.1F)});
     }},
    {"Pad", "merged", [] { return convolution(); }},
    {"ReduceMax", "pool", largest},
    {"ReduceMean", "pool", average},
    {"Relu", "merged", [] { return convolution({.kind = Activation::Kind::Relu}); }},
    {"Resize", "upsample",
     [] {
       return Typical{.op = Resize{.scales = {1, 1, 2, 2}, .sizes = {1, kChannels, 28, 28}},
                      .out = {1, kChannels, 28, 28}};
     }},
    {"Slice", "address",
     [] {
       // 192: where a word begins, be it of 32, 64 or 96 channels.
       return Typical{.op = workbench::Slice{{192}, {384}, {1}, {1}},
                      .out = {1, 192, kSide, kSide},
                      .channels = 384};
     }},
};

// The importer or a pass makes another operator of them.
struct Alias {
  std::string_view name, as;
};
constexpr Alias kAliases[] = {
    {"Crop", "Slice"},
    {"Gather", "Slice"},  // of neighbours
    {"Split", "Slice"},
    {"Sum", "Add"},
    {"Upsample", "Resize"},
    // Of a constant: part of the convolution, as a BatchNormalization is.
    {"Affine", "BatchNormalization"},
    {"Div", "BatchNormalization"},
    {"ImageScaler", "BatchNormalization"},
    {"Mul", "BatchNormalization"},
    {"Sub", "BatchNormalization"},
};

}  // namespace

std::string where_it_runs(std::string_view onnx_operator, const Machine& machine) {
  if (is_folded(onnx_operator)) return "folded";
  for (const Alias& alias : kAliases) {
    if (alias.name == onnx_operator) onnx_operator = alias.as;
  }
  for (const Row& row : kRows) {
    if (row.name != onnx_operator) continue;
    Graph graph = graph_of(row.typical());
    if (runs(graph, machine)) return std::string(row.runs_as);
    return fit_limits(graph, machine) && runs(graph, machine) ? "rewritten" : "host";
  }
  return "host";
}

}  // namespace workbench::xdnn
