// Operators that only move elements: Flatten, Squeeze and Unsqueeze become Reshape, Split becomes
// Slices, Dropout becomes Identity.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "compiler/import/node_reader.h"
#include "compiler/import/tensor_proto.h"

namespace workbench::importer {

namespace {

// Every axis once, as indices below `rank`.
std::set<std::size_t> axis_set(const NodeReader& node, const Integers& axes, std::size_t rank) {
  std::set<std::size_t> set;
  for (const std::int64_t axis : axes) {
    if (!set.insert(node.axis(axis, rank)).second) {
      node.refuse("axes: expected each axis once, found {} twice", axis);
    }
  }
  return set;
}

// A Slice bound as an index: counted from the back when negative, moved into [low, high].
std::int64_t bound(std::int64_t value, std::int64_t size, std::int64_t low, std::int64_t high) {
  if (value < 0) value = value < -size - 1 ? -1 : value + size;  // no overflow near INT64_MIN
  return std::clamp(value, low, std::max(low, high));
}

struct SliceBounds {
  Integers starts, ends, axes, steps;
};

SliceBounds read_slice_bounds(NodeReader& node) {
  SliceBounds bounds;
  constexpr std::int64_t kInputsSince = 10;
  const auto required = [&](std::string_view attribute, std::size_t i) {
    const auto list = node.list(attribute, i, kInputsSince);
    if (!list) node.refuse("{}: expected a list, found none", attribute);
    return *list;
  };
  bounds.starts = required("starts", 1);
  bounds.ends = required("ends", 2);
  Integers all(bounds.starts.size());
  std::iota(all.begin(), all.end(), 0);
  bounds.axes = node.list("axes", 3, kInputsSince).value_or(all);
  bounds.steps = Integers(all.size(), 1);
  if (node.has_input(4)) bounds.steps = node.constant_integers(4, "steps");
  for (const Integers* list : {&bounds.ends, &bounds.axes, &bounds.steps}) {
    if (list->size() != all.size()) {
      node.refuse("starts, ends, axes, steps: expected as many entries in each, found {} and {}",
                  all.size(), list->size());
    }
  }
  return bounds;
}

Shape resolved_shape(const NodeReader& node, const Integers& wanted, bool keep_zero) {
  const Shape& x = node.shape(0);
  Shape shape = wanted;
  std::ptrdiff_t unknown = -1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && !keep_zero) {
      if (i >= x.size()) node.refuse("shape: 0 at {} copies no dimension of {}", i, to_string(x));
      shape[i] = x[i];
    } else if (shape[i] == -1) {
      if (unknown >= 0) node.refuse("shape: expected one -1, found {}", to_string(wanted));
      unknown = static_cast<std::ptrdiff_t>(i);
      shape[i] = 1;
    } else if (shape[i] < 0) {
      node.refuse("shape: expected dimensions >= -1, found {}", to_string(wanted));
    }
  }
  check_shape(shape, fmt::format("node '{}' ({}): shape", node.name(), node.op()));
  if (unknown >= 0) {
    const std::int64_t rest = element_count(shape);
    if (rest == 0 || element_count(x) % rest != 0) {
      node.refuse("shape: expected {} elements as in {}, found {}", element_count(x), to_string(x),
                  to_string(wanted));
    }
    shape[static_cast<std::size_t>(unknown)] = element_count(x) / rest;
  }
  return shape;
}

Pad::Mode pad_mode(NodeReader& node) {
  const std::string mode = node.text("mode", "constant");
  if (mode == "constant") return Pad::Mode::Constant;
  if (mode == "reflect") return Pad::Mode::Reflect;
  if (mode == "edge") return Pad::Mode::Edge;
  if (mode == "wrap") return Pad::Mode::Wrap;
  node.refuse("attribute 'mode': expected constant, reflect, edge or wrap, found '{}'", mode);
}

void import_concat(NodeReader& node) {
  const std::size_t rank = node.shape(0).size();
  const bool has_default = node.opset() < 4;
  const std::int64_t wanted = has_default ? node.integer("axis", 1) : node.required_integer("axis");
  const std::size_t axis = node.axis(wanted, rank);
  std::vector<ValueId> inputs;
  for (std::size_t i = 0; i < node.input_count(); ++i) {
    inputs.push_back(node.input(i));
    if (node.value(i).type != node.value(0).type) {
      node.refuse("input {}: expected {} like input 0, found {}", i, to_string(node.value(0).type),
                  to_string(node.value(i).type));
    }
  }
  if (!node.all_constant()) {  // exporters leave constants without elements among activations
    std::erase_if(inputs, [&](ValueId id) {
      const Shape& shape = node.shape_of(id);
      return shape.size() == rank && shape[axis] == 0;
    });
  }
  node.emit(Concat{.axis = static_cast<std::int64_t>(axis)}, inputs);
}

void import_reshape(NodeReader& node) {
  const bool keep_zero = node.flag("allowzero", false);
  const auto wanted = node.list("shape", 1, 5);
  if (!wanted) node.refuse("shape: expected a list, found none");
  node.emit(Reshape{resolved_shape(node, *wanted, keep_zero)}, {node.input(0)});
}

void import_flatten(NodeReader& node) {
  const Shape& x = node.shape(0);
  const std::int64_t wanted = node.integer("axis", 1);
  const auto rank = static_cast<std::int64_t>(x.size());
  const std::size_t axis = wanted == rank ? x.size() : node.axis(wanted, x.size());
  Shape shape{1, 1};
  for (std::size_t i = 0; i < x.size(); ++i) shape[i < axis ? 0 : 1] *= x[i];
  node.emit(Reshape{shape}, {node.input(0)});
}

void import_squeeze(NodeReader& node) {
  const Shape x = node.shape(0);
  const auto axes = node.list("axes", 1, 13);
  const std::set<std::size_t> dropped = axis_set(node, axes.value_or(Integers()), x.size());
  Shape shape;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (dropped.contains(i) && x[i] != 1) {
      node.refuse("axes: expected dimensions of size 1, found axis {} of {}", i, to_string(x));
    }
    const bool drop = axes ? dropped.contains(i) : x[i] == 1;
    if (!drop) shape.push_back(x[i]);
  }
  node.emit(Reshape{shape}, {node.input(0)});
}

void import_unsqueeze(NodeReader& node) {
  const Shape x = node.shape(0);
  const auto axes = node.list("axes", 1, 13);
  if (!axes) node.refuse("axes: expected a list, found none");
  const std::size_t rank = x.size() + axes->size();
  const std::set<std::size_t> added = axis_set(node, *axes, rank);
  Shape shape;
  for (std::size_t i = 0, from = 0; i < rank; ++i) {
    shape.push_back(added.contains(i) ? 1 : x[from++]);
  }
  node.emit(Reshape{shape}, {node.input(0)});
}

void import_transpose(NodeReader& node) {
  Integers reversed(node.shape(0).size());
  std::iota(reversed.rbegin(), reversed.rend(), 0);
  node.emit(Transpose{node.integers("perm").value_or(reversed)}, {node.input(0)});
}

// As many entries as two per dimension: those that are given belong to some axes from opset 18 on.
Integers all_pads(const NodeReader& node, const Integers& pads, std::size_t rank) {
  if (!node.has_input(3)) return pads;
  const Integers axes = node.constant_integers(3, "axes");
  if (pads.size() != 2 * axes.size()) {
    node.refuse("pads: expected {} entries for {} axes, found {}", 2 * axes.size(), axes.size(),
                pads.size());
  }
  Integers all(2 * rank, 0);
  axis_set(node, axes, rank);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const std::size_t axis = node.axis(axes[i], rank);
    all[axis] = pads[i];
    all[rank + axis] = pads[axes.size() + i];
  }
  return all;
}

void import_pad(NodeReader& node) {
  constexpr std::int64_t kInputsSince = 11;
  Pad op{.mode = pad_mode(node)};
  const auto given = node.list(node.opset() < 2 ? "paddings" : "pads", 1, kInputsSince);
  const std::size_t rank = node.shape(0).size();
  const Integers pads = all_pads(node, given.value_or(Integers()), rank);
  if (pads.size() != 2 * rank) {
    node.refuse("pads: expected {} entries, found {}", 2 * rank, pads.size());
  }
  op.begin.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(rank));
  op.end.assign(pads.begin() + static_cast<std::ptrdiff_t>(rank), pads.end());
  if (node.opset() < kInputsSince) {
    op.value = node.real("value", 0);
  } else if (node.has_input(2) && op.mode == Pad::Mode::Constant) {
    op.value = node.constant_scalar(2, "constant_value");
  }
  // All other modes only copy; a constant is a float.
  node.emit(op, {op.mode == Pad::Mode::Constant ? node.float_input(0) : node.input(0)});
}

void import_identity(NodeReader& node) {
  if (node.is_sequence(0)) {
    node.bind_sequence(0, node.sequence(0));
  } else if (node.value(0).constant) {
    node.bind_alias(0, node.input(0));
  } else {
    node.emit(Identity{}, {node.input(0)});
  }
}

void import_dropout(NodeReader& node) {
  float ratio = node.real("ratio", 0.5F);  // an operand since opset 12
  node.integer("seed", 0);
  if (node.opset() < 7) node.flag("is_test", false);
  if (node.has_input(1)) ratio = node.constant_scalar(1, "ratio");
  if (node.has_input(2)) {
    const Tensor& training = node.constant(2, "training_mode");
    if (training.type() != ElementType::Bool || training.size() != 1) {
      node.refuse("input 2 (training_mode): expected one bool, found {} {}",
                  to_string(training.type()), to_string(training.shape()));
    }
    if (training.values<bool>()[0] && ratio != 0) {
      node.refuse("input 2 (training_mode): expected false, found true with ratio {}", ratio);
    }
  }
  if (node.wants_output(1)) {  // the mask: everything is kept
    Tensor mask = Tensor::uninitialized(ElementType::Bool, node.shape(0));
    std::ranges::fill(mask.mutable_values<bool>(), true);
    node.bind_constant(1, mask);
  }
  node.emit(Identity{}, {node.float_input(0)});
}

void import_slice(NodeReader& node) {
  const Shape x = node.shape(0);
  const SliceBounds bounds = read_slice_bounds(node);
  axis_set(node, bounds.axes, x.size());
  Slice op;
  for (std::size_t i = 0; i < bounds.axes.size(); ++i) {
    const std::size_t axis = node.axis(bounds.axes[i], x.size());
    const std::int64_t size = x[axis];
    if (bounds.steps[i] == 0) node.refuse("steps: expected values other than 0, found 0");
    const std::int64_t reach = std::clamp<std::int64_t>(size, 1, kMaxParameter);
    const std::int64_t step = std::clamp(bounds.steps[i], -reach, reach);
    op.axes.push_back(static_cast<std::int64_t>(axis));
    op.steps.push_back(step);
    op.starts.push_back(bound(bounds.starts[i], size, 0, step < 0 ? size - 1 : size));
    op.ends.push_back(bound(bounds.ends[i], size, step < 0 ? -1 : 0, size));
  }
  node.emit(op, {node.input(0)});
}

// Parts of one length; from opset 18 on the last one may be shorter.
Integers equal_parts(NodeReader& node, std::int64_t size) {
  const auto parts = static_cast<std::int64_t>(node.output_count());
  constexpr std::int64_t kUnequalSince = 18;
  if (node.opset() >= kUnequalSince) node.only_integer("num_outputs", parts);
  if (node.opset() < kUnequalSince && size % parts != 0) {
    node.refuse("expected an axis of {} divisible by {} outputs", size, parts);
  }
  const std::int64_t length = (size + parts - 1) / parts;
  Integers lengths(node.output_count(), length);
  lengths.back() = size - length * (parts - 1);
  return lengths;
}

void import_split(NodeReader& node) {
  const Shape x = node.shape(0);
  const std::size_t axis = node.axis(node.integer("axis", 0), x.size());
  const auto sizes = node.list("split", 1, 13);
  const Integers lengths = sizes ? *sizes : equal_parts(node, x[axis]);
  if (lengths.size() != node.output_count()) {
    node.refuse("split: expected {} entries, found {}", node.output_count(), lengths.size());
  }
  std::int64_t start = 0;
  for (std::size_t i = 0; i < lengths.size(); ++i) {
    if (lengths[i] < 0 || lengths[i] > x[axis] - start) {
      node.refuse("split: expected a partition of {}, found {}", x[axis], to_string(lengths));
    }
    const std::int64_t end = start + lengths[i];
    const Slice op{{start}, {end}, {static_cast<std::int64_t>(axis)}, {1}};
    if (node.wants_output(i)) {
      node.emit(op, {node.input(0)}, {{.output = static_cast<int>(i)}});
    }
    start = end;
  }
  if (start != x[axis]) {
    node.refuse("split: expected a partition of {}, found {}", x[axis], to_string(lengths));
  }
}

void import_space_to_depth(NodeReader& node) {
  node.emit(SpaceToDepth{.block = node.required_integer("blocksize")}, {node.float_input(0)});
}

void import_depth_to_space(NodeReader& node) {
  const std::string mode = node.text("mode", "DCR");
  if (mode != "DCR" && mode != "CRD") {
    node.refuse("attribute 'mode': expected DCR or CRD, found '{}'", mode);
  }
  node.emit(
      DepthToSpace{.block = node.required_integer("blocksize"), .column_row_depth = mode == "CRD"},
      {node.float_input(0)});
}

// Resize and Upsample. The rules changed in opset 10 (scales as operand, a
// fixed asymmetric floor), 11 (sizes, coordinate modes) and 13 (no roi unless cropping).

Resize::Coordinates coordinates(NodeReader& node) {
  using Mode = Resize::Coordinates;
  constexpr std::pair<std::string_view, Mode> kModes[] = {
      {"half_pixel", Mode::HalfPixel},
      {"asymmetric", Mode::Asymmetric},
      {"align_corners", Mode::AlignCorners},
      {"half_pixel_symmetric", Mode::HalfPixelSymmetric},
      {"pytorch_half_pixel", Mode::PytorchHalfPixel},
      {"tf_half_pixel_for_nn", Mode::TfHalfPixelForNn},
      {"tf_crop_and_resize", Mode::TfCropAndResize}};
  const std::string text = node.text("coordinate_transformation_mode", "half_pixel");
  for (const auto& [name, mode] : kModes) {
    if (name == text) return mode;
  }
  node.refuse("attribute 'coordinate_transformation_mode' = '{}' is not supported", text);
}

Resize::Nearest nearest_mode(NodeReader& node) {
  using Mode = Resize::Nearest;
  constexpr std::pair<std::string_view, Mode> kModes[] = {
      {"round_prefer_floor", Mode::RoundPreferFloor},
      {"round_prefer_ceil", Mode::RoundPreferCeil},
      {"floor", Mode::Floor},
      {"ceil", Mode::Ceil}};
  const std::string text = node.text("nearest_mode", "round_prefer_floor");
  for (const auto& [name, mode] : kModes) {
    if (name == text) return mode;
  }
  node.refuse("attribute 'nearest_mode' = '{}' is not supported", text);
}

// Everything but the mode is in `op`.
void emit_resize(NodeReader& node, const Resize& op) {
  const std::string mode = node.text("mode", "nearest");
  const float coefficient = node.real("cubic_coeff_a", -0.75F);
  const bool exclude_outside = node.flag("exclude_outside", false);
  if (mode == "nearest") {
    node.emit(op, {node.float_input(0)});
  } else if (mode == "linear" || mode == "bilinear" || mode == "cubic") {
    const bool cubic = mode == "cubic";
    node.emit(Interpolate{.resize = op,
                          .cubic = cubic,
                          .cubic_coefficient = cubic ? coefficient : -0.75F,
                          .exclude_outside = exclude_outside},
              {node.float_input(0)});
  } else {
    node.refuse("attribute 'mode': expected nearest, linear or cubic, found '{}'", mode);
  }
}

bool is_crop(const Resize& op) { return op.coordinates == Resize::Coordinates::TfCropAndResize; }

// Which dimensions `scales`, `sizes` and `roi` speak of: those of `axes` from opset 18 on, in its
// order.
std::vector<std::size_t> resized_axes(NodeReader& node) {
  const std::size_t rank = node.shape(0).size();
  Integers axes(rank);
  std::iota(axes.begin(), axes.end(), 0);
  if (node.opset() >= 18) axes = node.integers("axes").value_or(axes);
  axis_set(node, axes, rank);
  std::vector<std::size_t> resized;
  for (const std::int64_t axis : axes) resized.push_back(node.axis(axis, rank));
  return resized;
}

// Sizes from scales as ONNX infers them: in float, rounded down.
void set_scales(const NodeReader& node, Resize& op, const std::vector<float>& given,
                const std::vector<std::size_t>& axes) {
  const Shape& x = node.shape(0);
  if (given.size() != axes.size()) {
    node.refuse("scales: expected {} entries, found {}", axes.size(), given.size());
  }
  op.scales.assign(x.size(), 1);
  for (std::size_t i = 0; i < axes.size(); ++i) op.scales[axes[i]] = given[i];
  op.sizes.clear();
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float extent = is_crop(op) ? op.roi[i + x.size()] - op.roi[i] : 1.0F;
    const float size = std::floor(static_cast<float>(x[i]) * extent * op.scales[i]);
    if (!(op.scales[i] > 0) || !(size >= 1) || size > static_cast<float>(kMaxParameter)) {
      node.refuse("scales: expected values above 0 that keep {} nonempty, found {} at {}",
                  to_string(x), op.scales[i], i);
    }
    op.sizes.push_back(static_cast<std::int64_t>(size));
  }
}

// Where the proportions are kept, one scale for all axes: the least or the largest that was asked
// for; sizes are rounded to the nearest.
void keep_proportions(NodeReader& node, Resize& op, const std::vector<std::size_t>& axes) {
  const std::string policy = node.text("keep_aspect_ratio_policy", "stretch");
  if (policy == "stretch" || axes.empty()) return;
  if (policy != "not_larger" && policy != "not_smaller") {
    node.refuse(
        "attribute 'keep_aspect_ratio_policy': expected stretch, not_larger or "
        "not_smaller, found '{}'",
        policy);
  }
  float scale = op.scales[axes[0]];
  for (const std::size_t axis : axes) {
    scale = policy == "not_larger" ? std::min(scale, op.scales[axis])
                                   : std::max(scale, op.scales[axis]);
  }
  for (const std::size_t axis : axes) {
    const float size = scale * static_cast<float>(node.shape(0)[axis]);
    op.scales[axis] = scale;
    op.sizes[axis] = std::max<std::int64_t>(1, static_cast<std::int64_t>(std::floor(size + 0.5F)));
  }
}

void set_sizes(NodeReader& node, Resize& op, const Integers& given,
               const std::vector<std::size_t>& axes) {
  const Shape& x = node.shape(0);
  if (given.size() != axes.size()) {
    node.refuse("sizes: expected {} entries, found {}", axes.size(), given.size());
  }
  op.sizes = x;
  op.scales.assign(x.size(), 1);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    if (given[i] < 1 || given[i] > kMaxParameter) {
      node.refuse("sizes: expected values in [1, {}], found {}", kMaxParameter, given[i]);
    }
    op.sizes[axes[i]] = given[i];
    op.scales[axes[i]] = static_cast<float>(given[i]) / static_cast<float>(x[axes[i]]);
  }
  if (node.opset() >= 18) keep_proportions(node, op, axes);
}

void read_roi(const NodeReader& node, Resize& op, const std::vector<std::size_t>& axes) {
  const std::vector<float> given = node.constant_reals(1, "roi");
  const std::size_t rank = node.shape(0).size();
  if (given.size() != 2 * axes.size()) {
    node.refuse("roi: expected {} entries, found {}", 2 * axes.size(), given.size());
  }
  for (const float edge : given) {
    if (!std::isfinite(edge)) node.refuse("roi: expected finite numbers, found {}", edge);
  }
  op.roi.assign(2 * rank, 0);
  std::fill(op.roi.begin() + static_cast<std::ptrdiff_t>(rank), op.roi.end(), 1.0F);
  for (std::size_t i = 0; i < axes.size(); ++i) {
    op.roi[axes[i]] = given[i];
    op.roi[rank + axes[i]] = given[axes.size() + i];
  }
}

// The filter is wider only where a map shrinks, and only between pixels.
void refuse_antialias(NodeReader& node, const Resize& op) {
  const bool shrinks = std::ranges::any_of(op.scales, [](float scale) { return scale < 1; });
  const bool wanted = node.opset() >= 18 && node.flag("antialias", false);
  if (wanted && shrinks && node.text("mode", "nearest") != "nearest") {
    node.refuse("attribute 'antialias' = 1 is not supported where a map becomes smaller");
  }
}

bool has_elements(const NodeReader& node, std::size_t i) {
  return node.has_input(i) && element_count(node.shape(i)) > 0;
}

void import_resize(NodeReader& node) {
  Resize op;
  if (node.opset() < 11) {  // Resize-10: asymmetric, floor
    set_scales(node, op, node.constant_reals(1, "scales"), resized_axes(node));
    emit_resize(node, op);
    return;
  }
  op.coordinates = coordinates(node);
  op.nearest = nearest_mode(node);
  op.extrapolation_value = node.real("extrapolation_value", 0);
  const std::vector<std::size_t> axes = resized_axes(node);
  if (is_crop(op)) read_roi(node, op, axes);
  const bool has_scales = has_elements(node, 2);
  if (has_scales == has_elements(node, 3)) {
    node.refuse("expected either scales or sizes, found {}", has_scales ? "both" : "neither");
  }
  if (has_scales) {
    set_scales(node, op, node.constant_reals(2, "scales"), axes);
    if (node.opset() >= 18) node.text("keep_aspect_ratio_policy", "stretch");  // of sizes alone
  } else {
    set_sizes(node, op, node.constant_integers(3, "sizes"), axes);
  }
  refuse_antialias(node, op);
  emit_resize(node, op);
}

void import_upsample(NodeReader& node) {
  Resize op;
  const std::vector<std::size_t> axes = resized_axes(node);
  if (node.opset() < 7) {
    const float height = node.real("height_scale", 1);
    set_scales(node, op, {1, 1, height, node.real("width_scale", 1)}, axes);
  } else if (node.opset() < 9) {
    const auto scales = node.reals("scales");
    if (!scales) node.refuse("attribute 'scales': expected a list, found none");
    set_scales(node, op, *scales, axes);
  } else {
    set_scales(node, op, node.constant_reals(1, "scales"), axes);
  }
  emit_resize(node, op);
}

// name, function, inputs, outputs, folds, note
constexpr ImportRule kRules[] = {
    {"Concat", import_concat, kAnyNumber, 1, true, ""},
    {"DepthToSpace", import_depth_to_space, 1, 1, false, "DCR and CRD"},
    {"Dropout", import_dropout, 3, 2, false, "inference form"},
    {"Flatten", import_flatten, 1, 1, true, "becomes Reshape"},
    {"Identity", import_identity, 1, 1, false, "of a constant: another name for it"},
    {"Pad", import_pad, 4, 1, false, "constant, reflect, edge, wrap"},
    {"Reshape", import_reshape, 2, 1, true, "constant shape"},
    {"Resize", import_resize, 4, 1, false, "nearest, linear, cubic; constant scales or sizes"},
    {"Slice", import_slice, 5, 1, true, "constant bounds"},
    {"SpaceToDepth", import_space_to_depth, 1, 1, false, ""},
    {"Split", import_split, 2, kAnyNumber, true, "becomes Slices"},
    {"Squeeze", import_squeeze, 2, 1, true, "becomes Reshape"},
    {"Transpose", import_transpose, 1, 1, true, ""},
    {"Unsqueeze", import_unsqueeze, 2, 1, true, "becomes Reshape"},
    {"Upsample", import_upsample, 2, 1, false, "nearest and linear, constant scales"},
};

}  // namespace

std::span<const ImportRule> movement_rules() { return kRules; }

}  // namespace workbench::importer
