// Layers that move values without computing any, or resize maps.
#include <algorithm>
#include <set>

#include "compiler/import/caffe/layer.h"
#include "compiler/import/export_ops.h"

namespace workbench::importer::caffe_format {

namespace {

void reshape_to(LayerReader& layer, const std::string& value, const Shape& shape) {
  layer.top("Reshape", {value, layer.list("shape", shape)}, shape);
}

void concat(LayerReader& layer) {
  const caffe::ConcatParameter& p = layer.layer().concat_param();
  layer.expect_bottoms(1, kMost);
  const std::int64_t wanted = p.has_concat_dim() ? std::int64_t{p.concat_dim()} : p.axis();
  const std::size_t axis = layer.axis(wanted, layer.shape().size());
  Shape y = layer.shape();
  std::vector<std::string> values{layer.value()};
  for (std::size_t i = 1; i < layer.bottom_count(); ++i) {
    Shape expected = layer.shape();
    const Shape& x = layer.shape(i);
    if (x.size() == expected.size()) expected[axis] = x[axis];
    if (x != expected) {
      layer.refuse("bottom {}: expected {} but for axis {}, found {}", i, to_string(layer.shape()),
                   axis, to_string(x));
    }
    y[axis] += x[axis];
    values.push_back(layer.value(i));
  }
  attribute(layer.top("Concat", values, y), "axis", static_cast<std::int64_t>(axis));
}

void slice(LayerReader& layer) {
  const caffe::SliceParameter& p = layer.layer().slice_param();
  layer.expect_bottoms(1, 1);
  const Shape& x = layer.shape();
  const std::int64_t wanted = p.has_slice_dim() ? std::int64_t{p.slice_dim()} : p.axis();
  const std::size_t axis = layer.axis(wanted, x.size());
  const auto parts = static_cast<std::int64_t>(layer.top_count());
  Integers ends(p.slice_point().begin(), p.slice_point().end());
  if (ends.empty()) {
    if (parts == 0 || x[axis] % parts != 0) {
      layer.refuse("expected axis {} of {} divisible by {} tops", axis, to_string(x), parts);
    }
    for (std::int64_t i = 1; i < parts; ++i) ends.push_back(x[axis] / parts * i);
  }
  ends.push_back(x[axis]);
  if (static_cast<std::int64_t>(ends.size()) != parts) {
    layer.refuse("slice_point: expected one less than {} tops, found {}", parts, ends.size() - 1);
  }
  Integers sizes;
  std::vector<Shape> shapes;
  std::int64_t start = 0;
  for (const std::int64_t end : ends) {
    if (end <= start) {
      layer.refuse("slice_point: expected ascending positions below {}, found {} behind {}",
                   x[axis], end, start);
    }
    sizes.push_back(end - start);
    shapes.push_back(x);
    shapes.back()[axis] = end - start;
    start = end;
  }
  attribute(layer.tops("Split", {layer.value(), layer.list("sizes", sizes)}, shapes), "axis",
            static_cast<std::int64_t>(axis));
}

void split(LayerReader& layer) {
  layer.expect_bottoms(1, 1);
  for (std::size_t i = 0; i < layer.top_count(); ++i) layer.alias(i, 0);
}

void flatten(LayerReader& layer) {
  const caffe::FlattenParameter& p = layer.layer().flatten_param();
  layer.expect_bottoms(1, 1);
  const Shape& x = layer.shape();
  const std::size_t first = layer.axis(p.axis(), x.size());
  const std::size_t last = layer.axis(p.end_axis(), x.size());
  if (last < first) layer.refuse("end_axis: expected {} or more, found {}", first, last);
  Shape y(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(first));
  const auto behind = x.begin() + static_cast<std::ptrdiff_t>(last) + 1;
  y.push_back(element_count({x.begin() + static_cast<std::ptrdiff_t>(first), behind}));
  y.insert(y.end(), behind, x.end());
  reshape_to(layer, layer.value(), y);
}

// The sizes of a Reshape: 0 copies, one -1 is what is left, an explicit batch becomes ours.
Shape wanted_sizes(const LayerReader& layer, std::size_t first) {
  const caffe::ReshapeParameter& p = layer.layer().reshape_param();
  const Shape& x = layer.shape();
  Shape sizes(p.shape().dim().begin(), p.shape().dim().end());
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] == 0) {
      if (first + i >= x.size()) {
        layer.refuse("shape: expected at most {} sizes to copy, found a 0 at {}", x.size() - first,
                     i);
      }
      sizes[i] = x[first + i];
    } else if (sizes[i] < -1 || sizes[i] > kMost) {
      layer.refuse("shape: expected values in [-1, {}], found {}", kMost, sizes[i]);
    }
  }
  const bool is_batch = first == 0 && !sizes.empty() && !x.empty() && x[0] == 1;
  if (is_batch && layer.file_batch() > 1 && sizes[0] == layer.file_batch()) sizes[0] = 1;
  return sizes;
}

void reshape(LayerReader& layer) {
  const caffe::ReshapeParameter& p = layer.layer().reshape_param();
  layer.expect_bottoms(1, 1);
  const Shape& x = layer.shape();
  const std::size_t first = layer.axis(p.axis(), x.size(), true);
  const auto rest = static_cast<std::int64_t>(x.size() - first);
  if (p.num_axes() < -1 || p.num_axes() > rest) {
    layer.refuse("num_axes: expected -1 to {}, found {}", rest, p.num_axes());
  }
  const std::int64_t replaced = p.num_axes() == -1 ? rest : p.num_axes();
  Shape y(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(first));
  const Shape sizes = wanted_sizes(layer, first);
  y.insert(y.end(), sizes.begin(), sizes.end());
  y.insert(y.end(), x.begin() + static_cast<std::ptrdiff_t>(first) + replaced, x.end());
  const std::int64_t count = element_count(x);
  std::int64_t known = 1;
  const auto unknown = std::ranges::find(y, -1);
  for (const std::int64_t size : y) {
    if (size == -1) continue;
    known *= size;
    if (known > count) break;
  }
  const bool fits = unknown == y.end() ? known == count
                                       : known > 0 && known <= count && count % known == 0 &&
                                             std::ranges::count(y, -1) == 1;
  if (!fits) {
    layer.refuse("shape: expected the {} values of {}, found {}", count, to_string(x),
                 to_string(y));
  }
  if (unknown != y.end()) *unknown = count / known;
  reshape_to(layer, layer.value(), y);
}

void permute(LayerReader& layer) {
  layer.expect_bottoms(1, 1);
  const Shape& x = layer.shape();
  Integers order;
  std::set<std::int64_t> taken;
  for (const std::uint32_t axis : layer.layer().permute_param().order()) {
    order.push_back(static_cast<std::int64_t>(layer.axis(axis, x.size())));
    if (!taken.insert(order.back()).second) {
      layer.refuse("order: expected each axis once, found {} twice", axis);
    }
  }
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(x.size()); ++i) {
    if (!taken.contains(i)) order.push_back(i);
  }
  Shape y;
  for (const std::int64_t axis : order) y.push_back(x[static_cast<std::size_t>(axis)]);
  attribute(layer.top("Transpose", {layer.value()}, y), "perm", order);
}

// Bottom 0, as large as bottom 1 from `axis` on.
void crop(LayerReader& layer) {
  const caffe::CropParameter& p = layer.layer().crop_param();
  layer.expect_bottoms(2, 2);
  const Shape &x = layer.shape(), &size = layer.shape(1);
  const std::size_t axis = layer.axis(p.axis(), x.size());
  const std::size_t cropped = x.size() - axis;
  if (size.size() != x.size() ||
      (p.offset_size() > 1 && p.offset_size() != static_cast<int>(cropped))) {
    layer.refuse("expected {} dimensions and no, one or {} offsets, found {} and {}", x.size(),
                 cropped, size.size(), p.offset_size());
  }
  Shape y = x;
  Integers starts, ends, axes;
  for (std::size_t i = 0; i < cropped; ++i) {
    const int which = p.offset_size() > 1 ? static_cast<int>(i) : 0;
    const std::int64_t offset = p.offset_size() == 0 ? 0 : std::int64_t{p.offset(which)};
    y[axis + i] = size[axis + i];
    if (offset + y[axis + i] > x[axis + i]) {
      layer.refuse("offset: expected {} values of {} from {} on, found too few", y[axis + i],
                   x[axis + i], offset);
    }
    starts.push_back(offset);
    ends.push_back(offset + y[axis + i]);
    axes.push_back(static_cast<std::int64_t>(axis + i));
  }
  layer.top("Slice",
            {layer.value(), layer.list("starts", starts), layer.list("ends", ends),
             layer.list("axes", axes)},
            y);
}

void tile(LayerReader& layer) {
  const caffe::TileParameter& p = layer.layer().tile_param();
  layer.expect_bottoms(1, 1);
  const std::size_t axis = layer.axis(p.axis(), layer.shape().size());
  constexpr std::int32_t kMostTiles = 1 << 16;
  if (p.tiles() < 1 || p.tiles() > kMostTiles) {
    layer.refuse("tiles: expected values in [1, {}], found {}", kMostTiles, p.tiles());
  }
  Shape y = layer.shape();
  y[axis] *= p.tiles();
  const std::vector<std::string> copies(static_cast<std::size_t>(p.tiles()), layer.value());
  attribute(layer.top("Concat", copies, y), "axis", static_cast<std::int64_t>(axis));
}

void expect_maps(const LayerReader& layer) {
  if (layer.shape().size() != 4) {
    layer.refuse("expected a bottom [N, C, H, W], found {}", to_string(layer.shape()));
  }
}

// Of YOLO forks: every pixel repeated.
void upsample(LayerReader& layer) {
  if (layer.bottom_count() > 1) {
    layer.refuse(
        "expected one bottom, found {}: upsampling by the positions of a pool is not "
        "supported",
        layer.bottom_count());
  }
  layer.expect_bottoms(1, 1);
  expect_maps(layer);
  const float scale = layer.layer().upsample_param().scale();
  constexpr float kMostScale = 64;
  if (!(scale >= 1 && scale <= kMostScale) ||
      scale != static_cast<float>(static_cast<int>(scale))) {
    layer.refuse("upsample_param: expected a whole scale from 1 to {}, found {}", kMostScale,
                 scale);
  }
  Shape y = layer.shape();
  y[2] *= static_cast<std::int64_t>(scale);
  y[3] *= static_cast<std::int64_t>(scale);
  const std::string scales =
      layer.constant("scales", Tensor::from<float>({4}, std::vector<float>{1, 1, scale, scale}));
  onnx::NodeProto& node = layer.top("Resize", {layer.value(), "", scales}, y);
  attribute(node, "mode", std::string("nearest"));
  attribute(node, "coordinate_transformation_mode", std::string("asymmetric"));
  attribute(node, "nearest_mode", std::string("floor"));
}

std::int64_t interpolated_size(const LayerReader& layer, std::int64_t size, std::int64_t given) {
  const caffe::InterpParameter& p = layer.layer().interp_param();
  if (p.zoom_factor() < 1 || p.shrink_factor() < 1) {
    layer.refuse("expected zoom_factor and shrink_factor of 1 or more, found {} and {}",
                 p.zoom_factor(), p.shrink_factor());
  }
  if (given > 0) return given;
  const std::int64_t shrunk = (size - 1) / p.shrink_factor() + 1;
  return shrunk + (shrunk - 1) * (p.zoom_factor() - 1);
}

// Of DeepLab and PSPNet: linear, corner to corner.
void interp(LayerReader& layer) {
  const caffe::InterpParameter& p = layer.layer().interp_param();
  layer.expect_bottoms(1, 2);
  expect_maps(layer);
  if (p.pad_beg() > 0 || p.pad_end() > 0 || p.height() < 0 || p.width() < 0) {
    layer.refuse(
        "expected sizes, and borders cut off as 0 or less, found pad_beg {}, pad_end {}, "
        "height {}, width {}",
        p.pad_beg(), p.pad_end(), p.height(), p.width());
  }
  Shape x = layer.shape();
  std::string value = layer.value();
  for (std::size_t i = 2; i < 4; ++i) x[i] += std::int64_t{p.pad_beg()} + p.pad_end();
  if (x[2] < 1 || x[3] < 1)
    layer.refuse("expected maps within the borders, found {}", to_string(x));
  if (x != layer.shape()) {
    const Integers starts{-p.pad_beg(), -p.pad_beg()};
    value = layer.step(
        "inner", "Slice",
        {value, layer.list("starts", starts),
         layer.list("ends", {starts[0] + x[2], starts[1] + x[3]}), layer.list("axes", {2, 3})});
  }
  Shape y = x;
  const bool from_bottom = layer.bottom_count() == 2;
  if (from_bottom && layer.shape(1).size() != 4) {
    layer.refuse("bottom 1: expected [N, C, H, W], found {}", to_string(layer.shape(1)));
  }
  y[2] = from_bottom ? layer.shape(1)[2] : interpolated_size(layer, x[2], p.height());
  y[3] = from_bottom ? layer.shape(1)[3] : interpolated_size(layer, x[3], p.width());
  onnx::NodeProto& node = layer.top("Resize", {value, "", "", layer.list("sizes", y)}, y);
  attribute(node, "mode", std::string("linear"));
  attribute(node, "coordinate_transformation_mode", std::string("align_corners"));
}

// YOLOv2's, as Darknet computes it (reorg_cpu of pjreddie/darknet): the values of a map of a
// quarter of the channels and twice the sides, pixels of a block becoming channels.
void reorg(LayerReader& layer) {
  const caffe::ReorgParameter& p = layer.layer().reorg_param();
  layer.expect_bottoms(1, 1);
  expect_maps(layer);
  const Shape& x = layer.shape();
  const std::int64_t s = p.has_stride() ? p.stride() : 2;
  if (p.reverse() || s < 1 || s > kMost || x[1] % (s * s) != 0 || x[2] % s != 0 || x[3] % s != 0) {
    layer.refuse(
        "expected a stride that divides {}, its square the channels, and no reverse, "
        "found stride {}",
        to_string(x), s);
  }
  const Shape wide{x[0], x[1] / (s * s), x[2] * s, x[3] * s};
  const std::string view = layer.step("wide", "Reshape", {layer.value(), layer.list("view", wide)});
  const std::string blocks = layer.step("blocks", "SpaceToDepth", {view});
  attribute(layer.last(), "blocksize", s);
  reshape_to(layer, blocks, {x[0], x[1] * s * s, x[2] / s, x[3] / s});
}

// ShuffleNet's: channel c of group g becomes channel g of group c.
void shuffle_channel(LayerReader& layer) {
  const std::int64_t groups = layer.layer().shuffle_channel_param().group();
  layer.expect_bottoms(1, 1);
  expect_maps(layer);
  const Shape& x = layer.shape();
  if (groups < 1 || x[1] % groups != 0) {
    layer.refuse("group: expected a divisor of {} channels, found {}", x[1], groups);
  }
  const Shape view{x[0], groups, x[1] / groups, x[2], x[3]};
  const std::string split =
      layer.step("groups", "Reshape", {layer.value(), layer.list("view", view)});
  const std::string swapped = layer.step("swapped", "Transpose", {split});
  attribute(layer.last(), "perm", Integers{0, 2, 1, 3, 4});
  reshape_to(layer, swapped, x);
}

// Without an axis, of all values of an image: [N, 1, 1], with the largest value itself in front of
// ... [N, 2, 1]; indices are numbers like all others.
void arg_max(LayerReader& layer) {
  const caffe::ArgMaxParameter& p = layer.layer().argmax_param();
  layer.expect_bottoms(1, 1);
  layer.expect_rank(2);
  if (p.top_k() != 1) layer.refuse("top_k: expected 1, found {}", p.top_k());
  const Shape& x = layer.shape();
  const auto find = [&](const std::string& suffix, const std::string& op, const std::string& value,
                        std::int64_t axis) {
    const std::string found = layer.step(suffix, op, {value});
    if (op == "ArgMax") {
      attribute(layer.last(), "axis", axis);
    } else {
      attribute(layer.last(), "axes", Integers{axis});
    }
    return found;
  };
  if (p.has_axis()) {
    const std::size_t axis = layer.axis(p.axis(), x.size());
    Shape y = x;
    y[axis] = 1;
    if (p.out_max_val()) {
      attribute(layer.top("ReduceMax", {layer.value()}, y), "axes",
                Integers{static_cast<std::int64_t>(axis)});
      return;
    }
    const std::string index =
        find("index", "ArgMax", layer.value(), static_cast<std::int64_t>(axis));
    attribute(layer.top("Cast", {index}, y), "to", std::int64_t{onnx::TensorProto::FLOAT});
    return;
  }
  const Shape flat{x[0], element_count(x) / x[0]};
  const std::string values =
      layer.step("values", "Reshape", {layer.value(), layer.list("flat", flat)});
  const std::string index = find("index", "ArgMax", values, 1);
  const std::string number = layer.step("number", "Cast", {index});
  attribute(layer.last(), "to", std::int64_t{onnx::TensorProto::FLOAT});
  if (!p.out_max_val()) return reshape_to(layer, number, {x[0], 1, 1});
  const std::string largest = find("largest", "ReduceMax", values, 1);
  const std::string both = layer.step("both", "Concat", {number, largest});
  attribute(layer.last(), "axis", std::int64_t{1});
  reshape_to(layer, both, {x[0], 2, 1});
}

constexpr LayerRule kRules[] = {
    {"ArgMax", arg_max, "ArgMax, Cast"},
    {"Concat", concat, "Concat"},
    {"Crop", crop, "Slice"},
    {"Flatten", flatten, "Reshape"},
    {"Interp", interp, "Resize, linear"},
    {"Permute", permute, "Transpose"},
    {"Reorg", reorg, "Reshape, SpaceToDepth"},
    {"Reshape", reshape, "Reshape"},
    {"ShuffleChannel", shuffle_channel, "Reshape, Transpose"},
    {"Slice", slice, "Split"},
    {"Split", split, "another name"},
    {"Tile", tile, "Concat"},
    {"Upsample", upsample, "Resize, nearest"},
};

}  // namespace

std::span<const LayerRule> movement_layers() { return kRules; }

}  // namespace workbench::importer::caffe_format
