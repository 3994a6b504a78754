#include "compiler/xdnn/mapping.h"

#include <algorithm>
#include <concepts>

#include "core/error.h"

namespace workbench::xdnn {

namespace {

template <typename T, typename Wanted>
concept Is = std::same_as<std::remove_const_t<T>, Wanted>;

// --- numbers -------------------------------------------------------------------------------------

// visit(field of the instruction, number of the layer, number of the instruction): one function per
// instruction, `layer` and `op` const or not.

void conv_numbers(auto& layer, auto& op, auto&& visit) {
  visit("kernel_w", layer.window.kernel[1], op.kernel_w);
  visit("kernel_h", layer.window.kernel[0], op.kernel_h);
  visit("strides_w", layer.window.strides[1], op.stride_w);
  visit("strides_h", layer.window.strides[0], op.stride_h);
  visit("padding_w", layer.window.pads_begin[1], op.pad_w);
  visit("padding_h", layer.window.pads_begin[0], op.pad_h);
  visit("dilation_w", layer.window.dilations[1], op.dilation_w);
  visit("dilation_h", layer.window.dilations[0], op.dilation_h);
  visit("inchan", layer.in.channels, op.in_ch);
  visit("insize_h", layer.in.height, op.in_h);
  visit("insize_w", layer.in.width, op.in_w);
  visit("outchan", layer.middle.channels, op.out_ch);
  visit("outsize_h", layer.middle.height, op.out_h);
  visit("outsize_w", layer.middle.width, op.out_w);
  visit("relu", layer.relu, op.relu);
}

void pool_window(auto& window, auto& op, auto&& visit) {
  visit("kernel_w", window.kernel[1], op.kernel_w);
  visit("kernel_h", window.kernel[0], op.kernel_h);
  visit("strides_w", window.strides[1], op.stride_w);
  visit("strides_h", window.strides[0], op.stride_h);
  visit("paddings_w", window.pads_begin[1], op.pad_w);
  visit("paddings_h", window.pads_begin[0], op.pad_h);
}

template <typename L, Is<Conv> I>
void numbers(L& layer, I& op, auto&& visit) {
  conv_numbers(layer, op, visit);
}

template <typename L, Is<ConvPool> I>
void numbers(L& layer, I& op, auto&& visit) {
  conv_numbers(layer, op.conv, visit);
  pool_window(layer.pool, op, visit);
  visit("outsize_h", layer.out.height, op.out_h);
  visit("outsize_w", layer.out.width, op.out_w);
}

template <typename L, Is<Pool> I>
void numbers(L& layer, I& op, auto&& visit) {
  pool_window(layer.window, op, visit);
  visit("inchan", layer.in.channels, op.channels);
  visit("insize_h", layer.in.height, op.in_h);
  visit("insize_w", layer.in.width, op.in_w);
  visit("outsize_h", layer.out.height, op.out_h);
  visit("outsize_w", layer.out.width, op.out_w);
}

template <typename L, Is<Eltwise> I>
void numbers(L& layer, I& op, auto&& visit) {
  visit("relu", layer.relu, op.relu);
  visit("inchan", layer.in.channels, op.channels);
  visit("insize_h", layer.in.height, op.height);
  visit("insize_w", layer.in.width, op.width);
}

template <typename L, Is<Upsample> I>
void numbers(L& layer, I& op, auto&& visit) {
  visit("inchan", layer.in.channels, op.channels);
  visit("outsize_h", layer.out.height, op.out_h);
  visit("outsize_w", layer.out.width, op.out_w);
  visit("insize_h", layer.in.height, op.in_h);
  visit("insize_w", layer.in.width, op.in_w);
  visit("kernel_h", layer.window.kernel[0], op.factor_h);
  visit("kernel_w", layer.window.kernel[1], op.factor_w);
}

template <typename L, typename I>
requires Is<I, Gather> || Is<I, Scatter>
void numbers(L&, I&, auto&&) { CHECK(false, "a transfer computes no node"); }

// --- operations ----------------------------------------------------------------------------------

Window unit() { return {{1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}}; }

Activation activation_of(const Layer& layer) {
  return {.kind = layer.relu ? Activation::Kind::Relu : Activation::Kind::None};
}

// With the padding at the far sides that the sizes ask for.
Window padded(Window window, const Extent& in, const Extent& out) {
  const auto end = [&](std::size_t d, std::int64_t size, std::int64_t result) {
    const std::int64_t reach = (window.kernel[d] - 1) * window.dilations[d] + 1;
    return std::max<std::int64_t>(
        0, (result - 1) * window.strides[d] + reach - size - window.pads_begin[d]);
  };
  window.pads_end = {end(0, in.height, out.height), end(1, in.width, out.width)};
  return window;
}

// What the sizes leave open beyond the padding at the near sides is padding at the far ones, or of
// the output.
ConvTranspose transposed(const Layer& layer) {
  ConvTranspose op{.window = layer.window, .activation = activation_of(layer)};
  const std::int64_t in[] = {layer.in.height, layer.in.width};
  const std::int64_t out[] = {layer.middle.height, layer.middle.width};
  for (std::size_t d = 0; d < 2; ++d) {
    const std::int64_t reach = (op.window.kernel[d] - 1) * op.window.dilations[d] + 1;
    const std::int64_t all =
        (in[d] - 1) * op.window.strides[d] + reach - op.window.pads_begin[d] - out[d];
    op.window.pads_end[d] = std::max<std::int64_t>(0, all);
    op.output_padding.push_back(std::max<std::int64_t>(0, -all));
  }
  return op;
}

std::string kernel_text(const Window& window) {
  return fmt::format("{}x{}", window.kernel[1], window.kernel[0]);
}
std::string pool_text(const char* name, const Window& window) {
  return fmt::format("{} {}/{}", name, kernel_text(window), window.strides[1]);
}
std::string conv_text(const Layer& layer) {
  const std::int64_t stride = layer.window.strides[1];
  return fmt::format("Conv {}{}{}", kernel_text(layer.window),
                     stride > 1 ? fmt::format("/{}", stride) : "", layer.relu ? " +Relu" : "");
}

template <typename Wanted>
bool holds(const Op& op) {
  return std::holds_alternative<Wanted>(op);
}

struct Rule {
  std::string_view opcode;
  const char* kind;  // of the node, in errors
  bool (*computes)(const Op&);
  Op (*op)(const Layer&);
  std::string (*text)(const Layer&);
};

const Rule kRules[] = {
    {Conv::kOpcode, "convolution", holds<workbench::Conv>,
     [](const Layer& l) -> Op {
       return workbench::Conv{.window = padded(l.window, l.in, l.middle),
                              .activation = activation_of(l)};
     },
     conv_text},
    {ConvPool::kOpcode, "convolution", holds<workbench::Conv>,
     [](const Layer& l) -> Op {
       return workbench::Conv{.window = padded(l.window, l.in, l.middle),
                              .activation = activation_of(l)};
     },
     [](const Layer& l) { return conv_text(l) + " +" + pool_text("MaxPool", l.pool); }},
    {"XNDeconv", "deconvolution", holds<ConvTranspose>,
     [](const Layer& l) -> Op { return transposed(l); },
     [](const Layer& l) { return "De" + conv_text(l); }},
    {Pool::kOpcode, "max pool", holds<MaxPool>,
     [](const Layer& l) -> Op { return MaxPool{.window = padded(l.window, l.in, l.out)}; },
     [](const Layer& l) { return pool_text("MaxPool", l.window); }},
    {"XNAvgPool", "average pool", holds<AveragePool>,
     [](const Layer& l) -> Op {  // every window is divided by its whole area
       return AveragePool{.window = padded(l.window, l.in, l.out), .count_include_pad = true};
     },
     [](const Layer& l) { return pool_text("AvgPool", l.window); }},
    {Eltwise::kOpcode, "sum", holds<Binary>,
     [](const Layer& l) -> Op { return Binary{.activation = activation_of(l)}; },
     [](const Layer& l) -> std::string { return l.relu ? "Add +Relu" : "Add"; }},
    {Upsample::kOpcode, "resize", holds<Resize>,
     [](const Layer& l) -> Op {
       const auto factor = [&](std::size_t d) { return static_cast<float>(l.window.kernel[d]); };
       return Resize{.scales = {1, 1, factor(0), factor(1)},
                     .sizes = {1, l.out.channels, l.out.height, l.out.width}};
     },
     [](const Layer&) -> std::string { return "Upsample"; }},
};

const Rule& rule_of(std::string_view opcode) {
  const Rule* rule = std::ranges::find(kRules, opcode, &Rule::opcode);
  CHECK(rule != std::end(kRules), "{} computes no node", opcode);
  return *rule;
}

std::string_view opcode_for(const Node& node, bool pooled, const Machine& machine) {
  if (pooled) return ConvPool::kOpcode;
  for (const Rule& rule : kRules) {
    if (rule.computes(node.op)) return rule.opcode;
  }
  CHECK(std::holds_alternative<Activate>(node.op), "no instruction for {} '{}'", op_name(node.op),
        node.name);
  return machine.width_aligned() ? Eltwise::kOpcode : Pool::kOpcode;
}

bool is_relu(const Activation& activation) { return activation.kind == Activation::Kind::Relu; }

}  // namespace

Extent extent_of(const Shape& shape) { return {shape[1], shape[2], shape[3]}; }

Layer layer_of(const Graph& graph, const Node& node, const Node* pool, const Machine& machine) {
  Layer layer{.opcode = opcode_for(node, pool != nullptr, machine),
              .window = unit(),
              .pool = unit(),
              .in = extent_of(graph.value(node.inputs[0]).shape),
              .middle = extent_of(graph.value(node.outputs[0]).shape)};
  layer.out = pool == nullptr ? layer.middle : extent_of(graph.value(pool->outputs[0]).shape);
  if (pool != nullptr) layer.pool = std::get<MaxPool>(pool->op).window;
  std::visit(
      [&](const auto& op) {
        if constexpr (requires { op.window; }) layer.window = op.window;
        if constexpr (requires { op.activation; }) layer.relu = is_relu(op.activation);
        if constexpr (std::same_as<decltype(op), const Resize&>) {
          layer.window.kernel = {layer.out.height / layer.in.height,
                                 layer.out.width / layer.in.width};
        }
      },
      node.op);
  return layer;
}

namespace {

Layer pixel_by_pixel(std::string_view opcode, Extent extent) {
  return {.opcode = opcode,
          .window = unit(),
          .pool = unit(),
          .in = extent,
          .middle = extent,
          .out = extent};
}

}  // namespace

Layer copy_of(Extent extent) { return pixel_by_pixel(Pool::kOpcode, extent); }
Layer sum_of(Extent extent) { return pixel_by_pixel(Eltwise::kOpcode, extent); }

Layer layer_of(const Instruction& instruction) {
  Layer layer{.opcode = opcode(instruction), .window = unit(), .pool = unit()};
  std::visit(
      [&](const auto& op) {
        numbers(layer, op, [](const char*, auto& known, const auto& said) { known = said; });
      },
      instruction);
  // What the instruction leaves out: its result has the channels or the size of another extent.
  if (layer.middle.channels == 0) layer.middle.channels = layer.in.channels;
  layer.out.channels = layer.middle.channels;
  if (layer.out.height == 0) layer.out = layer.middle.height > 0 ? layer.middle : layer.in;
  return layer;
}

Instruction instruction_for(const Layer& layer) {
  std::optional<Instruction> instruction = blank_instruction(layer.opcode);
  CHECK(instruction.has_value(), "{}", layer.opcode);
  std::visit(
      [&](auto& op) {
        numbers(layer, op, [](const char*, const auto& said, auto& field) { field = said; });
      },
      *instruction);
  if (auto* fused = std::get_if<ConvPool>(&*instruction)) fused->conv_outsize_w = fused->out_w;
  if (auto* pool = std::get_if<Pool>(&*instruction)) pool->tail.pre_relu = layer.relu;
  return *instruction;
}

void compare(const Layer& layer, const Instruction& instruction, const VisitNumbers& visit) {
  std::visit(
      [&](const auto& op) {
        numbers(layer, op, [&](const char* field, std::int64_t known, std::int64_t said) {
          visit(field, known, said);
        });
      },
      instruction);
}

Op op_of(const Layer& layer) { return rule_of(layer.opcode).op(layer); }

MaxPool pool_of(const Layer& layer) {
  return {.window = padded(layer.pool, layer.middle, layer.out)};
}

bool computes(const Instruction& instruction, const Op& op) {
  return rule_of(opcode(instruction)).computes(op);
}

const char* kind_of_node(const Instruction& instruction) {
  return rule_of(opcode(instruction)).kind;
}

std::string text_of(const Layer& layer) { return rule_of(layer.opcode).text(layer); }

Rescale rescale_of(const Instruction& instruction, const Node& node) {
  const auto* pool = std::get_if<Pool>(&instruction);
  const bool rescales = std::holds_alternative<Eltwise>(instruction) || (pool && pool->average);
  if (!rescales) return {};
  if (std::holds_alternative<Activate>(node.op)) return {128, 8};  // half of x + x
  const auto& requantize = node.requantize;
  CHECK(requantize && requantize->scale.size() == 1);
  return {requantize->scale[0], requantize->shift[0]};
}

}  // namespace workbench::xdnn
