// Operators that move data: reshapes, slices, joins, padding, resizing.
#include <algorithm>
#include <cmath>
#include <limits>

#include "compiler/import/tensorflow/converter.h"
#include "compiler/import/tensorflow/slicing.h"

namespace workbench::importer::tensorflow {

namespace {

// The sizes of a Reshape. Within a dilation one of them may still change: BatchToSpaceND crops it.
Shape reshape_sizes(const Value& source, const Shape& shape, const Arrangement& arrangement) {
  Shape sizes = stored_shape(shape, arrangement);
  if (!source.dilation) return sizes;
  for (std::size_t i = 0; i < source.shape.size(); ++i) {
    if (source.dilation->block[i] == 1) continue;
    const auto found = std::ranges::find(sizes, source.shape[i]);
    if (found != sizes.end() && std::ranges::count(sizes, source.shape[i]) == 1) *found = -1;
    break;
  }
  return sizes;
}

void emit_reshape(Op& op, int value_id, const std::string& stored, const Shape& shape,
                  const Arrangement& arrangement, int output) {
  const Shape sizes = reshape_sizes(op.converter().value(value_id), shape, arrangement);
  op.emit("Reshape", {stored, op.builder().list(op.name() + "/shape", sizes)}, shape, arrangement,
          output);
}

void bind_reshaped_constant(Op& op, const Value& source, const Shape& shape, int output) {
  op.bind_constant(output, reshaped(*source.constant, shape));
  op.result(output).fake_quant = source.fake_quant;
}

}  // namespace

void reshape(Op& op, int value_id, const Shape& shape, int output) {
  const Value source = op.converter().value(value_id);
  op.set_type(source.type);
  if (shape == source.shape) return op.bind(output, value_id);
  if (source.constant) return bind_reshaped_constant(op, source, shape, output);
  const Form& form = source.forms.front();
  if (!form.arrangement.flattened.empty() && shape == unflattened_shape(form.arrangement)) {
    return emit_reshape(op, value_id, form.name, shape,
                        {.axes = form.arrangement.axes, .flattened = {}}, output);
  }
  if (form.arrangement.flattened.empty()) {
    if (const auto arrangement = reshaped_in_place(source.shape, form.arrangement, shape)) {
      return emit_reshape(op, value_id, form.name, shape, *arrangement, output);
    }
    const bool flattens = shape.size() == 2 && source.shape.size() > 2 &&
                          shape[0] == source.shape[0] && form.arrangement.axes[0] == 0;
    if (flattens && !op.is_output()) {
      const Arrangement flattened{.axes = form.arrangement.axes,
                                  .flattened = stored_shape(source.shape, form.arrangement)};
      return emit_reshape(op, value_id, form.name, shape, flattened, output);
    }
  }
  const std::string stored = op.converter().stored(value_id, plain(source.shape.size()));
  emit_reshape(op, value_id, stored, shape, plain(shape.size()), output);
}

namespace {

void convert_identity(Op& op) {
  if (op.input_count() == 0) op.refuse("expected an input, found none");
  for (std::size_t i = 0; i < op.input_count(); ++i) {
    op.bind(static_cast<int>(i), op.value_id(i));
    if (op.kind() != "IdentityN") return;
  }
}

void convert_reshape(Op& op) { reshape(op, op.value_id(0), read_reshape(op)); }

// Lists per dimension of a dilation follow a dimension that comes or goes.
void convert_squeeze(Op& op) {
  const Shape from = op.shape(0);
  const Shape to = read_squeeze(op);
  const auto dilation = op.value(0).dilation;
  reshape(op, op.value_id(0), to);
  if (!dilation || to.size() == from.size()) return;
  Dilation kept = *op.result().dilation;
  Integers axes = op.integers("squeeze_dims");
  if (axes.empty()) axes = op.integers("axis");
  if (axes.size() != 1) op.refuse("expected one dimension within a dilation");
  const auto axis = static_cast<std::ptrdiff_t>(op.axis(axes[0], from.size()));
  for (Integers* list : {&kept.block, &kept.pads_begin, &kept.pads_end}) {
    list->erase(list->begin() + axis);
  }
  op.result().dilation = kept;
}

void convert_expand_dims(Op& op) {
  const Shape to = read_expand_dims(op);
  const std::size_t axis = op.axis(op.constant_integer(1, "dim"), to.size());
  const auto dilation = op.value(0).dilation;
  reshape(op, op.value_id(0), to);
  if (!dilation) return;
  Dilation kept = *op.result().dilation;
  const auto place = static_cast<std::ptrdiff_t>(axis);
  kept.block.insert(kept.block.begin() + place, 1);
  kept.pads_begin.insert(kept.pads_begin.begin() + place, 0);
  kept.pads_end.insert(kept.pads_end.begin() + place, 0);
  op.result().dilation = kept;
}

// Nothing moves: the same stored tensor is read in another order.
void convert_transpose(Op& op) {
  const std::vector<std::size_t> order = read_permutation(op);
  const Value& x = op.value(0);
  if (x.constant) {
    if (x.fake_quant && x.fake_quant->low.size() > 1 && order.back() + 1 != order.size()) {
      op.refuse("expected the ranges of a constant along its last dimension");
    }
    const auto fake_quant = x.fake_quant;
    op.bind_constant(0, transposed(*x.constant, order));
    op.result().fake_quant = fake_quant;
    return;
  }
  const Arrangement arrangement = op.arrangement(0);
  const Form from =
      arrangement.flattened.empty() ? x.forms.front() : Form{op.plain(0), plain(order.size())};
  Value turned{.name = op.name(), .type = op.value(0).type};
  Form form{.name = from.name, .arrangement = {}};
  for (const std::size_t axis : order) {
    turned.shape.push_back(op.shape(0)[axis]);
    form.arrangement.axes.push_back(from.arrangement.axes[axis]);
  }
  turned.forms.push_back(form);
  op.bind(0, op.converter().add_value(std::move(turned)));
}

Arrangement without_flattening(const Op& op, std::size_t rank) {
  const Arrangement wanted = op.preferred(rank);
  return wanted.flattened.empty() ? wanted : plain(rank);
}

void convert_concat(Op& op) {
  const Joining joining = read_concat(op);
  Shape shape = op.shape(joining.first);
  const Arrangement arrangement = without_flattening(op, shape.size());
  shape[joining.axis] = 0;
  std::vector<std::string> inputs;
  for (std::size_t i = 0; i < joining.count; ++i) {
    const std::size_t operand = joining.first + i;
    shape[joining.axis] += op.shape(operand)[joining.axis];
    if (element_count(op.shape(operand)) > 0) inputs.push_back(op.stored(operand, arrangement));
  }
  op.set_type(op.value(joining.first).type);
  attribute(op.emit("Concat", inputs, shape, arrangement), "axis",
            static_cast<std::int64_t>(arrangement.axes[joining.axis]));
}

void convert_pack(Op& op) {
  const Joining joining = read_pack(op);
  Shape part = op.shape(0);
  part.insert(part.begin() + static_cast<std::ptrdiff_t>(joining.axis), 1);
  const std::string sizes = op.builder().list(op.name() + "/shape", part);
  std::vector<std::string> inputs;
  for (std::size_t i = 0; i < joining.count; ++i) {
    inputs.push_back(op.step("Reshape", {op.plain(i), sizes}));
  }
  Shape shape = part;
  shape[joining.axis] = static_cast<std::int64_t>(joining.count);
  attribute(op.emit("Concat", inputs, shape, plain(shape.size())), "axis",
            static_cast<std::int64_t>(joining.axis));
}

// A value that is no constant, cut to `slicing`, as output `output`.
void emit_slice(Op& op, int value_id, const Slicing& slicing, int output) {
  const Shape x = op.converter().value(value_id).shape;
  const DataType type = op.converter().value(value_id).type;
  const Arrangement wanted = op.converter().value(value_id).forms.front().arrangement;
  const Arrangement arrangement = wanted.flattened.empty() ? wanted : plain(x.size());
  Integers starts;
  Integers ends;
  Integers axes;
  Integers steps;
  Shape counts;
  for (std::size_t k = 0; k < x.size(); ++k) {
    const SliceAxis& axis = slicing.axes[k];
    counts.push_back(axis.count);
    if (axis.count == x[k] && axis.step == 1) continue;
    const std::int64_t end = axis.start + axis.count * axis.step;
    starts.push_back(axis.start);
    ends.push_back(end < 0 ? std::numeric_limits<std::int64_t>::min() : end);
    axes.push_back(static_cast<std::int64_t>(arrangement.axes[k]));
    steps.push_back(axis.step);
  }
  if (element_count(counts) == 0) op.refuse("expected elements, found an empty part");
  op.set_type(type);
  if (axes.empty()) return reshape(op, value_id, slicing.shape, output);
  ModelBuilder& builder = op.builder();
  const std::string& name = op.name();
  const std::vector<std::string> inputs{
      op.converter().stored(value_id, arrangement), builder.list(name + "/starts", starts),
      builder.list(name + "/ends", ends), builder.list(name + "/axes", axes),
      builder.list(name + "/steps", steps)};
  if (counts == slicing.shape) {
    op.emit("Slice", inputs, counts, arrangement, output);
    return;
  }
  Value part{.name = name + "/part", .type = type, .shape = counts};
  part.forms.push_back({op.step("Slice", inputs), arrangement});
  reshape(op, op.converter().add_value(std::move(part)), slicing.shape, output);
}

void convert_strided_slice(Op& op) { emit_slice(op, op.value_id(0), read_strided_slice(op), 0); }
void convert_slice(Op& op) { emit_slice(op, op.value_id(0), read_slice(op), 0); }

void convert_split(Op& op) {
  const std::vector<Slicing> parts = read_split(op);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    emit_slice(op, op.value_id(split_operand(op)), parts[i], static_cast<int>(i));
  }
}

void convert_unpack(Op& op) {
  const std::vector<Slicing> parts = read_unpack(op);
  for (std::size_t i = 0; i < parts.size(); ++i) {
    emit_slice(op, op.value_id(0), parts[i], static_cast<int>(i));
  }
}

void convert_reverse(Op& op) {
  const Shape& x = op.shape(0);
  Slicing slicing{.axes = {}, .shape = x};
  for (const std::int64_t size : x) slicing.axes.push_back({.start = 0, .step = 1, .count = size});
  for (const std::int64_t wanted : op.constant_integers(1, "axis")) {
    const std::size_t axis = op.axis(wanted, x.size());
    slicing.axes[axis] = {.start = x[axis] - 1, .step = -1, .count = x[axis]};
  }
  emit_slice(op, op.value_id(0), slicing, 0);
}

// Constant indices on what is computed.
void convert_gather(Op& op) {
  const Shape x = op.shape(0);
  const std::int64_t wanted = op.input_count() > 2 ? op.constant_integer(2, "axis") : 0;
  const std::size_t axis = op.axis(wanted, x.size());
  if (op.integer("batch_dims", 0) != 0) op.refuse("attribute 'batch_dims': expected 0");
  const Constant& indices = op.constant(1, "indices");
  for (const std::int64_t index : op.constant_integers(1, "indices")) {
    if (index < 0 || index >= x[axis]) {
      op.refuse("input 1 (indices): expected values below {}, found {}", x[axis], index);
    }
  }
  if (indices.shape.empty()) {
    Slicing slicing{.axes = {}, .shape = x};
    for (const std::int64_t size : x) {
      slicing.axes.push_back({.start = 0, .step = 1, .count = size});
    }
    slicing.axes[axis] = {.start = indices.integers()[0], .step = 1, .count = 1};
    slicing.shape.erase(slicing.shape.begin() + static_cast<std::ptrdiff_t>(axis));
    return emit_slice(op, op.value_id(0), slicing, 0);
  }
  Shape shape = x;
  const auto place = shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
  shape.insert(place, indices.shape.begin(), indices.shape.end());
  Constant whole = indices;
  whole.type = DataType::Int64;
  const bool one_list = indices.shape.size() == 1;
  const Arrangement arrangement = one_list ? without_flattening(op, x.size()) : plain(x.size());
  const std::string stored = op.stored(0, arrangement);
  attribute(op.emit("Gather", {stored, op.initializer("indices", whole)}, shape,
                    one_list ? arrangement : plain(shape.size())),
            "axis", static_cast<std::int64_t>(arrangement.axes[axis]));
}

void convert_pad(Op& op) {
  const Shape x = op.shape(0);
  const Integers paddings = op.constant_integers(1, "paddings");
  if (paddings.size() != 2 * x.size() ||
      std::ranges::any_of(paddings, [](std::int64_t v) { return v < 0; })) {
    op.refuse("input 1 (paddings): expected two values >= 0 for each dimension of {}, found {}",
              workbench::to_string(x), workbench::to_string(paddings));
  }
  std::string mode = "constant";
  if (op.kind() == "MirrorPad") {
    // Symmetric padding repeats the edge, too: by one pixel it is the edge.
    const bool symmetric = op.text("mode", "REFLECT") == "SYMMETRIC";
    const bool narrow = std::ranges::all_of(paddings, [](std::int64_t v) { return v <= 1; });
    if (symmetric && !narrow) {
      op.refuse(
          "attribute 'mode': expected REFLECT, or SYMMETRIC by one pixel, found SYMMETRIC "
          "by more");
    }
    mode = symmetric ? "edge" : "reflect";
  }
  const Arrangement arrangement = without_flattening(op, x.size());
  Shape shape = x;
  Integers pads(2 * x.size(), 0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    shape[i] += paddings[2 * i] + paddings[2 * i + 1];
    pads[arrangement.axes[i]] = paddings[2 * i];
    pads[arrangement.axes[i] + x.size()] = paddings[2 * i + 1];
  }
  std::vector<std::string> inputs{op.stored(0, arrangement),
                                  op.builder().list(op.name() + "/pads", pads)};
  if (op.kind() == "PadV2") {
    inputs.push_back(op.initializer("value", scalar(op.constant_real(2, "constant_values"))));
  }
  attribute(op.emit("Pad", inputs, shape, arrangement), "mode", mode);
}

void convert_tile(Op& op) {
  const Shape shape = read_tile(op);
  const Integers repeats = op.constant_integers(1, "multiples");
  if (shape == op.shape(0)) return op.bind(0, op.value_id(0));
  const Arrangement arrangement = without_flattening(op, shape.size());
  Integers stored_repeats(repeats.size());
  for (std::size_t i = 0; i < repeats.size(); ++i) {
    stored_repeats[arrangement.axes[i]] = repeats[i];
  }
  const std::string x = op.stored(0, arrangement);
  op.emit("Tile", {x, op.builder().list(op.name() + "/repeats", stored_repeats)}, shape,
          arrangement);
}

void convert_broadcast_to(Op& op) {
  const Shape wanted = op.constant_integers(1, "shape");
  const auto shape = broadcast(op.shape(0), wanted);
  if (!shape || *shape != wanted) {
    op.refuse("input 1 (shape): expected what {} broadcasts to, found {}",
              workbench::to_string(op.shape(0)), workbench::to_string(wanted));
  }
  const Arrangement arrangement = without_flattening(op, wanted.size());
  const std::string x = broadcast_operand(op, 0, wanted.size(), arrangement);
  op.emit("Expand", {x, op.builder().list(op.name() + "/shape", stored_shape(wanted, arrangement))},
          wanted, arrangement);
}

void convert_depth_and_space(Op& op) {
  const Shape x = op.shape(0);
  const bool to_space = op.kind() == "DepthToSpace";
  const std::int64_t block = op.integer("block_size", 0);
  if (x.size() != 4 || block < 1 || block > (std::int64_t{1} << 15)) {
    op.refuse("expected a map and a block_size above 0, found {} and {}", workbench::to_string(x),
              block);
  }
  const std::size_t channels = op.channels_last() ? 3 : 1;
  Shape shape = x;
  for (std::size_t i = 1; i < 4; ++i) {
    const std::int64_t factor = i == channels ? block * block : block;
    const bool divides = (i == channels) == to_space;
    if (divides && x[i] % factor != 0) {
      op.refuse("expected dimension {} of {} divisible by {}", i, workbench::to_string(x), factor);
    }
    shape[i] = divides ? x[i] / factor : x[i] * factor;
  }
  const Arrangement arrangement = op.channels_last() ? channels_first(4) : plain(4);
  const std::string stored = op.stored(0, arrangement);
  attribute(op.emit(op.kind(), {stored}, shape, arrangement), "blocksize", block);
}

// docs/facts/tensorflow.md 2 has how pixels are sampled.
void convert_resize(Op& op) {
  const Shape x = op.shape(0);
  const Integers size = op.constant_integers(1, "size");
  if (x.size() != 4 || size.size() != 2 || size[0] < 1 || size[1] < 1) {
    op.refuse("expected a map and two sizes above 0, found {} and {}", workbench::to_string(x),
              workbench::to_string(size));
  }
  const Shape shape{x[0], size[0], size[1], x[3]};
  if (shape == x && is_real(op.value(0).type)) return op.bind(0, op.value_id(0));
  const bool corners = op.flag("align_corners", false);
  const bool half_pixel = op.flag("half_pixel_centers", false);
  // One pixel is spread, however it is sampled.
  const bool nearest = op.kind() == "ResizeNearestNeighbor" || (x[1] == 1 && x[2] == 1);
  if (!nearest || is_real(op.value(0).type)) op.set_type(DataType::Float);
  std::string stored = op.stored(0, channels_first(4));
  if (!nearest && !is_real(op.value(0).type)) {
    stored = op.step("Cast", {stored});
    attribute(op.builder().last(), "to", std::int64_t{onnx::TensorProto::FLOAT});
  }
  const Arrangement arrangement = channels_first(4);
  const std::string sizes =
      op.builder().list(op.name() + "/sizes", stored_shape(shape, arrangement));
  onnx::NodeProto& node = op.emit("Resize", {stored, "", "", sizes}, shape, arrangement);
  const std::string mode = nearest ? "nearest" : op.kind() == "ResizeBicubic" ? "cubic" : "linear";
  attribute(node, "mode", mode);
  attribute(node, "coordinate_transformation_mode",
            std::string(corners      ? "align_corners"
                        : half_pixel ? "half_pixel"
                                     : "asymmetric"));
  if (nearest) {
    attribute(node, "nearest_mode",
              std::string(corners || half_pixel ? "round_prefer_ceil" : "floor"));
  }
  if (mode == "cubic") {
    if (!half_pixel) op.refuse("expected half_pixel_centers, found another way to sample");
    attribute(node, "cubic_coeff_a", -0.5F);
    attribute(node, "exclude_outside", std::int64_t{1});
  }
}

constexpr Rule kRules[] = {
    {"BroadcastTo", convert_broadcast_to},
    {"CheckNumerics", convert_identity, true},
    {"Concat", convert_concat},
    {"ConcatV2", convert_concat},
    {"DepthToSpace", convert_depth_and_space, false, Rule::Channels::First},
    {"EnsureShape", convert_identity, true},
    {"ExpandDims", convert_expand_dims, true},
    {"Gather", convert_gather},
    {"GatherV2", convert_gather},
    {"Identity", convert_identity, true},
    {"IdentityN", convert_identity},
    {"MirrorPad", convert_pad},
    {"Pack", convert_pack},
    {"Pad", convert_pad},
    {"PadV2", convert_pad},
    {"PlaceholderWithDefault", convert_identity},
    {"PreventGradient", convert_identity, true},
    {"Print", convert_identity, true},
    {"Reshape", convert_reshape},
    {"ResizeBicubic", convert_resize, false, Rule::Channels::First},
    {"ResizeBilinear", convert_resize, false, Rule::Channels::First},
    {"ResizeNearestNeighbor", convert_resize, false, Rule::Channels::First},
    {"ReverseV2", convert_reverse},
    {"Slice", convert_slice},
    {"Snapshot", convert_identity, true},
    {"SpaceToDepth", convert_depth_and_space, false, Rule::Channels::First},
    {"Split", convert_split},
    {"SplitV", convert_split},
    {"Squeeze", convert_squeeze, true},
    {"StopGradient", convert_identity, true},
    {"StridedSlice", convert_strided_slice},
    {"Tile", convert_tile},
    {"Transpose", convert_transpose},
    {"Unpack", convert_unpack},
};

}  // namespace

void bind_row(Op& op, int value_id, std::int64_t row, int output) {
  const Value source = op.converter().value(value_id);
  Slicing slicing{.axes = {}, .shape = {source.shape.begin() + 1, source.shape.end()}};
  for (const std::int64_t size : source.shape) {
    slicing.axes.push_back({.start = 0, .step = 1, .count = size});
  }
  slicing.axes[0] = {.start = row, .step = 1, .count = 1};
  if (!source.constant) return emit_slice(op, value_id, slicing, output);
  const std::int64_t size = element_count(slicing.shape);
  Constant part{.type = source.type, .shape = slicing.shape, .values = {}};
  std::visit(
      [&](const auto& values) {
        const auto first = values.begin() + row * size;
        part.values = std::decay_t<decltype(values)>(first, first + size);
      },
      source.constant->values);
  op.bind_constant(output, std::move(part));
}

std::span<const Rule> movement_rules() { return kRules; }

}  // namespace workbench::importer::tensorflow
