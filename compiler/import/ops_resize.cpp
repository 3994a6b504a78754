// Resize and Upsample, nearest neighbour only. The rules changed in opset 10 (scales as operand, a
// fixed asymmetric floor), 11 (sizes, coordinate modes) and 13 (no roi unless cropping).
#include <cmath>

#include "compiler/import/op_table.h"

namespace workbench::importer {

namespace {

Resize::Coordinates coordinates(NodeReader& node) {
  using Mode = Resize::Coordinates;
  constexpr std::pair<std::string_view, Mode> kModes[] = {
      {"half_pixel", Mode::HalfPixel},
      {"asymmetric", Mode::Asymmetric},
      {"align_corners", Mode::AlignCorners},
      {"pytorch_half_pixel", Mode::PytorchHalfPixel},
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

void only_nearest(NodeReader& node) {
  const std::string mode = node.text("mode", "nearest");
  if (mode != "nearest") {
    node.refuse("attribute 'mode': only nearest is supported, found '{}'", mode);
  }
}

bool is_crop(const Resize& op) { return op.coordinates == Resize::Coordinates::TfCropAndResize; }

// Sizes from scales as ONNX infers them: in float, rounded down.
void set_scales(const NodeReader& node, Resize& op, std::vector<float> scales) {
  const Shape& x = node.shape(0);
  if (scales.size() != x.size()) {
    node.refuse("scales: expected {} entries, found {}", x.size(), scales.size());
  }
  op.sizes.clear();
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float extent = is_crop(op) ? op.roi[i + x.size()] - op.roi[i] : 1.0F;
    const float size = std::floor(static_cast<float>(x[i]) * extent * scales[i]);
    if (!(scales[i] > 0) || !(size >= 1) || size > static_cast<float>(kMaxParameter)) {
      node.refuse("scales: expected values above 0 that keep {} nonempty, found {} at {}",
                  to_string(x), scales[i], i);
    }
    op.sizes.push_back(static_cast<std::int64_t>(size));
  }
  op.scales = std::move(scales);
}

void set_sizes(const NodeReader& node, Resize& op, const Integers& sizes) {
  const Shape& x = node.shape(0);
  if (sizes.size() != x.size()) {
    node.refuse("sizes: expected {} entries, found {}", x.size(), sizes.size());
  }
  op.sizes = sizes;
  op.scales.clear();
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (sizes[i] < 1 || sizes[i] > kMaxParameter) {
      node.refuse("sizes: expected values in [1, {}], found {}", kMaxParameter, sizes[i]);
    }
    op.scales.push_back(static_cast<float>(sizes[i]) / static_cast<float>(x[i]));
  }
}

void read_roi(const NodeReader& node, Resize& op) {
  op.roi = node.constant_reals(1, "roi");
  const std::size_t expected = 2 * node.shape(0).size();
  if (op.roi.size() != expected) {
    node.refuse("roi: expected {} entries, found {}", expected, op.roi.size());
  }
  for (const float edge : op.roi) {
    if (!std::isfinite(edge)) node.refuse("roi: expected finite numbers, found {}", edge);
  }
}

bool has_elements(const NodeReader& node, std::size_t i) {
  return node.has_input(i) && element_count(node.shape(i)) > 0;
}

}  // namespace

void import_resize(NodeReader& node) {
  only_nearest(node);
  Resize op;
  if (node.opset() < 11) {  // Resize-10: asymmetric, floor
    set_scales(node, op, node.constant_reals(1, "scales"));
    node.emit(op, {node.float_input(0)});
    return;
  }
  op.coordinates = coordinates(node);
  op.nearest = nearest_mode(node);
  op.extrapolation_value = node.real("extrapolation_value", 0);
  node.real("cubic_coeff_a", -0.75F);  // says nothing about nearest neighbour
  node.integer("exclude_outside", 0);  // neither
  if (is_crop(op)) read_roi(node, op);
  const bool has_scales = has_elements(node, 2);
  if (has_scales == has_elements(node, 3)) {
    node.refuse("expected either scales or sizes, found {}", has_scales ? "both" : "neither");
  }
  if (has_scales) {
    set_scales(node, op, node.constant_reals(2, "scales"));
  } else {
    set_sizes(node, op, node.constant_integers(3, "sizes"));
  }
  node.emit(op, {node.float_input(0)});
}

void import_upsample(NodeReader& node) {
  only_nearest(node);
  Resize op;
  if (node.opset() < 9) {
    const auto scales = node.reals("scales");
    if (!scales) node.refuse("attribute 'scales': expected a list, found none");
    set_scales(node, op, *scales);
  } else {
    set_scales(node, op, node.constant_reals(1, "scales"));
  }
  node.emit(op, {node.float_input(0)});
}

}  // namespace workbench::importer
