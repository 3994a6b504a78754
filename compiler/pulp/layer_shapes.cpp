#include "compiler/pulp/layer_shapes.h"

#include <algorithm>

#include "core/error.h"
#include "core/units.h"

namespace workbench::pulp {
namespace {

std::int64_t at(const std::vector<std::int64_t>& list, std::size_t axis, std::int64_t absent) {
  // Windows of one dimension lie along a row.
  if (list.size() == 1) return axis == 0 ? absent : list[0];
  return list.at(axis);
}

}  // namespace

bool is_integer(const Value& value) {
  return value.type == ElementType::Uint8 || value.type == ElementType::Int8 ||
         value.type == ElementType::Int32;
}

// Channels, height and width of a value in memory (layer.h).
Activation8 activation_like(const Value& value, const std::string& where) {
  Activation8 a;
  a.value = value.name;
  Shape shape = value.shape;
  if (shape.size() == 2 && shape[0] > 1) {
    a.height = shape[0], a.width = shape[1];
  } else {
    shape.resize(4, 1);
    if (value.shape.size() == 3) shape = {shape[0], shape[1], 1, shape[2]};
    if (value.shape.size() > 4 || value.shape.size() < 2 || shape[0] != 1) {
      fail("{}: '{}' is {}, expected [1, C, H, W]", where, value.name,
           workbench::to_string(value.shape));
    }
    a.channels = shape[1], a.height = shape[2], a.width = shape[3];
  }
  a.bits = value.type == ElementType::Int32 ? 32
           : value.quantization             ? value.quantization->bits
                                            : 8;
  a.is_signed = value.type != ElementType::Uint8;
  if (a.bits != 32 && a.bits != 8 && a.bits != 4 && a.bits != 2) {
    fail("{}: '{}' has {} bits, kernels know 8, 4 and 2", where, value.name, a.bits);
  }
  return a;
}

void set_window(Kernel& call, const Window& window) {
  call.kernel_h = at(window.kernel, 0, 1), call.kernel_w = at(window.kernel, 1, 1);
  call.stride_y = at(window.strides, 0, 1), call.stride_x = at(window.strides, 1, 1);
  if (!window.dilations.empty()) {
    call.dilation_y = at(window.dilations, 0, 1), call.dilation_x = at(window.dilations, 1, 1);
    // One tap has nothing to be apart from.
    if (call.kernel_h == 1) call.dilation_y = 1;
    if (call.kernel_w == 1) call.dilation_x = 1;
  }
  call.pad_top = at(window.pads_begin, 0, 0), call.pad_left = at(window.pads_begin, 1, 0);
  // Behind, as much as the last window reaches beyond the map: less than the node has when strides
  // leave some of it out, more when a pool rounds its size up.
  const auto behind = [](std::int64_t out, std::int64_t stride, std::int64_t reach, std::int64_t in,
                         std::int64_t before) {
    return std::max<std::int64_t>(0, (out - 1) * stride + reach - in - before);
  };
  call.pad_bottom = behind(call.out_h, call.stride_y, call.dilation_y * (call.kernel_h - 1) + 1,
                           call.in_h, call.pad_top);
  call.pad_right = behind(call.out_w, call.stride_x, call.dilation_x * (call.kernel_w - 1) + 1,
                          call.in_w, call.pad_left);
}

bool on_cluster(const Graph& graph, const Node& node) {
  if (std::holds_alternative<Quantize>(node.op) || std::holds_alternative<Dequantize>(node.op)) {
    return false;
  }
  return is_integer(graph.value(node.outputs[0])) && is_integer(graph.value(node.inputs[0]));
}

std::int32_t root_of(const Network& network, std::int32_t activation) {
  const std::int32_t whole = network.activations[static_cast<std::size_t>(activation)].whole;
  return whole >= 0 ? whole : activation;
}

std::int32_t activation_of(const Network& network, ValueId value) {
  for (const auto& [id, activation] : network.values) {
    if (id == value) return activation;
  }
  return -1;
}

bool by_channel(LayerKind kind) {
  return kind != LayerKind::Conv && kind != LayerKind::Pointwise && kind != LayerKind::Linear;
}

std::int64_t code_bytes(std::int64_t channels, std::int64_t bits) {
  return ceil_div(channels * bits, 8);
}

SliceBytes slice_bytes(const Layer& layer, const Cut& slice) {
  const Kernel& call = layer.call;
  const std::int64_t channels = by_channel(layer.kind) ? slice.out_c : call.in_c;
  SliceBytes bytes;
  std::int64_t rows = 0, columns = 0;
  for (std::int64_t y = 0; y < call.out_h; y += slice.out_h) {
    const InputSpan span = input_rows(call, y, std::min(y + slice.out_h, call.out_h));
    rows = std::max(rows, span.end - span.begin);
  }
  for (std::int64_t x = 0; x < call.out_w; x += slice.out_w) {
    const InputSpan span = input_columns(call, x, std::min(x + slice.out_w, call.out_w));
    columns = std::max(columns, span.end - span.begin);
  }
  bytes.in = rows * columns * code_bytes(channels, call.in_bits);
  bytes.out = slice.out_h * slice.out_w * code_bytes(slice.out_c, call.out_bits);
  return bytes;
}

}  // namespace workbench::pulp
