#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <malloc.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>
#include <torch/csrc/autograd/variable.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

// glog's, which libtorch's headers bring along; ours is core/error.h's.
#undef CHECK

// clang-format off
#include "train/torch_network.h"
#include "core/error.h"
// clang-format on

namespace workbench::train {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

// Elements of one step each, side by side.
struct Rows {
  std::int64_t count = 1, length = 1;
};
// A tensor as rows that its steps run along, each cut into pieces for the threads; sums over pieces
// are added up in their order, whoever computed them.
Rows rows_of(const at::Tensor& x, std::size_t steps, int axis) {
  if (steps <= 1) return {1, x.numel()};
  std::int64_t length = 1;
  for (std::int64_t d = axis + 1; d < x.dim(); ++d) length *= x.size(d);
  return {x.numel() / std::max<std::int64_t>(length, 1), length};
}

constexpr std::int64_t kPiece = 1 << 14;

// body(begin, end, row's step, piece)
template <typename Body>
void for_pieces(const Rows& rows, const std::vector<double>& steps, Body&& body) {
  const std::int64_t per_row = std::max<std::int64_t>(1, (rows.length + kPiece - 1) / kPiece);
  at::parallel_for(0, rows.count * per_row, 1, [&](std::int64_t from, std::int64_t to) {
    for (std::int64_t piece = from; piece < to; ++piece) {
      const std::int64_t row = piece / per_row, part = piece % per_row;
      const std::int64_t begin = row * rows.length + part * kPiece;
      const std::int64_t end = std::min(begin + kPiece, (row + 1) * rows.length);
      body(begin, end, static_cast<std::size_t>(row) % steps.size(),
           static_cast<std::size_t>(piece));
    }
  });
}

std::span<const float> part(const at::Tensor& x, std::int64_t begin, std::int64_t end) {
  return {x.data_ptr<float>() + begin, static_cast<std::size_t>(end - begin)};
}
std::span<float> writable(at::Tensor& x, std::int64_t begin, std::int64_t end) {
  return {x.data_ptr<float>() + begin, static_cast<std::size_t>(end - begin)};
}

// What a quantizer needs of its scale, kept alive by the network that runs.
struct Rounder {
  Codes codes;
  int axis = 0;
  std::vector<double> steps;
};

// train/quantizer.h over tensors, whose second operand is log2 of the steps. Computed by the
// CPU, wherever the tensors are.
struct FakeQuantize : torch::autograd::Function<FakeQuantize> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& given,
                            const at::Tensor& log2_steps, const Rounder* rounder) {
    const at::Tensor x = given.to(at::kCPU).contiguous();
    at::Tensor y = at::empty_like(x);
    for_pieces(rows_of(x, rounder->steps.size(), rounder->axis), rounder->steps,
               [&](std::int64_t begin, std::int64_t end, std::size_t i, std::size_t) {
                 quantize(part(x, begin, end), rounder->codes, rounder->steps[i],
                          writable(y, begin, end));
               });
    context->save_for_backward({x});
    context->saved_data["rounder"] = reinterpret_cast<std::int64_t>(rounder);
    (void)log2_steps;
    return y.to(given.device());
  }

  static variable_list backward(AutogradContext* context, variable_list upstream) {
    const auto* rounder = reinterpret_cast<const Rounder*>(context->saved_data["rounder"].toInt());
    const at::Tensor x = context->get_saved_variables()[0];
    const at::Tensor g = upstream[0].to(at::kCPU).contiguous();
    at::Tensor into_x = at::empty_like(x);
    const Rows rows = rows_of(x, rounder->steps.size(), rounder->axis);
    const std::int64_t per_row = std::max<std::int64_t>(1, (rows.length + kPiece - 1) / kPiece);
    std::vector<double> sums(static_cast<std::size_t>(rows.count * per_row));
    for_pieces(rows, rounder->steps,
               [&](std::int64_t begin, std::int64_t end, std::size_t i, std::size_t piece) {
                 sums[piece] = gradients(part(x, begin, end), rounder->codes, rounder->steps[i],
                                         part(g, begin, end), writable(into_x, begin, end));
               });
    at::Tensor into_steps =
        at::zeros({static_cast<std::int64_t>(rounder->steps.size())}, at::kDouble);
    for (std::size_t piece = 0; piece < sums.size(); ++piece) {
      const std::size_t row = piece / static_cast<std::size_t>(per_row);
      into_steps.data_ptr<double>()[row % rounder->steps.size()] += sums[piece];
    }
    return {into_x.to(upstream[0].device()), into_steps, at::Tensor()};
  }
};

// To multiples of the units, straight through.
struct RoundedBias : torch::autograd::Function<RoundedBias> {
  static at::Tensor forward(AutogradContext*, const at::Tensor& bias,
                            const std::vector<double>& units) {
    const at::Tensor given = bias.to(at::kCPU).contiguous();
    at::Tensor rounded = at::empty_like(given);
    const float* const from = given.data_ptr<float>();
    for (std::int64_t c = 0; c < given.numel(); ++c) {
      const double unit = units[static_cast<std::size_t>(c) % units.size()];
      rounded.data_ptr<float>()[c] =
          static_cast<float>(on_grid(static_cast<double>(from[c]), unit));
    }
    return rounded.to(bias.device());
  }
  static variable_list backward(AutogradContext*, variable_list upstream) {
    return {upstream[0], at::Tensor()};
  }
};

at::Tensor tensor_of(const Tensor& tensor) {
  const auto dtype = [&] {
    switch (tensor.type()) {
      case ElementType::Float32:
        return at::kFloat;
      case ElementType::Int64:
        return at::kLong;
      case ElementType::Int32:
        return at::kInt;
      default:
        fail("a constant of type {} cannot be trained through", to_string(tensor.type()));
    }
  }();
  // from_blob wants bytes that it may write; nothing here writes to constants.
  return at::from_blob(const_cast<std::byte*>(tensor.data()), tensor.shape(),
                       at::TensorOptions().dtype(dtype))
      .clone();
}

at::Tensor activation_applied(const Activation& activation, const at::Tensor& x,
                              const std::string& node) {
  using Kind = Activation::Kind;
  const auto channels = [&](const std::vector<float>& values) {
    std::vector<std::int64_t> shape(static_cast<std::size_t>(x.dim()), 1);
    if (x.dim() > 1) shape[1] = static_cast<std::int64_t>(values.size());
    return at::tensor(at::ArrayRef<float>(values.data(), values.size()))
        .reshape(values.size() == 1 ? std::vector<std::int64_t>{1} : shape)
        .to(x.device());
  };
  switch (activation.kind) {
    case Kind::None:
      return x;
    case Kind::Relu:
      return x.relu();
    case Kind::Clip: {
      const at::Tensor low = x.clamp_min(activation.alpha);
      return activation.bounds.empty() ? low.clamp_max(activation.beta)
                                       : at::minimum(low, channels(activation.bounds));
    }
    case Kind::LeakyRelu:
      return at::leaky_relu(x, activation.alpha);
    case Kind::PRelu:
      return at::where(x > 0, x, x * channels(activation.slopes));
    case Kind::Sigmoid:
      return x.sigmoid();
    case Kind::Tanh:
      return x.tanh();
    case Kind::HardSigmoid:
      return (x * activation.alpha + activation.beta).clamp(0, 1);
    case Kind::HardSwish:
      return x * (x / 6 + 0.5).clamp(0, 1);
    case Kind::Exp:
      return x.exp();
    case Kind::Abs:
      return x.abs();
    case Kind::Neg:
      return x.neg();
    case Kind::Sqrt:
      return x.sqrt();
    case Kind::Gelu:
      return at::gelu(x);
    default:
      fail("node '{}': retrain does not train through {}", node, activation.name());
  }
}

// One forward run of the network; refers to the network's parts.
class Run {
 public:
  Run(const Graph& graph, const Trainable& what, const std::vector<Rounder>& rounders,
      const std::vector<at::Tensor>& weights, const std::vector<at::Tensor>& log2_steps,
      const std::vector<at::Tensor>& constants, at::Device device)
      : graph_(graph),
        what_(what),
        rounders_(rounders),
        weights_(weights),
        log2_steps_(log2_steps),
        constants_(constants),
        device_(device),
        values_(graph.values.size()) {}

  // The value `result` for this input.
  at::Tensor to(ValueId result, const at::Tensor& input) {
    batch_ = input.size(0);
    set(graph_.inputs[0], input);
    const std::vector<std::size_t> last = last_readers(result);
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      const Node& node = graph_.nodes[n];
      if (node.outputs[0] == kNoValue) continue;
      set(node.outputs[0], std::visit([&](const auto& op) { return run(op, node); }, node.op));
      if (node.outputs[0] == result) break;
      for (const ValueId id : node.inputs) {
        if (id != kNoValue && last[index(id)] == n) values_[index(id)].reset();
      }
    }
    return at_value(result);
  }

  std::function<void(const Quantizer&, const Rounder&, const at::Tensor&)> observe;

 private:
  static std::size_t index(ValueId id) { return static_cast<std::size_t>(id); }

  std::vector<std::size_t> last_readers(ValueId result) const {
    std::vector<std::size_t> last(graph_.values.size(), graph_.nodes.size());
    for (std::size_t n = 0; n < graph_.nodes.size(); ++n) {
      for (const ValueId id : graph_.nodes[n].inputs) {
        if (id != kNoValue && !graph_.value(id).constant) last[index(id)] = n;
      }
    }
    last[index(result)] = graph_.nodes.size();
    return last;
  }

  void set(ValueId id, at::Tensor x) {
    check_shape(id, x);
    values_[index(id)] = quantized(id, std::move(x));
  }

  void check_shape(ValueId id, const at::Tensor& x) const {
    Shape expected = graph_.value(id).shape;
    if (!expected.empty()) expected[0] = batch_;
    CHECK(x.sizes().vec() == expected, "value '{}': {}", graph_.value(id).name,
          to_string(x.sizes().vec()));
  }

  at::Tensor quantized(ValueId id, at::Tensor x) {
    const Quantizer* const quantizer = what_.quantizer_of(id);
    if (quantizer == nullptr) return x;
    const Rounder& rounder = rounders_[static_cast<std::size_t>(quantizer - &what_.quantizers[0])];
    const at::Tensor y =
        quantizer->idle ? x : FakeQuantize::apply(x, log2_steps_[quantizer->scale], &rounder);
    if (observe && !graph_.value(id).constant) observe(*quantizer, rounder, y);
    return y;
  }

  at::Tensor at_value(ValueId id) {
    std::optional<at::Tensor>& value = values_[index(id)];
    if (value) return *value;
    CHECK(graph_.value(id).constant, "value '{}' is read before it is written",
          graph_.value(id).name);
    const auto weight = std::ranges::lower_bound(what_.weights, id, {}, &Weight::value);
    const bool trained = weight != what_.weights.end() && weight->value == id;
    at::Tensor x = trained ? weights_[static_cast<std::size_t>(weight - what_.weights.begin())]
                           : constants_[index(id)];
    const BiasGrid* const grid = what_.grid_of(id);
    value = grid != nullptr ? rounded_bias(*grid, x) : quantized(id, x);
    return *value;
  }

  // What a quantizer of the node's result does with the rounding is not done here.
  at::Tensor activated(const Activation& activation, const at::Tensor& x, const Node& node) const {
    const Quantizer* const quantizer = what_.quantizer_of(node.outputs[0]);
    if (quantizer != nullptr && quantizer->activates) return x;
    return activation_applied(activation, x, node.name);
  }

  at::Tensor rounded_bias(const BiasGrid& grid, const at::Tensor& bias) const {
    std::vector<double> units = steps_of_scale(grid.weights);
    for (double& unit : units) unit *= steps_of_scale(grid.operand)[0];
    return RoundedBias::apply(bias, units);
  }
  const std::vector<double>& steps_of_scale(std::size_t scale) const {
    for (std::size_t q = 0; q < what_.quantizers.size(); ++q) {
      if (what_.quantizers[q].scale == scale) return rounders_[q].steps;
    }
    CHECK(false, "scale {} without a quantizer", scale);
  }

  at::Tensor operand(const Node& node, std::size_t i) { return at_value(node.inputs.at(i)); }
  at::Tensor optional_operand(const Node& node, std::size_t i) {
    if (i >= node.inputs.size() || node.inputs[i] == kNoValue) return {};
    return at_value(node.inputs[i]);
  }

  [[noreturn]] static void refuse(const Node& node, const std::string& what) {
    fail("node '{}': retrain does not train through {}", node.name, what);
  }

  // Padding that convolutions cannot have: another at the end than at the begin.
  static std::vector<std::int64_t> symmetric_pads(const Window& window, at::Tensor& x,
                                                  double fill) {
    if (window.pads_begin == window.pads_end) return window.pads_begin;
    std::vector<std::int64_t> pads;  // of the last dimension first
    for (std::size_t d = window.pads_begin.size(); d-- > 0;) {
      pads.push_back(window.pads_begin[d]);
      pads.push_back(window.pads_end[d]);
    }
    x = at::constant_pad_nd(x, pads, fill);
    return std::vector<std::int64_t>(window.pads_begin.size(), 0);
  }

  at::Tensor run(const Conv& op, const Node& node) {
    at::Tensor x = operand(node, 0);
    const auto pads = symmetric_pads(op.window, x, 0);
    const at::Tensor y = at::convolution(x, operand(node, 1), optional_bias(node),
                                         op.window.strides, pads, op.window.dilations, false,
                                         std::vector<std::int64_t>(pads.size(), 0), op.groups);
    return activated(op.activation, y, node);
  }
  at::Tensor run(const ConvTranspose& op, const Node& node) {
    if (op.window.pads_begin != op.window.pads_end) refuse(node, "padding of one side");
    const at::Tensor y = at::convolution(
        operand(node, 0), operand(node, 1), optional_bias(node), op.window.strides,
        op.window.pads_begin, op.window.dilations, true,
        op.output_padding.empty() ? std::vector<std::int64_t>(op.window.strides.size(), 0)
                                  : op.output_padding,
        op.groups);
    return activated(op.activation, y, node);
  }
  c10::optional<at::Tensor> optional_bias(const Node& node) {
    const at::Tensor bias = optional_operand(node, 2);
    return bias.defined() ? c10::optional<at::Tensor>(bias.reshape({-1})) : c10::nullopt;
  }
  at::Tensor run(const Gemm& op, const Node& node) {
    if (op.transpose_a) refuse(node, "a Gemm that transposes its data");
    const at::Tensor w = operand(node, 1);
    at::Tensor y = at::matmul(operand(node, 0), op.transpose_b ? w.t() : w);
    if (op.alpha != 1.0F) y = y * op.alpha;
    if (const at::Tensor c = optional_operand(node, 2); c.defined()) {
      y = y + (op.beta == 1.0F ? c : c * op.beta);
    }
    return activated(op.activation, y, node);
  }
  at::Tensor run(const MatMul&, const Node& node) {
    return at::matmul(operand(node, 0), operand(node, 1));
  }
  at::Tensor run(const Binary& op, const Node& node) {
    const at::Tensor a = operand(node, 0), b = operand(node, 1);
    using Kind = Binary::Kind;
    const auto result = [&]() -> at::Tensor {
      switch (op.kind) {
        case Kind::Add:
          return a + b;
        case Kind::Sub:
          return a - b;
        case Kind::Mul:
          return a * b;
        case Kind::Div:
          return a / b;
        case Kind::Max:
          return at::maximum(a, b);
        case Kind::Min:
          return at::minimum(a, b);
        default:
          refuse(node, op_name(op));
      }
    };
    return activated(op.activation, result(), node);
  }
  at::Tensor run(const BatchNorm& op, const Node& node) {
    const at::Tensor x = operand(node, 0);
    return at::batch_norm(x, operand(node, 1), operand(node, 2), operand(node, 3), operand(node, 4),
                          false, 0, op.epsilon, false);
  }
  at::Tensor run(const Activate& op, const Node& node) {
    return activated(op.activation, operand(node, 0), node);
  }
  at::Tensor run(const PRelu&, const Node& node) {
    const at::Tensor x = operand(node, 0);
    return at::where(x > 0, x, x * operand(node, 1));
  }
  at::Tensor run(const AveragePool& op, const Node& node) {
    at::Tensor x = operand(node, 0);
    if (x.dim() != 4) refuse(node, "a pool over other than two dimensions");
    const bool one_sided = op.window.pads_begin != op.window.pads_end;
    if (one_sided && !op.count_include_pad) refuse(node, "an average that leaves out padding");
    const auto pads = symmetric_pads(op.window, x, 0);
    return at::avg_pool2d(x, op.window.kernel, op.window.strides, pads, op.ceil_mode,
                          op.count_include_pad);
  }
  at::Tensor run(const MaxPool& op, const Node& node) {
    at::Tensor x = operand(node, 0);
    if (x.dim() != 4) refuse(node, "a pool over other than two dimensions");
    const auto pads = symmetric_pads(op.window, x, -std::numeric_limits<double>::infinity());
    return at::max_pool2d(x, op.window.kernel, op.window.strides, pads, op.window.dilations,
                          op.ceil_mode);
  }
  at::Tensor run(const Concat& op, const Node& node) {
    std::vector<at::Tensor> parts;
    for (std::size_t i = 0; i < node.inputs.size(); ++i) parts.push_back(operand(node, i));
    return at::cat(parts, op.axis);
  }
  at::Tensor run(const Reshape& op, const Node& node) {
    Shape shape = op.shape;
    if (shape.empty() || shape[0] != 1) refuse(node, "a reshape across images");
    shape[0] = batch_;
    return operand(node, 0).reshape(shape);
  }
  at::Tensor run(const Transpose& op, const Node& node) {
    if (op.permutation.empty() || op.permutation[0] != 0) refuse(node, "turned images");
    return operand(node, 0).permute(op.permutation);
  }
  at::Tensor run(const Pad& op, const Node& node) {
    if (op.mode != Pad::Mode::Constant) refuse(node, "padding that is not constant");
    std::vector<std::int64_t> pads;
    for (std::size_t d = op.begin.size(); d-- > 0;) {
      pads.push_back(op.begin[d]);
      pads.push_back(op.end[d]);
    }
    return at::constant_pad_nd(operand(node, 0), pads, op.value);
  }
  at::Tensor run(const Identity&, const Node& node) { return operand(node, 0); }
  at::Tensor run(const Softmax& op, const Node& node) {
    const at::Tensor x = operand(node, 0);
    return op.log ? at::log_softmax(x, op.axis) : at::softmax(x, op.axis);
  }
  at::Tensor run(const Reduce& op, const Node& node) {
    const at::Tensor x = operand(node, 0);
    if (std::ranges::find(op.axes, 0) != op.axes.end()) refuse(node, "a sum over images");
    if (op.kind == Reduce::Kind::Mean) return at::mean(x, op.axes, op.keep_dims);
    if (op.kind == Reduce::Kind::Sum) return at::sum(x, op.axes, op.keep_dims);
    refuse(node, op_name(op));
  }
  at::Tensor run(const Slice& op, const Node& node) {
    at::Tensor x = operand(node, 0);
    for (std::size_t i = 0; i < op.axes.size(); ++i) {
      if (op.steps[i] <= 0 || op.axes[i] == 0) refuse(node, "a slice of images or backwards");
      x = x.slice(op.axes[i], op.starts[i], op.ends[i], op.steps[i]);
    }
    return x;
  }
  template <typename Op>
  at::Tensor run(const Op& op, const Node& node) {
    refuse(node, op_name(op));
  }

  const Graph& graph_;
  const Trainable& what_;
  const std::vector<Rounder>& rounders_;
  const std::vector<at::Tensor>& weights_;
  const std::vector<at::Tensor>& log2_steps_;
  const std::vector<at::Tensor>& constants_;
  const at::Device device_;
  std::vector<std::optional<at::Tensor>> values_;
  std::int64_t batch_ = 1;
};

// What is behind a softmax, or the network's result.
ValueId logits_of(const Graph& graph) {
  if (graph.inputs.size() != 1 || graph.outputs.size() != 1) {
    fail("{}: expected a network of one input and one result to train, found {} and {}", graph.name,
         graph.inputs.size(), graph.outputs.size());
  }
  if (graph.value(graph.inputs[0]).shape.at(0) != 1) {
    fail("{}: expected a network of one image to train, found input {}", graph.name,
         to_string(graph.value(graph.inputs[0]).shape));
  }
  ValueId result = graph.outputs[0];
  for (const Node& node : graph.nodes) {
    const bool is_softmax = std::holds_alternative<Softmax>(node.op);
    if (is_softmax && node.outputs[0] == result) {
      result = node.inputs[0];
      break;
    }
  }
  const Shape& shape = graph.value(result).shape;
  const std::int64_t classes = element_count(shape);
  if (shape.size() < 2 || shape[1] != classes || classes < 2) {
    fail("{}: expected one score per class as the result to train, found {}", graph.name,
         to_string(shape));
  }
  return result;
}

at::Device device_named(const std::string& name) {
  try {
    const at::Device device(name);
    (void)at::empty({1}, at::TensorOptions().device(device));
    return device;
  } catch (const c10::Error& error) {
    const std::string text = error.what_without_backtrace();
    fail("--device {}: {}", name, text.substr(0, text.find('\n')));
  }
}

// Activations live for a step; given back to the system and asked for again, each of their pages is
// cleared anew, which costs as much as the rounding. M_MMAP_THRESHOLD: the most that glibc takes.
void keep_memory() {
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TRIM_THRESHOLD, std::numeric_limits<int>::max());
  mallopt(M_TOP_PAD, 64 << 20);
}

}  // namespace

struct TorchNetwork::Parts {
  Graph graph;
  Trainable what;
  ValueId result = kNoValue;
  at::Device device;
  std::vector<at::Tensor> constants;  // by ValueId; of those that are not trained

  struct Leaves {
    std::vector<at::Tensor> weights, log2_steps;
    std::vector<Rounder> rounders;  // per quantizer
  };

  Leaves leaves(const Parameters& parameters, Trained trained) const {
    Leaves found;
    for (std::size_t w = 0; w < what.weights.size(); ++w) {
      const Shape& shape = graph.value(what.weights[w].value).shape;
      const auto& values = parameters.weights[w];
      found.weights.push_back(at::tensor(at::ArrayRef<float>(values.data(), values.size()))
                                  .reshape(shape)
                                  .to(device)
                                  .set_requires_grad(trained.weights));
    }
    for (const auto& steps : parameters.log2_steps) {
      found.log2_steps.push_back(
          at::tensor(at::ArrayRef<double>(steps.data(), steps.size()), at::kDouble)
              .set_requires_grad(trained.steps));
    }
    for (const Quantizer& quantizer : what.quantizers) {
      found.rounders.push_back(
          {quantizer.codes, quantizer.axis,
           steps_of(what.scales[quantizer.scale], parameters.log2_steps[quantizer.scale])});
    }
    return found;
  }

  at::Tensor input(const Batch& batch) const {
    Shape shape = graph.value(graph.inputs[0]).shape;
    shape[0] = batch.count;
    CHECK(element_count(shape) == static_cast<std::int64_t>(batch.images.size()), "{} images",
          batch.count);
    return at::tensor(at::ArrayRef<float>(batch.images.data(), batch.images.size()))
        .reshape(shape)
        .to(device);
  }
};

TorchNetwork::TorchNetwork(const Graph& graph, Trainable what, const std::string& device,
                           int threads)
    : parts_(std::make_unique<Parts>(
          Parts{graph, std::move(what), logits_of(graph), device_named(device), {}})) {
  if (threads > 0) at::set_num_threads(threads);
  keep_memory();
  parts_->constants.resize(graph.values.size());
  for (std::size_t id = 0; id < graph.values.size(); ++id) {
    const auto& constant = graph.values[id].constant;
    if (constant) parts_->constants[id] = tensor_of(*constant).to(parts_->device);
  }
}

TorchNetwork::~TorchNetwork() = default;

std::int64_t TorchNetwork::classes() const {
  return element_count(parts_->graph.value(parts_->result).shape);
}

const Shape& TorchNetwork::input_shape() const {
  return parts_->graph.value(parts_->graph.inputs[0]).shape;
}

namespace {

std::vector<float> floats_of(const at::Tensor& given) {
  const at::Tensor x = given.detach().to(at::kCPU).contiguous();
  const float* const values = x.data_ptr<float>();
  return {values, values + x.numel()};
}

}  // namespace

std::vector<float> TorchNetwork::logits(const Parameters& parameters, const Batch& batch) const {
  const at::NoGradGuard no_gradients;
  const Parts::Leaves leaves = parts_->leaves(parameters, {false, false});
  Run run(parts_->graph, parts_->what, leaves.rounders, leaves.weights, leaves.log2_steps,
          parts_->constants, parts_->device);
  return floats_of(run.to(parts_->result, parts_->input(batch)));
}

Step TorchNetwork::step(const Parameters& parameters, const Batch& batch, Trained trained) const {
  const Parts::Leaves leaves = parts_->leaves(parameters, trained);
  Run run(parts_->graph, parts_->what, leaves.rounders, leaves.weights, leaves.log2_steps,
          parts_->constants, parts_->device);
  const at::Tensor logits =
      run.to(parts_->result, parts_->input(batch)).reshape({batch.count, classes()});
  const at::Tensor targets =
      at::tensor(at::ArrayRef<float>(batch.targets.data(), batch.targets.size()))
          .reshape({batch.count, classes()})
          .to(parts_->device);
  const at::Tensor loss =
      -(at::log_softmax(logits, 1) * targets).sum() / static_cast<double>(batch.count);
  if (loss.requires_grad()) loss.backward();
  Step step{.loss = loss.item<double>(), .gradients = {}};
  for (const at::Tensor& weight : leaves.weights) {
    const bool has = trained.weights && weight.grad().defined();
    step.gradients.weights.push_back(has ? floats_of(weight.grad()) : std::vector<float>());
  }
  for (const at::Tensor& steps : leaves.log2_steps) {
    step.gradients.log2_steps.emplace_back();
    if (!trained.steps || !steps.grad().defined()) continue;
    const double* const values = steps.grad().data_ptr<double>();
    step.gradients.log2_steps.back().assign(values, values + steps.numel());
  }
  return step;
}

std::map<std::string, std::vector<std::int64_t>> TorchNetwork::codes(const Parameters& parameters,
                                                                     const Batch& batch) const {
  const at::NoGradGuard no_gradients;
  const Parts::Leaves leaves = parts_->leaves(parameters, {false, false});
  Run run(parts_->graph, parts_->what, leaves.rounders, leaves.weights, leaves.log2_steps,
          parts_->constants, parts_->device);
  std::map<std::string, std::vector<std::int64_t>> found;
  run.observe = [&](const Quantizer& quantizer, const Rounder& rounder, const at::Tensor& y) {
    std::vector<std::int64_t>& codes = found[parts_->graph.value(quantizer.value).name];
    for (const float value : floats_of(y)) {
      codes.push_back(std::llround(static_cast<double>(value) / rounder.steps[0]));
    }
  };
  (void)run.to(parts_->result, parts_->input(batch));
  return found;
}

}  // namespace workbench::train
