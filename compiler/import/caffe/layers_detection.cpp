// What detectors have beside common layers: prior boxes, which follow from sizes alone, and the
// normalization of SSD (branch "ssd" of weiliu89/caffe).
#include <algorithm>
#include <cmath>

#include "compiler/import/caffe/layer.h"
#include "compiler/import/export_ops.h"

namespace workbench::importer::caffe_format {

namespace {

using Fill = Weights::Fill;

// Width and height of each box of a cell, in the order of the layer.
struct Box {
  float width, height;
};

// 1, then each ratio that is not there yet, and its inverse with `flip`.
std::vector<float> aspect_ratios(const LayerReader& layer, const caffe::PriorBoxParameter& p) {
  constexpr float kSame = 1e-6F;
  std::vector<float> ratios{1};
  for (const float ratio : p.aspect_ratio()) {
    if (!(ratio > 0) || !std::isfinite(ratio)) {
      layer.refuse("aspect_ratio: expected numbers above 0, found {}", ratio);
    }
    const auto same = [&](float other) { return std::abs(ratio - other) < kSame; };
    if (std::ranges::any_of(ratios, same)) continue;
    ratios.push_back(ratio);
    if (p.flip()) ratios.push_back(1 / ratio);
  }
  return ratios;
}

// The layer keeps sizes as whole numbers.
float whole(const LayerReader& layer, float size) {
  if (!(size >= 1 && size <= static_cast<float>(kMost))) {
    layer.refuse("min_size, max_size: expected numbers of 1 or more, found {}", size);
  }
  return std::trunc(size);
}

std::vector<Box> boxes_of_cell(const LayerReader& layer, const caffe::PriorBoxParameter& p) {
  if (p.min_size_size() == 0 || (p.max_size_size() > 0 && p.max_size_size() != p.min_size_size())) {
    layer.refuse("expected a min_size, and as many of max_size or none, found {} and {}",
                 p.min_size_size(), p.max_size_size());
  }
  std::vector<Box> boxes;
  for (int i = 0; i < p.min_size_size(); ++i) {
    const float smallest = whole(layer, p.min_size(i));
    boxes.push_back({smallest, smallest});
    if (p.max_size_size() > 0) {
      const float mean = std::sqrt(smallest * whole(layer, p.max_size(i)));
      boxes.push_back({mean, mean});
    }
    for (const float ratio : aspect_ratios(layer, p)) {
      if (ratio == 1) continue;
      boxes.push_back({smallest * std::sqrt(ratio), smallest / std::sqrt(ratio)});
    }
  }
  return boxes;
}

struct Side {
  std::int64_t cells;
  float image, step;
};

// `image`, `step`: as given, 0: from bottom 1, and from the cells.
Side side_of(const LayerReader& layer, std::size_t axis, std::int64_t image, float step) {
  Side side{.cells = layer.shape(0)[axis],
            .image = static_cast<float>(image > 0 ? image : layer.shape(1)[axis])};
  side.step = step > 0 ? step : side.image / static_cast<float>(side.cells);
  return side;
}

std::vector<float> variances(const LayerReader& layer, const caffe::PriorBoxParameter& p) {
  if (p.variance_size() == 0) return std::vector<float>(4, 0.1F);
  if (p.variance_size() == 1) return std::vector<float>(4, p.variance(0));
  if (p.variance_size() != 4) {
    layer.refuse("variance: expected none, 1 or 4, found {}", p.variance_size());
  }
  return {p.variance().begin(), p.variance().end()};
}

void prior_box(LayerReader& layer) {
  const caffe::PriorBoxParameter& p = layer.layer().prior_box_param();
  layer.expect_bottoms(2, 2);
  if (layer.shape(0).size() != 4 || layer.shape(1).size() != 4) {
    layer.refuse("expected bottoms [N, C, H, W], found {} and {}", to_string(layer.shape(0)),
                 to_string(layer.shape(1)));
  }
  const bool has_sides = p.img_h() > 0 && p.img_w() > 0;
  const bool has_steps = p.step_h() > 0 && p.step_w() > 0;
  const Side y =
      side_of(layer, 2, has_sides ? p.img_h() : p.img_size(), has_steps ? p.step_h() : p.step());
  const Side x =
      side_of(layer, 3, has_sides ? p.img_w() : p.img_size(), has_steps ? p.step_w() : p.step());
  const std::vector<Box> boxes = boxes_of_cell(layer, p);
  const std::vector<float> variance = variances(layer, p);
  constexpr std::int64_t kMostValues = std::int64_t{1} << 24;
  const auto per_cell = static_cast<std::int64_t>(boxes.size()) * 4;
  if (x.cells > kMostValues / per_cell / y.cells) {
    layer.refuse("expected at most {} coordinates, found {} for each of {} x {} cells", kMostValues,
                 per_cell, y.cells, x.cells);
  }
  const std::int64_t count = y.cells * x.cells * per_cell;
  std::vector<float> values;
  values.reserve(static_cast<std::size_t>(2 * count));
  for (std::int64_t row = 0; row < y.cells; ++row) {
    for (std::int64_t column = 0; column < x.cells; ++column) {
      const float centre_x = (static_cast<float>(column) + p.offset()) * x.step;
      const float centre_y = (static_cast<float>(row) + p.offset()) * y.step;
      for (const Box& box : boxes) {
        values.push_back((centre_x - box.width / 2) / x.image);
        values.push_back((centre_y - box.height / 2) / y.image);
        values.push_back((centre_x + box.width / 2) / x.image);
        values.push_back((centre_y + box.height / 2) / y.image);
      }
    }
  }
  if (p.clip()) {
    for (float& value : values) value = std::clamp(value, 0.0F, 1.0F);
  }
  for (std::int64_t i = 0; i < count; ++i)
    values.push_back(variance[static_cast<std::size_t>(i % 4)]);
  layer.top_constant(Tensor::from<float>({1, 2, count}, values));
}

// x / sqrt(sum of squares + eps), of each pixel or of the whole image, times a factor.
void normalize(LayerReader& layer) {
  const caffe::NormalizeParameter& p = layer.layer().norm_param();
  layer.expect_bottoms(1, 1);
  const Shape& x = layer.shape();
  if (x.size() != 4) layer.refuse("expected a bottom [N, C, H, W], found {}", to_string(x));
  const Integers axes = p.across_spatial() ? Integers{1, 2, 3} : Integers{1};
  const std::string squares = layer.step("squares", "Mul", {layer.value(), layer.value()});
  const std::string sum = layer.step("sum", "ReduceSum", {squares, layer.list("axes", axes)});
  const std::string base = layer.step("base", "Add", {sum, layer.scalar("eps", p.eps())});
  const std::string length = layer.step("length", "Sqrt", {base});
  const std::string unit = layer.step("unit", "Div", {layer.value(), length});
  const Shape own{p.channel_shared() ? 1 : x[1]};
  const Tensor factors = layer.blob(0, own, Fill::Ones).reshaped({own[0], 1, 1});
  layer.top("Mul", {unit, layer.constant("scale", factors)}, x);
}

constexpr LayerRule kRules[] = {
    {"Normalize", normalize, "ReduceSum, Sqrt, Div, Mul"},
    {"PriorBox", prior_box, "a constant"},
};

}  // namespace

std::span<const LayerRule> detection_layers() { return kRules; }

}  // namespace workbench::importer::caffe_format
