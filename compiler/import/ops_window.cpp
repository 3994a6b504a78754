// Convolutions and pools: auto_pad is resolved here, global pools become windows of the whole map.
#include <algorithm>

#include "compiler/import/node_reader.h"

namespace workbench::importer {

namespace {

enum class AutoPad { NotSet, SameUpper, SameLower, Valid };

AutoPad auto_pad(NodeReader& node) {
  const std::string text = node.text("auto_pad", "NOTSET");
  if (text == "NOTSET" || text.empty()) return AutoPad::NotSet;
  if (text == "SAME_UPPER") return AutoPad::SameUpper;
  if (text == "SAME_LOWER") return AutoPad::SameLower;
  if (text == "VALID") return AutoPad::Valid;
  node.refuse("attribute 'auto_pad': expected NOTSET, SAME_UPPER, SAME_LOWER or VALID, found '{}'",
              text);
}

std::size_t spatial_rank(const NodeReader& node) {
  const Shape& x = node.shape(0);
  if (x.size() < 3) {
    node.refuse("input 0: expected rank 3 or more [N, C, spatial...], found {}", to_string(x));
  }
  return x.size() - 2;
}

// `count` entries in [low, kMaxParameter]; `fallback` in each when the attribute is absent.
Integers entries(NodeReader& node, std::string_view attribute, std::size_t count, std::int64_t low,
                 std::int64_t fallback) {
  Integers found = node.integers(attribute).value_or(Integers(count, fallback));
  if (found.size() != count) {
    node.refuse("attribute '{}': expected {} entries, found {}", attribute, count, found.size());
  }
  for (const std::int64_t v : found) {
    if (v < low || v > kMaxParameter) {
      node.refuse("attribute '{}': expected values in [{}, {}], found {}", attribute, low,
                  kMaxParameter, v);
    }
  }
  return found;
}

// Everything but the padding that auto_pad asks for. `kernel` empty: kernel_shape is required.
Window explicit_window(NodeReader& node, const Integers& kernel) {
  const std::size_t rank = spatial_rank(node);
  if (kernel.empty() && !node.has("kernel_shape")) {
    node.refuse("attribute 'kernel_shape': expected {} entries, found none", rank);
  }
  Window window;
  window.kernel = node.integers("kernel_shape").value_or(kernel);
  if (window.kernel.size() != rank) {
    node.refuse("attribute 'kernel_shape': expected {} entries, found {}", rank,
                window.kernel.size());
  }
  for (const std::int64_t k : window.kernel) {
    if (k < 1 || k > kMaxParameter) {
      node.refuse("attribute 'kernel_shape': expected values in [1, {}], found {}", kMaxParameter,
                  k);
    }
  }
  window.strides = entries(node, "strides", rank, 1, 1);
  window.dilations = Integers(rank, 1);
  const Integers pads = entries(node, "pads", 2 * rank, 0, 0);
  window.pads_begin.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(rank));
  window.pads_end.assign(pads.begin() + static_cast<std::ptrdiff_t>(rank), pads.end());
  return window;
}

bool has_padding(const Window& window) {
  const auto positive = [](std::int64_t v) { return v > 0; };
  return std::any_of(window.pads_begin.begin(), window.pads_begin.end(), positive) ||
         std::any_of(window.pads_end.begin(), window.pads_end.end(), positive);
}

void refuse_both(const NodeReader& node, const Window& window) {
  if (has_padding(window)) {
    node.refuse("attribute 'pads': expected none beside auto_pad, found {} and {}",
                to_string(window.pads_begin), to_string(window.pads_end));
  }
}

// `total` zeros around a dimension, the odd one at the end for SAME_UPPER.
void set_padding(Window& window, std::size_t i, std::int64_t total, bool odd_at_end) {
  const std::int64_t smaller = total / 2;
  window.pads_begin[i] = odd_at_end ? smaller : total - smaller;
  window.pads_end[i] = total - window.pads_begin[i];
}

// As many outputs as ceil(input / stride) for SAME_*.
void resolve_auto_pad(NodeReader& node, Window& window) {
  const AutoPad mode = auto_pad(node);
  if (mode == AutoPad::NotSet) return;
  refuse_both(node, window);
  if (mode == AutoPad::Valid) return;
  const Shape& x = node.shape(0);
  for (std::size_t i = 0; i < window.kernel.size(); ++i) {
    const std::int64_t extent = window.dilations[i] * (window.kernel[i] - 1) + 1;
    const std::int64_t steps = (x[i + 2] + window.strides[i] - 1) / window.strides[i];
    const std::int64_t total =
        std::max<std::int64_t>((steps - 1) * window.strides[i] + extent - x[i + 2], 0);
    set_padding(window, i, total, mode == AutoPad::SameUpper);
  }
}

// The kernel of weights [a, b, kernel...].
Integers weight_kernel(const NodeReader& node, std::size_t weights) {
  const Shape& w = node.shape(weights);
  if (node.shape(0).size() < 2) {
    node.refuse("input 0: expected rank 2 or more, found {}", to_string(node.shape(0)));
  }
  if (w.size() != node.shape(0).size()) {
    node.refuse("input {} (weights): expected rank {}, found {}", weights, node.shape(0).size(),
                to_string(w));
  }
  return {w.begin() + 2, w.end()};
}

std::vector<ValueId> operands_with_bias(const NodeReader& node) {
  std::vector<ValueId> inputs{node.float_input(0), node.float_input(1)};
  if (node.has_input(2)) inputs.push_back(node.float_input(2));
  return inputs;
}

// Quantlab gives the width of the weights: they are stored as whole numbers of that width.
void hint_weight_bits(NodeReader& node) {
  const auto bits = node.number("weight_bits");
  if (!bits || (*bits != 2 && *bits != 4)) return;
  Quantization quantization{.bits = static_cast<int>(*bits)};
  quantization.thresholds = {static_cast<double>(quantization.high())};
  node.mutable_value(1).quantization = quantization;
}

// Where the window sticks out of what `output_shape` asks for, or SAME_*: input * stride.
void resolve_output_shape(NodeReader& node, ConvTranspose& op) {
  const AutoPad mode = auto_pad(node);
  const auto wanted = node.integers("output_shape");
  if (mode == AutoPad::NotSet && !wanted) return;
  refuse_both(node, op.window);
  if (mode == AutoPad::Valid && !wanted) return;
  const Shape& x = node.shape(0);
  Window& window = op.window;
  if (wanted && wanted->size() != window.kernel.size()) {  // some exporters write N and C too
    node.refuse("attribute 'output_shape': expected {} entries, found {}", window.kernel.size(),
                wanted->size());
  }
  for (std::size_t i = 0; i < window.kernel.size(); ++i) {
    const std::int64_t extent = window.dilations[i] * (window.kernel[i] - 1) + 1;
    const std::int64_t size = wanted ? (*wanted)[i] : x[i + 2] * window.strides[i];
    if (size < 1 || size > kMaxParameter) {
      node.refuse("attribute 'output_shape': expected values in [1, {}], found {}", kMaxParameter,
                  size);
    }
    const std::int64_t total =
        window.strides[i] * (x[i + 2] - 1) + op.output_padding[i] + extent - size;
    set_padding(window, i, std::max<std::int64_t>(total, 0), mode == AutoPad::SameUpper);
    if (total < 0) op.output_padding[i] -= total;  // wider than the windows reach: zeros behind
  }
}

}  // namespace

Window global_window(const NodeReader& node) {
  const std::size_t rank = spatial_rank(node);
  const Shape& x = node.shape(0);
  Window window;
  window.kernel.assign(x.begin() + 2, x.end());
  window.strides = window.dilations = Integers(rank, 1);
  window.pads_begin = window.pads_end = Integers(rank, 0);
  return window;
}

Conv conv_op(NodeReader& node, std::size_t weights) {
  Conv op{.window = explicit_window(node, weight_kernel(node, weights))};
  op.window.dilations = entries(node, "dilations", op.window.kernel.size(), 1, 1);
  op.groups = node.integer("group", 1);
  resolve_auto_pad(node, op.window);
  return op;
}

namespace {

void import_conv(NodeReader& node) {
  hint_weight_bits(node);
  node.emit(conv_op(node), operands_with_bias(node));
}

void import_conv_transpose(NodeReader& node) {
  ConvTranspose op{.window = explicit_window(node, weight_kernel(node, 1))};
  const std::size_t rank = op.window.kernel.size();
  op.window.dilations = entries(node, "dilations", rank, 1, 1);
  op.output_padding = entries(node, "output_padding", rank, 0, 0);
  op.groups = node.integer("group", 1);
  resolve_output_shape(node, op);
  node.emit(op, operands_with_bias(node));
}

void import_max_pool(NodeReader& node) {
  MaxPool op{.window = explicit_window(node, {})};
  op.window.dilations = entries(node, "dilations", op.window.kernel.size(), 1, 1);
  op.ceil_mode = node.flag("ceil_mode", false);
  op.storage_order = node.flag("storage_order", false) ? 1 : 0;
  resolve_auto_pad(node, op.window);
  std::vector<Result> results{{}};
  if (node.wants_output(1)) results.push_back({.output = 1, .type = ElementType::Int64});
  // The codes between QuantizeLinear and DequantizeLinear may be pooled too.
  const ElementType type = node.value(0).type;
  const bool is_code = type == ElementType::Int8 || type == ElementType::Uint8;
  node.emit(op, {is_code ? node.input(0) : node.float_input(0)}, results);
}

}  // namespace

AveragePool average_pool_op(NodeReader& node) {
  AveragePool op{.window = explicit_window(node, {})};
  op.ceil_mode = node.flag("ceil_mode", false);
  op.count_include_pad = node.flag("count_include_pad", false);
  op.window.dilations = entries(node, "dilations", op.window.kernel.size(), 1, 1);
  resolve_auto_pad(node, op.window);
  return op;
}

namespace {

void import_average_pool(NodeReader& node) {
  node.emit(average_pool_op(node), {node.float_input(0)});
}

void import_global_average_pool(NodeReader& node) {
  node.emit(AveragePool{.window = global_window(node)}, {node.float_input(0)});
}

void import_global_max_pool(NodeReader& node) {
  node.emit(MaxPool{.window = global_window(node)}, {node.float_input(0)});
}

void import_grid_sample(NodeReader& node) {
  GridSample op;
  const std::string mode = node.text("mode", "linear");
  if (mode == "nearest") {
    op.mode = GridSample::Mode::Nearest;
  } else if (mode == "cubic" || mode == "bicubic") {
    op.mode = GridSample::Mode::Cubic;
  } else if (mode != "linear" && mode != "bilinear") {
    node.refuse("attribute 'mode': expected linear, nearest or cubic, found '{}'", mode);
  }
  const std::string outside = node.text("padding_mode", "zeros");
  if (outside == "border") {
    op.outside = GridSample::Outside::Border;
  } else if (outside == "reflection") {
    op.outside = GridSample::Outside::Reflection;
  } else if (outside != "zeros") {
    node.refuse("attribute 'padding_mode': expected zeros, border or reflection, found '{}'",
                outside);
  }
  op.align_corners = node.flag("align_corners", false);
  node.emit(op, {node.float_input(0), node.float_input(1)});
}

// Of old drafts: a border on each side, or one before and the size of the rest.
void import_crop(NodeReader& node) {
  const Shape& x = node.shape(0);
  const Integers border = node.integers("border").value_or(Integers{0, 0, 0, 0});
  const Integers size = node.integers("scale").value_or(Integers());
  if (x.size() != 4 || border.size() != 4 || (!size.empty() && size.size() != 2)) {
    node.refuse("expected [N,C,H,W], 4 borders and no or 2 sizes, found {}, {} and {}",
                to_string(x), border.size(), size.size());
  }
  Slice op{.axes = {2, 3}, .steps = {1, 1}};
  for (std::size_t i = 0; i < 2; ++i) {
    const std::int64_t before = border[1 - i], after = border[3 - i], all = x[i + 2];
    const bool sane = before >= 0 && after >= 0 && before <= all && after <= all &&
                      (size.empty() || (size[i] >= 0 && size[i] <= all - before));
    if (!sane)
      node.refuse("attribute 'border': expected less than {}, found {}", to_string(x),
                  to_string(border));
    op.starts.push_back(before);
    op.ends.push_back(std::max(before, size.empty() ? all - after : before + size[i]));
  }
  node.emit(op, {node.float_input(0)});
}

// name, function, inputs, outputs, folds, note
constexpr ImportRule kRules[] = {
    {"AveragePool", import_average_pool, 1, 1, false, "1 to 3 spatial dimensions"},
    {"Conv", import_conv, 3, 1, false, "groups, dilations, any padding, any spatial rank"},
    {"ConvTranspose", import_conv_transpose, 3, 1, false, "groups, output_padding, output_shape"},
    {"Crop", import_crop, 1, 1, false, "of old drafts; becomes Slice"},
    {"GlobalAveragePool", import_global_average_pool, 1, 1, false, "becomes AveragePool"},
    {"GlobalMaxPool", import_global_max_pool, 1, 1, false, "becomes MaxPool"},
    {"GridSample", import_grid_sample, 2, 1, false, "of [N,C,H,W]"},
    {"MaxPool", import_max_pool, 1, 2, false, "with dilations, ceil_mode and indices"},
};

}  // namespace

std::span<const ImportRule> window_rules() { return kRules; }

}  // namespace workbench::importer
