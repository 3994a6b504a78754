// Operators that only move elements. Most of them change the view of a value and leave no node.
#include <algorithm>
#include <numeric>

#include "compiler/import/tflite/converter.h"
#include "core/error.h"

namespace workbench::importer::tflite {

namespace {

constexpr std::int64_t kFar = std::int64_t{1} << 31;

// Dimensions of both shapes that hold the same elements, in the order of the tensor.
struct Group {
  std::vector<std::size_t> from, to;
};

// Nothing where the element counts differ or are 0.
std::vector<Group> groups(const Shape& from, const Shape& to) {
  std::vector<Group> result;
  if (element_count(from) != element_count(to) || element_count(from) == 0) return result;
  std::size_t i = 0, j = 0;
  while (i < from.size() || j < to.size()) {
    Group group;
    std::int64_t left = 1, right = 1;
    do {
      const bool take_left = i < from.size() && (left <= right || j == to.size());
      if (take_left && (left < right || group.from.empty() || j == to.size())) {
        left *= from[i];
        group.from.push_back(i++);
      } else if (j < to.size()) {
        right *= to[j];
        group.to.push_back(j++);
      } else {
        left *= from[i];
        group.from.push_back(i++);
      }
    } while (left != right);
    result.push_back(std::move(group));
  }
  return result;
}

// Where the value has the dimensions of a group, or nothing where they are torn apart there. Those
// of size 1 are anywhere.
std::optional<std::size_t> place_of(const Group& group, const Shape& from,
                                    const Integers& permutation) {
  std::optional<std::size_t> first;
  std::size_t next = 0;
  std::vector<std::size_t> wanted;
  for (const std::size_t d : group.from) {
    if (from[d] != 1) wanted.push_back(d);
  }
  for (std::size_t i = 0; i < permutation.size(); ++i) {
    const auto d = static_cast<std::size_t>(permutation[i]);
    if (from[d] == 1) {
      if (wanted.empty() && !group.from.empty() && d == group.from[0]) return i;
      continue;
    }
    if (next < wanted.size() && d == wanted[next]) {
      if (!first) first = i;
      ++next;
    } else if (next > 0 && next < wanted.size()) {
      return std::nullopt;
    }
  }
  return next == wanted.size() ? first : std::nullopt;
}

// The dimensions of `to` in the order in which a value of `from` has them; nothing where the
// elements of a group do not lie together.
std::optional<Integers> carried_order(const Shape& from, const Integers& permutation,
                                      const Shape& to) {
  std::vector<std::pair<std::size_t, Integers>> placed;
  std::size_t last = 0;
  for (const Group& group : groups(from, to)) {
    const auto place =
        group.from.empty() ? std::optional(last) : place_of(group, from, permutation);
    if (!place) return std::nullopt;
    last = *place;
    placed.emplace_back(*place, Integers(group.to.begin(), group.to.end()));
  }
  std::ranges::stable_sort(placed, {}, [](const auto& entry) { return entry.first; });
  Integers order;
  for (const auto& [place, dimensions] : placed) {
    order.insert(order.end(), dimensions.begin(), dimensions.end());
  }
  return order.size() == to.size() ? std::optional(order) : std::nullopt;
}

// Operand 0 under another shape.
void view_as(Step& step, const Shape& to) {
  Converter& net = step.net;
  const int in = step.in(0), out = step.out();
  const Shape from = step.shape(0);
  if (element_count(from) != element_count(to)) {
    step.refuse("expected a shape of {} elements as {} has, found {}", element_count(from),
                to_string(from), to_string(to));
  }
  if (net.is_constant(in)) {
    net.set_constant(out, net.real_constant(in).reshaped(to));
    return;
  }
  const View view = net.view(in);
  const auto write = [&](View result) { net.write_moved(in, out, to, std::move(result)); };
  if (view.is_plain()) {
    if (const auto order = carried_order(from, view.permutation, to)) {
      const std::string value = net.reshaped(view.value, permuted(from, view.permutation),
                                             permuted(to, *order), step.name);
      return write({.value = value, .permutation = *order});
    }
    const bool flattens =
        to.size() == 2 && from.size() > 2 && from[0] == to[0] && view.permutation[0] == 0;
    if (flattens) {
      Integers order;
      for (std::size_t d = 1; d < from.size(); ++d) order.push_back(view.permutation[d] - 1);
      return write({.value = net.reshaped(view.value, {}, to, step.name),
                    .permutation = {0, 1},
                    .map = Shape(from.begin() + 1, from.end()),
                    .order = order});
    }
  } else if (from == to) {
    return write(view);
  }
  const std::string value = net.reshaped(net.value(in), from, to, step.name);
  write({.value = value, .permutation = identity_order(to.size())});
}

Integers wanted_shape(const Step& step) {
  if (step.has(1)) {
    if (const auto known = step.net.integral(step.in(1))) return known->values;
  }
  const auto* options = options_of<wire::Reshape>(step.op, wire::Options::Reshape);
  if (!step.has(1) && options != nullptr && options->new_shape() != nullptr) {
    return {options->new_shape()->begin(), options->new_shape()->end()};
  }
  return step.net.info(step.out()).shape;  // computed where the network runs, from sizes
}

void convert_reshape(Step& step) {
  Shape to = wanted_shape(step);
  std::int64_t rest = 1, open = 0;
  for (const std::int64_t size : to) {
    if (size < -1 || size > kFar || rest > kFar) {
      step.refuse("expected sizes in [-1, {}], found {}", kFar, to_string(to));
    }
    open += size == -1 ? 1 : 0;
    rest *= size == -1 ? 1 : size;
  }
  if (open > 1) step.refuse("expected one size of -1, found {}", to_string(to));
  const std::int64_t elements = element_count(step.shape(0));
  if (open == 1 && rest > 0) std::ranges::replace(to, std::int64_t{-1}, elements / rest);
  view_as(step, to);
}

void convert_squeeze(Step& step) {
  const auto* options = options_of<wire::Squeeze>(step.op, wire::Options::Squeeze);
  const Shape& x = step.shape(0);
  std::set<std::size_t> dropped;
  if (options != nullptr && options->squeeze_dims() != nullptr) {
    for (const std::int32_t d : *options->squeeze_dims()) dropped.insert(step.axis(d, x.size()));
  }
  Shape to;
  for (std::size_t d = 0; d < x.size(); ++d) {
    const bool drop = dropped.empty() ? x[d] == 1 : dropped.contains(d);
    if (!drop) to.push_back(x[d]);
  }
  view_as(step, to);
}

void convert_expand_dims(Step& step) {
  const Integers axis = step.integers(1, "axis");
  if (axis.size() != 1) step.refuse("input 1 (axis): expected one, found {}", to_string(axis));
  Shape to = step.shape(0);
  const std::size_t at = step.axis(axis[0], to.size() + 1);
  to.insert(to.begin() + static_cast<std::ptrdiff_t>(at), 1);
  view_as(step, to);
}

void convert_transpose(Step& step) {
  Converter& net = step.net;
  const int in = step.in(0), out = step.out();
  Integers order = step.integers(1, "permutation");
  const Shape& x = step.shape(0);
  for (std::int64_t& d : order) d = static_cast<std::int64_t>(step.axis(d, x.size()));
  if (order.size() != x.size() || !std::ranges::is_permutation(order, identity_order(x.size()))) {
    step.refuse("input 1 (permutation): expected one of {} dimensions, found {}", x.size(),
                to_string(order));
  }
  const Shape to = permuted(x, order);
  if (net.is_constant(in)) {
    net.set_constant(out, transposed(net.real_constant(in), order));
    return;
  }
  net.flatten(in);
  const View view = net.view(in);
  const Integers back = inverse(order);
  Integers result;
  for (const std::int64_t d : view.permutation) {
    result.push_back(back[static_cast<std::size_t>(d)]);
  }
  net.write_moved(in, out, to, {.value = view.value, .permutation = result});
}

// SYMMETRIC repeats the edge, REFLECT does not: by one row that is a mode of its own.
bool repeats_edge(const Integers& edges) {
  return std::ranges::all_of(edges, [](std::int64_t edge) { return edge <= 1; });
}

void convert_pad(Step& step) {
  const Integers edges = step.integers(1, "paddings");
  const Shape& x = step.shape(0);
  if (edges.size() != 2 * x.size()) {
    step.refuse("input 1 (paddings): expected two numbers per dimension of {}, found {}",
                to_string(x), to_string(edges));
  }
  Shape to = x;
  for (std::size_t d = 0; d < x.size(); ++d) {
    const std::int64_t begin = edges[2 * d], end = edges[2 * d + 1];
    if (begin < 0 || end < 0 || begin > kFar || end > kFar) {
      step.refuse("input 1 (paddings): expected numbers in [0, {}], found {}", kFar,
                  to_string(edges));
    }
    to[d] += begin + end;
  }
  const Integers order = step.order(0);
  Integers pads;
  for (const std::size_t side : {std::size_t{0}, std::size_t{1}}) {
    for (const std::int64_t d : order)
      pads.push_back(edges[2 * static_cast<std::size_t>(d) + side]);
  }
  std::vector<std::string> operands{step.value(0, order), step.list(pads)};
  const bool mirrors = step.op.name == "MIRROR_PAD";
  if (!mirrors) operands.push_back(step.has(2) ? step.constant_scalar(2, "value") : step.scalar(0));
  const std::string padded = step.emit("Pad", operands);
  if (mirrors) {
    const auto* options = options_of<wire::MirrorPad>(step.op, wire::Options::MirrorPad);
    constexpr int kSymmetric = 1;
    if (options != nullptr && options->mode() == kSymmetric && !repeats_edge(edges)) {
      step.refuse("mode: expected REFLECT, or SYMMETRIC by one row at most, found paddings {}",
                  to_string(edges));
    }
    const bool edge = options != nullptr && options->mode() == kSymmetric;
    step.set("mode", std::string(edge ? "edge" : "reflect"));
  }
  step.finish(padded, to, order);
}

void convert_concatenation(Step& step) {
  const auto* options = options_of<wire::Concatenation>(step.op, wire::Options::Concatenation);
  Shape to = step.shape(0);
  const std::size_t axis = step.axis(options == nullptr ? 0 : options->axis(), to.size());
  const Integers order = step.common_order();
  std::vector<std::string> operands;
  to[axis] = 0;
  for (std::size_t i = 0; i < step.inputs(); ++i) {
    Shape x = step.shape(i);
    if (x.size() != to.size()) step.refuse("input {}: expected rank {}", i, to.size());
    to[axis] += std::exchange(x[axis], to[axis]);
    for (std::size_t d = 0; d < x.size(); ++d) {
      if (d == axis || x[d] == to[d]) continue;
      step.refuse("input {}: expected the sizes of {} but along {}, found {}", i,
                  to_string(step.shape(0)), axis, to_string(step.shape(i)));
    }
    operands.push_back(step.value(i, order));
  }
  const std::string joined = step.emit("Concat", operands);
  step.set("axis", inverse(order)[axis]);
  step.finish(step.activated(joined, options == nullptr ? 0 : options->activation()), to, order);
}

// Lists that are laid side by side along a new dimension.
void convert_pack(Step& step) {
  const auto* options = options_of<wire::Pack>(step.op, wire::Options::Pack);
  Shape to = step.shape(0);
  const std::size_t axis = step.axis(options == nullptr ? 0 : options->axis(), to.size() + 1);
  Shape one = to;
  one.insert(one.begin() + static_cast<std::ptrdiff_t>(axis), 1);
  std::vector<std::string> operands;
  for (std::size_t i = 0; i < step.inputs(); ++i) {
    if (step.shape(i) != to) step.refuse("input {}: expected shape {}", i, to_string(to));
    operands.push_back(step.net.reshaped(step.value(i), {}, one, step.name));
  }
  const std::string joined = step.emit("Concat", operands);
  step.set("axis", static_cast<std::int64_t>(axis));
  one[axis] = static_cast<std::int64_t>(step.inputs());
  step.finish(joined, one);
}

// Parts of operand `x` along a dimension, one result each.
void split(Step& step, std::size_t x, std::size_t axis, const Integers& sizes, bool drops_axis) {
  Converter& net = step.net;
  const Shape from = step.shape(x);
  const Integers order = step.order(x);
  const std::int64_t total = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
  if (total != from[axis] || sizes.size() != step.op.outputs.size()) {
    step.refuse("expected {} parts that make up {}, found {}", step.op.outputs.size(), from[axis],
                to_string(sizes));
  }
  const std::string value = step.value(x, order);
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    const int out = step.out(i);
    const std::int64_t end = begin + sizes[i];
    Shape to = from;
    to[axis] = sizes[i];
    const std::string part =
        step.emit("Slice", {value, step.list(Integers{begin}), step.list(Integers{end}),
                            step.list(Integers{inverse(order)[axis]})});
    begin = end;
    if (drops_axis) {
      const auto [shape, kept] = without(to, order, {axis});
      const std::string squeezed = net.reshaped(part, {}, permuted(shape, kept), step.name);
      net.write(out, shape, {.value = squeezed, .permutation = kept}, true);
    } else {
      net.write(out, to, {.value = part, .permutation = order}, true);
    }
  }
}

void convert_split(Step& step) {  // operands: axis, x
  const Integers axis = step.integers(0, "axis");
  const auto parts = static_cast<std::int64_t>(step.op.outputs.size());
  if (axis.size() != 1) step.refuse("input 0 (axis): expected one, found {}", to_string(axis));
  const std::size_t along = step.axis(axis[0], step.rank(1));
  const std::int64_t size = step.shape(1)[along];
  if (parts == 0 || size % parts != 0) {
    step.refuse("expected {} equal parts of {}, found a rest", parts, size);
  }
  split(step, 1, along, Integers(step.op.outputs.size(), size / parts), false);
}

void convert_split_v(Step& step) {  // operands: x, sizes, axis
  Integers sizes = step.integers(1, "sizes");
  const Integers axis = step.integers(2, "axis");
  if (axis.size() != 1) step.refuse("input 2 (axis): expected one, found {}", to_string(axis));
  const std::size_t along = step.axis(axis[0], step.rank(0));
  std::int64_t rest = step.shape(0)[along];
  for (const std::int64_t size : sizes) {
    if (size < -1 || size > kFar) step.refuse("input 1 (sizes): found {}", to_string(sizes));
    rest -= std::max<std::int64_t>(size, 0);
  }
  std::ranges::replace(sizes, std::int64_t{-1}, rest);
  split(step, 0, along, sizes, false);
}

void convert_unpack(Step& step) {
  const auto* options = options_of<wire::Pack>(step.op, wire::Options::Unpack);
  const std::size_t axis = step.axis(options == nullptr ? 0 : options->axis(), step.rank(0));
  const auto count = static_cast<std::size_t>(step.shape(0)[axis]);
  if (count != step.op.outputs.size()) {
    step.refuse("expected {} results, one per index, found {}", count, step.op.outputs.size());
  }
  split(step, 0, axis, Integers(count, 1), true);
}

// One dimension of a slice: indices begin, begin + stride, ..., `count` of them.
struct Range {
  std::int64_t begin = 0, stride = 1, count = 0;
  bool drop = false;
};

void slice(Step& step, const std::vector<Range>& ranges, const std::set<std::size_t>& added) {
  const Shape& x = step.shape(0);
  const Integers order = step.order(0);
  Integers starts, ends, axes, steps;
  Shape to = x;
  std::set<std::size_t> dropped;
  for (std::size_t d = 0; d < x.size(); ++d) {
    const Range& range = ranges[d];
    to[d] = range.count;
    if (range.drop) dropped.insert(d);
    if (range.count == x[d] && range.stride == 1) continue;
    if (range.count < 1) step.refuse("expected a part of {}, found none of it", to_string(x));
    starts.push_back(range.begin);
    const std::int64_t end = range.begin + range.count * range.stride;
    ends.push_back(end < 0 ? -kFar : end);
    axes.push_back(inverse(order)[d]);
    steps.push_back(range.stride);
  }
  std::string value = step.value(0, order);
  const bool cuts = !axes.empty();
  if (cuts) {
    value = step.emit(
        "Slice", {value, step.list(starts), step.list(ends), step.list(axes), step.list(steps)});
  }
  auto [shape, kept] = without(to, order, dropped);
  for (const std::size_t d : added) {  // a new dimension of size 1: at its place, in front of all
    const auto at = static_cast<std::int64_t>(d);
    shape.insert(shape.begin() + at, 1);
    for (std::int64_t& k : kept) k += k >= at ? 1 : 0;
    kept.insert(kept.begin(), at);
  }
  const bool views = !dropped.empty() || !added.empty();
  if (views) value = step.net.reshaped(value, {}, permuted(shape, kept), step.name);
  step.net.write(step.out(), shape, {.value = value, .permutation = kept}, cuts || views);
}

struct Masks {
  std::uint32_t begin = 0, end = 0, ellipsis = 0, added = 0, dropped = 0;
  bool offset = false;
};

Masks masks_of(const Step& step) {
  const auto* o = options_of<wire::StridedSlice>(step.op, wire::Options::StridedSlice);
  if (o == nullptr) return {};
  const auto bits = [](std::int32_t mask) { return static_cast<std::uint32_t>(mask); };
  return {bits(o->begin_mask()),    bits(o->end_mask()),         bits(o->ellipsis_mask()),
          bits(o->new_axis_mask()), bits(o->shrink_axis_mask()), o->offset()};
}

Range range_of(const Step& step, std::int64_t size, std::int64_t begin, std::int64_t end,
               std::int64_t stride, bool from_begin, bool to_end, bool drop) {
  if (stride == 0 || stride > kFar || stride < -kFar) {
    step.refuse("input 3 (strides): expected numbers other than 0, found {}", stride);
  }
  if (begin < 0) begin += size;
  if (drop) {
    if (begin < 0 || begin >= size) {
      step.refuse("input 1 (begin): expected an index below {}, found {}", size, begin);
    }
    return {begin, 1, 1, true};
  }
  if (end < 0) end += size;
  const bool forward = stride > 0;
  const std::int64_t low = forward ? 0 : -1, high = forward ? size : size - 1;
  begin = from_begin ? (forward ? low : high) : std::clamp(begin, low, high);
  end = to_end ? (forward ? high : low) : std::clamp(end, low, high);
  const std::int64_t count =
      forward ? (end - begin + stride - 1) / stride : (begin - end - stride - 1) / -stride;
  return {begin, stride, std::max<std::int64_t>(count, 0), false};
}

// Walks the bounds; an ellipsis stands for all dimensions that the others do not name.
struct Walk {
  std::vector<Range> ranges;
  std::set<std::size_t> added;  // dimensions of the result
};

Walk walk(const Step& step, const Shape& x) {
  const Integers begin = step.integers(1, "begin"), end = step.integers(2, "end");
  const Integers strides = step.integers(3, "strides");
  const Masks masks = masks_of(step);
  if (begin.size() != end.size() || begin.size() != strides.size() || begin.size() > 31) {
    step.refuse("expected as many bounds as strides, found {}, {} and {}", begin.size(), end.size(),
                strides.size());
  }
  const auto in = [](std::uint32_t mask, std::size_t i) { return (mask >> i & 1U) != 0; };
  std::size_t named = 0;
  for (std::size_t i = 0; i < begin.size(); ++i) {
    if (!in(masks.ellipsis, i) && !in(masks.added, i)) ++named;
  }
  if (named > x.size()) step.refuse("expected bounds of {} dimensions, found {}", x.size(), named);
  Walk result;
  std::size_t kept = 0;  // dimensions of the result so far
  const auto take_whole = [&](std::size_t count) {
    for (; count > 0 && result.ranges.size() < x.size(); --count, ++kept) {
      result.ranges.push_back({0, 1, x[result.ranges.size()], false});
    }
  };
  for (std::size_t i = 0; i < begin.size(); ++i) {
    if (in(masks.ellipsis, i)) {
      take_whole(x.size() - named);
    } else if (in(masks.added, i)) {
      result.added.insert(kept++);
    } else if (result.ranges.size() < x.size()) {
      const std::int64_t size = x[result.ranges.size()];
      const std::int64_t last = masks.offset ? begin[i] + end[i] : end[i];
      result.ranges.push_back(range_of(step, size, begin[i], last, strides[i], in(masks.begin, i),
                                       in(masks.end, i), in(masks.dropped, i)));
      kept += in(masks.dropped, i) ? 0 : 1;
    }
  }
  take_whole(x.size());
  return result;
}

void convert_strided_slice(Step& step) {
  const Walk found = walk(step, step.shape(0));
  slice(step, found.ranges, found.added);
}

void convert_slice(Step& step) {
  const Integers begin = step.integers(1, "begin"), size = step.integers(2, "size");
  const Shape& x = step.shape(0);
  if (begin.size() != x.size() || size.size() != x.size()) {
    step.refuse("expected a begin and a size for each dimension of {}, found {} and {}",
                to_string(x), to_string(begin), to_string(size));
  }
  std::vector<Range> ranges;
  for (std::size_t d = 0; d < x.size(); ++d) {
    const std::int64_t count = size[d] == -1 ? x[d] - begin[d] : size[d];
    if (begin[d] < 0 || begin[d] > x[d] || count < 0 || count > x[d] - begin[d]) {
      step.refuse("expected a part of {}, found {} from {} on", to_string(x), to_string(size),
                  to_string(begin));
    }
    ranges.push_back({begin[d], 1, count, false});
  }
  slice(step, ranges, {});
}

void convert_reverse(Step& step) {
  std::vector<Range> ranges;
  for (const std::int64_t size : step.shape(0)) ranges.push_back({0, 1, size, false});
  for (const std::int64_t axis : step.integers(1, "axes")) {
    Range& range = ranges[step.axis(axis, ranges.size())];
    range = {range.count - 1, -1, range.count, false};
  }
  slice(step, ranges, {});
}

void convert_gather(Step& step) {
  const auto* options = options_of<wire::Gather>(step.op, wire::Options::Gather);
  if (options != nullptr && options->batch_dims() != 0) {
    step.refuse("batch_dims: expected 0, found {}", options->batch_dims());
  }
  const Shape& x = step.shape(0);
  const Shape& indices = step.shape(1);
  const std::size_t axis = step.axis(options == nullptr ? 0 : options->axis(), x.size());
  const bool keeps = indices.size() == 1;
  const Integers order = keeps ? step.order(0) : identity_order(x.size());
  const std::string value = step.value(0, order);
  const std::string taken = step.emit("Gather", {value, step.net.value(step.in(1))});
  step.set("axis", inverse(order)[axis]);
  Shape to(x.begin(), x.begin() + static_cast<std::ptrdiff_t>(axis));
  to.insert(to.end(), indices.begin(), indices.end());
  to.insert(to.end(), x.begin() + static_cast<std::ptrdiff_t>(axis) + 1, x.end());
  step.finish(taken, to, keeps ? order : identity_order(to.size()));
}

void convert_tile(Step& step) {
  const Integers times = step.integers(1, "multiples");
  Shape to = step.shape(0);
  if (times.size() != to.size()) step.refuse("input 1 (multiples): found {}", to_string(times));
  for (std::size_t d = 0; d < to.size(); ++d) {
    if (times[d] < 1 || times[d] > kFar) {
      step.refuse("input 1 (multiples): expected numbers from 1 on, found {}", to_string(times));
    }
    to[d] *= times[d];
  }
  const Integers order = step.order(0);
  step.finish(step.emit("Tile", {step.value(0, order), step.list(permuted(times, order))}), to,
              order);
}

void convert_broadcast_to(Step& step) {
  const Integers to = step.integers(1, "shape");
  if (step.broadcast(step.shape(0), to) != to) {
    step.refuse("input 1 (shape): expected one that {} broadcasts to, found {}",
                to_string(step.shape(0)), to_string(to));
  }
  step.finish(step.emit("Expand", {step.value(0), step.list(to)}), to);
}

constexpr Rule kRules[] = {
    {"BROADCAST_TO", convert_broadcast_to},
    {"CONCATENATION", convert_concatenation},
    {"EXPAND_DIMS", convert_expand_dims},
    {"GATHER", convert_gather},
    {"MIRROR_PAD", convert_pad},
    {"PACK", convert_pack},
    {"PAD", convert_pad},
    {"PADV2", convert_pad},
    {"RESHAPE", convert_reshape},
    {"REVERSE_V2", convert_reverse},
    {"SLICE", convert_slice},
    {"SPLIT", convert_split},
    {"SPLIT_V", convert_split_v},
    {"SQUEEZE", convert_squeeze},
    {"STRIDED_SLICE", convert_strided_slice},
    {"TILE", convert_tile},
    {"TRANSPOSE", convert_transpose},
    {"UNPACK", convert_unpack},
};

}  // namespace

std::span<const Rule> movement_rules() { return kRules; }

}  // namespace workbench::importer::tflite
