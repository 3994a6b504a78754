// Convolutions and pools: docs/facts/tensorflow.md 2. Padding becomes explicit here, and a
// convolution between SpaceToBatchND and BatchToSpaceND becomes one with dilations.
#include <algorithm>
#include <numeric>

#include "compiler/import/node_reader.h"
#include "compiler/import/tensorflow/converter.h"

namespace workbench::importer::tensorflow {

namespace {

// A window over the spatial dimensions; all lists have one entry for each.
struct SlidingWindow {
  std::vector<std::size_t> axes;  // the spatial dimensions of the tensor
  std::size_t channel_axis = 0;
  Integers kernel, strides, dilations, pads_begin, pads_end;
  Shape sizes;  // of the operand
};

Arrangement map_arrangement(const Op& op, std::size_t rank) {
  return op.channels_last() ? channels_first(rank) : plain(rank);
}

// Entries of an attribute with one entry per dimension; those of batch and channels must be 1.
Integers spatial_entries(const Op& op, const std::string& meaning, const Integers& all,
                         const SlidingWindow& window, std::size_t rank) {
  if (all.empty()) return Integers(window.axes.size(), 1);
  if (all.size() != rank) {
    op.refuse("{}: expected {} entries, found {}", meaning, rank, all.size());
  }
  if (all[0] != 1 || all[window.channel_axis] != 1) {
    op.refuse("{}: expected 1 for batch and channels, found {}", meaning,
              workbench::to_string(all));
  }
  Integers entries;
  for (const std::size_t axis : window.axes) {
    if (all[axis] < 1 || all[axis] > kMaxParameter) {
      op.refuse("{}: expected values in [1, {}], found {}", meaning, kMaxParameter, all[axis]);
    }
    entries.push_back(all[axis]);
  }
  return entries;
}

SlidingWindow read_window(const Op& op, const Shape& x) {
  if (x.size() < 4 || x.size() > 5) {
    op.refuse("expected a map of 2 or 3 spatial dimensions, found shape {}",
              workbench::to_string(x));
  }
  SlidingWindow window;
  const bool last = op.channels_last();
  window.channel_axis = last ? x.size() - 1 : 1;
  for (std::size_t i = 0; i + 2 < x.size(); ++i) {
    window.axes.push_back(last ? i + 1 : i + 2);
    window.sizes.push_back(x[window.axes.back()]);
  }
  window.strides =
      spatial_entries(op, "attribute 'strides'", op.integers("strides"), window, x.size());
  window.dilations =
      spatial_entries(op, "attribute 'dilations'", op.integers("dilations"), window, x.size());
  window.pads_begin = window.pads_end = Integers(window.axes.size(), 0);
  return window;
}

std::int64_t extent(const SlidingWindow& window, std::size_t i) {
  return (window.kernel[i] - 1) * window.dilations[i] + 1;
}

// SAME, VALID, or EXPLICIT with two numbers per dimension.
void resolve_padding(const Op& op, SlidingWindow& window) {
  const std::string padding = op.text("padding", "VALID");
  if (padding == "VALID") return;
  if (padding == "EXPLICIT") {
    const Integers pads = op.integers("explicit_paddings");
    const std::size_t rank = window.axes.size() + 2;
    if (pads.size() != 2 * rank ||
        std::ranges::any_of(pads, [](std::int64_t v) { return v < 0; })) {
      op.refuse("attribute 'explicit_paddings': expected {} values >= 0, found {}", 2 * rank,
                workbench::to_string(pads));
    }
    for (std::size_t i = 0; i < window.axes.size(); ++i) {
      window.pads_begin[i] = pads[2 * window.axes[i]];
      window.pads_end[i] = pads[2 * window.axes[i] + 1];
    }
    return;
  }
  if (padding != "SAME") {
    op.refuse("attribute 'padding': expected SAME, VALID or EXPLICIT, found '{}'", padding);
  }
  for (std::size_t i = 0; i < window.axes.size(); ++i) {  // the odd one at the end
    const std::int64_t steps = (window.sizes[i] + window.strides[i] - 1) / window.strides[i];
    const std::int64_t total = std::max<std::int64_t>(
        (steps - 1) * window.strides[i] + extent(window, i) - window.sizes[i], 0);
    window.pads_begin[i] = total / 2;
    window.pads_end[i] = total - total / 2;
  }
}

Shape output_shape(const Op& op, const Shape& x, const SlidingWindow& window,
                   std::int64_t channels) {
  Shape shape = x;
  shape[window.channel_axis] = channels;
  for (std::size_t i = 0; i < window.axes.size(); ++i) {
    const std::int64_t padded = window.sizes[i] + window.pads_begin[i] + window.pads_end[i];
    if (padded < extent(window, i)) {
      op.refuse("expected a map that is not smaller than the window, found {} against {}",
                workbench::to_string(x), workbench::to_string(window.kernel));
    }
    shape[window.axes[i]] = (padded - extent(window, i)) / window.strides[i] + 1;
  }
  return shape;
}

Integers pads_of(const SlidingWindow& window) {
  Integers pads = window.pads_begin;
  pads.insert(pads.end(), window.pads_end.begin(), window.pads_end.end());
  return pads;
}

void set_window(onnx::NodeProto& node, const SlidingWindow& window) {
  attribute(node, "kernel_shape", window.kernel);
  attribute(node, "strides", window.strides);
  attribute(node, "pads", pads_of(window));
}

// Inside SpaceToBatchND the window reads every block-th pixel of the padded map.
void take_dilation(const Op& op, SlidingWindow& window) {
  const auto& dilation = op.value(0).dilation;
  if (!dilation) return;
  if (dilation->conv != nullptr) {
    op.refuse("expected one convolution between SpaceToBatchND and BatchToSpaceND, found two");
  }
  for (std::size_t i = 0; i < window.axes.size(); ++i) {
    const std::int64_t block = dilation->block[window.axes[i]];
    const bool dense = window.strides[i] == 1 && window.dilations[i] == 1;
    if (!dense) op.refuse("expected strides and dilations of 1 behind SpaceToBatchND");
    if (block > 1 && window.pads_begin[i] + window.pads_end[i] > 0) {
      op.refuse("attribute 'padding': expected VALID behind SpaceToBatchND");
    }
    window.dilations[i] = block;
    window.pads_begin[i] += dilation->pads_begin[window.axes[i]];
    window.pads_end[i] += dilation->pads_end[window.axes[i]];
  }
}

// Behind emit(): what BatchToSpaceND may take back from the padding.
void settle_dilation(Op& op, onnx::NodeProto& node) {
  auto& dilation = op.result().dilation;
  if (!dilation) return;
  dilation->conv = &node;
  dilation->pads_begin.assign(dilation->pads_begin.size(), 0);
  dilation->pads_end.assign(dilation->pads_end.size(), 0);
}

void emit_convolution(Op& op, SlidingWindow window, const std::string& weights,
                      std::int64_t channels, std::int64_t groups) {
  resolve_padding(op, window);
  take_dilation(op, window);
  const Shape x = op.shape(0);
  const Arrangement arrangement = map_arrangement(op, x.size());
  onnx::NodeProto& node = op.emit("Conv", {op.stored(0, arrangement), weights},
                                  output_shape(op, x, window, channels), arrangement);
  set_window(node, window);
  attribute(node, "dilations", window.dilations);
  attribute(node, "group", groups);
  settle_dilation(op, node);
}

void check_filter(const Op& op, std::size_t i, std::size_t rank) {
  const Shape& filter = op.shape(i);
  if (filter.size() != rank || element_count(filter) == 0) {
    op.refuse("input {} (filter): expected rank {}, found {}", i, rank,
              workbench::to_string(filter));
  }
}

// Filters have the spatial dimensions first, then channels in, channels out; ONNX has them last.
Arrangement filter_arrangement(std::size_t rank, bool transposed_convolution) {
  Arrangement arrangement = plain(rank);
  for (std::size_t i = 0; i + 2 < rank; ++i) arrangement.axes[i] = i + 2;
  arrangement.axes[rank - 2] = 1;
  arrangement.axes[rank - 1] = 0;
  // Conv2DBackpropInput's filter has the channels of its result before those of its operand, and
  // ConvTranspose wants the operand's first: the same order.
  CHECK(!transposed_convolution || rank == 4, "a transposed convolution of rank {}", rank);
  return arrangement;
}

void convert_conv(Op& op) {
  const Shape x = op.shape(0);
  SlidingWindow window = read_window(op, x);
  check_filter(op, 1, x.size());
  const Shape filter = op.shape(1);
  window.kernel.assign(filter.begin(), filter.end() - 2);
  const std::int64_t in = filter[filter.size() - 2];
  const std::int64_t out = filter.back();
  const std::int64_t groups = x[window.channel_axis] / std::max<std::int64_t>(in, 1);
  if (groups < 1 || groups * in != x[window.channel_axis] || out % groups != 0) {
    op.refuse("input 1 (filter): expected {} channels in, found {}", x[window.channel_axis],
              workbench::to_string(filter));
  }
  emit_convolution(op, window, op.stored(1, filter_arrangement(filter.size(), false)), out, groups);
}

// [H, W, C, M] as [C * M, 1, H, W]: output channel c * M + m reads channel c.
std::string depthwise_weights(Op& op) {
  const Shape filter = op.shape(1);
  const Arrangement order{.axes = {2, 3, 0, 1}, .flattened = {}};
  const Shape wanted{filter[2] * filter[3], 1, filter[0], filter[1]};
  if (!op.is_constant(1)) {
    const std::string turned = op.stored(1, order);
    return op.step("Reshape", {turned, op.builder().list(op.name() + "/shape", wanted)});
  }
  Value weights{.name = op.value(1).name, .type = op.value(1).type, .shape = wanted};
  weights.constant = reshaped(transposed(*op.value(1).constant, storing_order(order)), wanted);
  weights.fake_quant = op.value(1).fake_quant;
  if (weights.fake_quant && weights.fake_quant->low.size() > 1) {
    op.refuse("input 1 (filter): expected one range, found one per channel");
  }
  return op.converter().stored(op.converter().add_value(std::move(weights)), plain(4));
}

void convert_depthwise(Op& op) {
  const Shape x = op.shape(0);
  SlidingWindow window = read_window(op, x);
  check_filter(op, 1, 4);
  const Shape filter = op.shape(1);
  if (x.size() != 4 || filter[2] != x[window.channel_axis]) {
    op.refuse("input 1 (filter): expected {} channels, found {}", x[window.channel_axis],
              workbench::to_string(filter));
  }
  window.kernel = {filter[0], filter[1]};
  emit_convolution(op, window, depthwise_weights(op), filter[2] * filter[3], filter[2]);
}

// The gradient of a convolution whose result is operand 2: output_shape, filter, x.
void convert_transposed_conv(Op& op) {
  const Shape x = op.shape(2);
  SlidingWindow window = read_window(op, x);
  check_filter(op, 1, 4);
  const Shape filter = op.shape(1);
  Integers wanted = op.constant_integers(0, "output_shape");
  if (wanted.size() == 2) {  // newer graphs give the spatial sizes alone
    wanted = op.channels_last() ? Integers{x[0], wanted[0], wanted[1], filter[2]}
                                : Integers{x[0], filter[2], wanted[0], wanted[1]};
  }
  if (x.size() != 4 || wanted.size() != 4 || filter[3] != x[window.channel_axis] ||
      wanted[window.channel_axis] != filter[2]) {
    op.refuse("expected output_shape, filter and map that fit, found {}, {} and {}",
              workbench::to_string(wanted), workbench::to_string(filter), workbench::to_string(x));
  }
  window.kernel = {filter[0], filter[1]};
  const Shape sizes = window.sizes;  // of x, which is the convolution's result
  for (std::size_t i = 0; i < 2; ++i) window.sizes[i] = wanted[window.axes[i]];
  resolve_padding(op, window);
  wanted[0] = x[0];
  Integers behind;
  for (std::size_t i = 0; i < 2; ++i) {
    const std::int64_t padded = window.sizes[i] + window.pads_begin[i] + window.pads_end[i];
    const std::int64_t reach = (sizes[i] - 1) * window.strides[i] + extent(window, i);
    if (padded < reach || padded - reach >= window.strides[i]) {
      op.refuse(
          "input 0 (output_shape): expected the size of what a convolution turns into {}, "
          "found {}",
          workbench::to_string(x), workbench::to_string(wanted));
    }
    behind.push_back(padded - reach);
  }
  const Arrangement arrangement = map_arrangement(op, 4);
  op.set_type(op.value(2).type);
  const std::string map = op.stored(2, arrangement);
  const std::string weights = op.stored(1, filter_arrangement(4, true));
  onnx::NodeProto& node = op.emit("ConvTranspose", {map, weights}, wanted, arrangement);
  set_window(node, window);
  attribute(node, "dilations", window.dilations);
  attribute(node, "output_padding", behind);
}

void convert_pool(Op& op) {
  const Shape x = op.shape(0);
  SlidingWindow window = read_window(op, x);
  Integers kernel = op.integers("ksize");
  if (op.kind() == "MaxPoolV2") {
    kernel = op.constant_integers(1, "ksize");
    window.strides = spatial_entries(op, "input 2 (strides)", op.constant_integers(2, "strides"),
                                     window, x.size());
  }
  window.kernel = spatial_entries(op, "ksize", kernel, window, x.size());
  resolve_padding(op, window);
  const Arrangement arrangement = map_arrangement(op, x.size());
  const bool average = op.kind().starts_with("Avg");
  const std::string stored = op.stored(0, arrangement);
  set_window(op.emit(average ? "AveragePool" : "MaxPool", {stored},
                     output_shape(op, x, window, x[window.channel_axis]), arrangement),
             window);
}

// SpaceToBatchND and BatchToSpaceND.

struct Blocks {
  Integers block, begin, end;  // per dimension of the operand
};

Blocks read_blocks(const Op& op) {
  const Shape& x = op.shape(0);
  const Integers block = op.constant_integers(1, "block_shape");
  const Integers cut = op.constant_integers(2, "paddings or crops");
  if (block.size() + 1 >= x.size() + 1 || cut.size() != 2 * block.size()) {
    op.refuse("expected a block and two numbers for each of some spatial dimensions of {}",
              workbench::to_string(x));
  }
  Blocks blocks{Integers(x.size(), 1), Integers(x.size(), 0), Integers(x.size(), 0)};
  for (std::size_t i = 0; i < block.size(); ++i) {
    if (block[i] < 1 || block[i] > kMaxParameter || cut[2 * i] < 0 || cut[2 * i + 1] < 0 ||
        cut[2 * i] > kMaxParameter || cut[2 * i + 1] > kMaxParameter) {
      op.refuse("expected blocks >= 1 and other values >= 0");
    }
    blocks.block[i + 1] = block[i];
    blocks.begin[i + 1] = cut[2 * i];
    blocks.end[i + 1] = cut[2 * i + 1];
  }
  return blocks;
}

void convert_space_to_batch(Op& op) {
  const Blocks blocks = read_blocks(op);
  if (op.value(0).dilation || op.value(0).constant) {
    op.refuse("expected a computed map, found a constant, or one that SpaceToBatchND wrote");
  }
  for (std::size_t i = 0; i < blocks.block.size(); ++i) {
    if ((op.shape(0)[i] + blocks.begin[i] + blocks.end[i]) % blocks.block[i] != 0) {
      op.refuse("expected blocks that divide the padded map {}", workbench::to_string(op.shape(0)));
    }
  }
  Value map = op.value(0);
  map.dilation =
      Dilation{.block = blocks.block, .pads_begin = blocks.begin, .pads_end = blocks.end};
  map.dilation->shared = op.readers() > 1;
  map.clipped.reset();
  op.bind(0, op.converter().add_value(std::move(map)));
}

// Takes what BatchToSpaceND crops from the padding of the convolution. Whether that was possible.
bool crop_padding(const Dilation& dilation, const Blocks& blocks,
                  const std::vector<std::size_t>& axes) {
  if (dilation.shared) return false;
  for (onnx::AttributeProto& pads : *dilation.conv->mutable_attribute()) {
    if (pads.name() != "pads") continue;
    const auto rank = static_cast<std::size_t>(pads.ints_size()) / 2;
    if (rank < axes.size()) return false;
    const std::size_t first = rank - axes.size();  // a 1-D map in a convolution of height 1
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const auto begin = static_cast<int>(first + i);
      const auto end = static_cast<int>(first + i + rank);
      if (pads.ints(begin) < blocks.begin[axes[i]] || pads.ints(end) < blocks.end[axes[i]]) {
        return false;
      }
    }
    for (std::size_t i = 0; i < axes.size(); ++i) {
      const auto begin = static_cast<int>(first + i);
      const auto end = static_cast<int>(first + i + rank);
      pads.set_ints(begin, pads.ints(begin) - blocks.begin[axes[i]]);
      pads.set_ints(end, pads.ints(end) - blocks.end[axes[i]]);
    }
    return true;
  }
  return false;
}

void crop(Op& op, const Blocks& blocks, const Shape& shape) {
  const Arrangement arrangement = op.arrangement(0);
  Integers starts;
  Integers ends;
  Integers axes;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (blocks.begin[i] == 0 && blocks.end[i] == 0) continue;
    starts.push_back(blocks.begin[i]);
    ends.push_back(blocks.begin[i] + shape[i]);
    axes.push_back(static_cast<std::int64_t>(arrangement.axes[i]));
  }
  ModelBuilder& builder = op.builder();
  const std::string x = op.stored(0, arrangement);
  op.emit("Slice",
          {x, builder.list(op.name() + "/starts", starts), builder.list(op.name() + "/ends", ends),
           builder.list(op.name() + "/axes", axes)},
          shape, arrangement);
  op.result().dilation.reset();
}

void convert_batch_to_space(Op& op) {
  const Blocks blocks = read_blocks(op);
  const auto dilation = op.value(0).dilation;
  if (!dilation || dilation->conv == nullptr || dilation->block != blocks.block) {
    op.refuse("expected a convolution between SpaceToBatchND and it, found none");
  }
  Shape shape = op.shape(0);
  std::vector<std::size_t> axes;
  bool cropped = false;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    shape[i] -= blocks.begin[i] + blocks.end[i];
    cropped = cropped || blocks.begin[i] + blocks.end[i] > 0;
    if (shape[i] < 1) op.refuse("input 2 (crops): expected less than the map");
    if (i > 0 && i + 1 < shape.size()) axes.push_back(i);
  }
  const bool last = op.arrangement(0) == channels_first(shape.size());
  if (cropped && (!last || !crop_padding(*dilation, blocks, axes))) {
    return crop(op, blocks, shape);
  }
  Value map = op.value(0);
  map.name = op.name();
  map.shape = shape;
  map.dilation.reset();
  map.clipped.reset();  // of the map before it was cropped
  map.forms.resize(1);  // others may have been made of the map before it was cropped
  op.bind(0, op.converter().add_value(std::move(map)));
}

constexpr Rule kRules[] = {
    {"AvgPool", convert_pool, false, Rule::Channels::First},
    {"AvgPool3D", convert_pool, false, Rule::Channels::First},
    {"BatchToSpaceND", convert_batch_to_space, true},
    {"Conv2D", convert_conv, true, Rule::Channels::First},
    {"Conv2DBackpropInput", convert_transposed_conv, false, Rule::Channels::First},
    {"Conv3D", convert_conv, false, Rule::Channels::First},
    {"DepthwiseConv2dNative", convert_depthwise, true, Rule::Channels::First},
    {"MaxPool", convert_pool, false, Rule::Channels::First},
    {"MaxPool3D", convert_pool, false, Rule::Channels::First},
    {"MaxPoolV2", convert_pool, false, Rule::Channels::First},
    {"SpaceToBatchND", convert_space_to_batch, true},
};

}  // namespace

std::span<const Rule> window_rules() { return kRules; }

}  // namespace workbench::importer::tensorflow
