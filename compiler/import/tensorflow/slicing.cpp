#include "compiler/import/tensorflow/slicing.h"

#include <algorithm>

namespace workbench::importer::tensorflow {

std::optional<Shape> broadcast(const Shape& a, const Shape& b) {
  Shape shape(std::max(a.size(), b.size()));
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const std::int64_t left = i < a.size() ? a[a.size() - 1 - i] : 1;
    const std::int64_t right = i < b.size() ? b[b.size() - 1 - i] : 1;
    if (left != right && left != 1 && right != 1) return std::nullopt;
    if (left < 0 || right < 0) return std::nullopt;
    shape[shape.size() - 1 - i] = left == 1 ? right : left;
  }
  return shape;
}

namespace {

// What a mask of StridedSlice says of each entry of begin, end and strides.
struct SliceMasks {
  std::int64_t begin, end, ellipsis, new_axis, shrink;
  static bool has(std::int64_t mask, std::size_t i) { return i < 63 && ((mask >> i) & 1) != 0; }
};

// begin, end and step of one dimension as Python has them.
SliceAxis slice_axis(const Op& op, std::int64_t size, std::int64_t begin, std::int64_t end,
                     std::int64_t step, bool all_before, bool all_behind) {
  if (step == 0) op.refuse("input 3 (strides): expected values other than 0, found 0");
  const std::int64_t low = step > 0 ? 0 : -1;
  const std::int64_t high = step > 0 ? size : size - 1;
  const auto bound = [&](std::int64_t v) { return std::clamp(v < 0 ? v + size : v, low, high); };
  const std::int64_t first = all_before ? (step > 0 ? low : high) : bound(begin);
  const std::int64_t last = all_behind ? (step > 0 ? high : low) : bound(end);
  const std::int64_t span = step > 0 ? last - first : first - last;
  const std::int64_t stride = step > 0 ? step : -step;
  return {.start = first, .step = step, .count = span <= 0 ? 0 : (span + stride - 1) / stride};
}

SliceAxis whole(std::int64_t size) { return {.start = 0, .step = 1, .count = size}; }

}  // namespace

Slicing read_strided_slice(const Op& op) {
  const Shape& x = op.shape(0);
  const Integers begin = op.constant_integers(1, "begin");
  const Integers end = op.constant_integers(2, "end");
  const Integers strides =
      op.input_count() > 3 ? op.constant_integers(3, "strides") : Integers(begin.size(), 1);
  if (end.size() != begin.size() || strides.size() != begin.size()) {
    op.refuse("expected begin, end and strides of one length, found {}, {} and {}", begin.size(),
              end.size(), strides.size());
  }
  const SliceMasks masks{
      .begin = op.integer("begin_mask", 0),
      .end = op.integer("end_mask", 0),
      .ellipsis = op.integer("ellipsis_mask", 0),
      .new_axis = op.integer("new_axis_mask", 0),
      .shrink = op.integer("shrink_axis_mask", 0),
  };
  std::size_t named = 0;  // dimensions of the operand that entries are for
  for (std::size_t i = 0; i < begin.size(); ++i) {
    const bool other = SliceMasks::has(masks.ellipsis, i) || SliceMasks::has(masks.new_axis, i);
    if (!other) ++named;
  }
  if (named > x.size()) {
    op.refuse("expected at most {} entries for shape {}, found {}", x.size(),
              workbench::to_string(x), named);
  }
  Slicing slicing;
  std::size_t skipped = x.size() - named;
  const auto take_whole = [&] {
    const std::int64_t size = x[slicing.axes.size()];
    slicing.axes.push_back(whole(size));
    slicing.shape.push_back(size);
  };
  for (std::size_t i = 0; i < begin.size(); ++i) {
    if (SliceMasks::has(masks.ellipsis, i)) {
      for (; skipped > 0; --skipped) take_whole();
      continue;
    }
    if (SliceMasks::has(masks.new_axis, i)) {
      slicing.shape.push_back(1);
      continue;
    }
    const std::int64_t size = x[slicing.axes.size()];
    if (SliceMasks::has(masks.shrink, i)) {
      const std::int64_t index = begin[i] < 0 ? begin[i] + size : begin[i];
      if (index < 0 || index >= size) {
        op.refuse("input 1 (begin): expected an index below {}, found {}", size, begin[i]);
      }
      slicing.axes.push_back({.start = index, .step = 1, .count = 1});
      continue;
    }
    slicing.axes.push_back(slice_axis(op, size, begin[i], end[i], strides[i],
                                      SliceMasks::has(masks.begin, i),
                                      SliceMasks::has(masks.end, i)));
    slicing.shape.push_back(slicing.axes.back().count);
  }
  while (slicing.axes.size() < x.size()) take_whole();
  return slicing;
}

Slicing read_slice(const Op& op) {
  const Shape& x = op.shape(0);
  const Integers begin = op.constant_integers(1, "begin");
  const Integers size = op.constant_integers(2, "size");
  if (begin.size() != x.size() || size.size() != x.size()) {
    op.refuse("expected begin and size of {} entries, found {} and {}", x.size(), begin.size(),
              size.size());
  }
  Slicing slicing;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const std::int64_t count = size[i] == -1 ? x[i] - begin[i] : size[i];
    if (begin[i] < 0 || count < 0 || begin[i] + count > x[i]) {
      op.refuse("expected a part of {}, found begin {} and size {}", workbench::to_string(x),
                workbench::to_string(begin), workbench::to_string(size));
    }
    slicing.axes.push_back({.start = begin[i], .step = 1, .count = count});
    slicing.shape.push_back(count);
  }
  return slicing;
}

std::size_t split_operand(const Op& op) { return op.kind() == "SplitV" ? 0 : 1; }

namespace {

// The part [start, start + count) of dimension `axis`.
Slicing part_of(const Shape& x, std::size_t axis, std::int64_t start, std::int64_t count) {
  Slicing slicing{.axes = {}, .shape = x};
  for (const std::int64_t size : x) slicing.axes.push_back(whole(size));
  slicing.axes[axis] = {.start = start, .step = 1, .count = count};
  slicing.shape[axis] = count;
  return slicing;
}

constexpr std::int64_t kMaxParts = 4096;

}  // namespace

std::vector<Slicing> read_split(const Op& op) {
  const bool sized = op.kind() == "SplitV";  // value, sizes, axis; Split has axis, value
  const Shape& x = op.shape(sized ? 0 : 1);
  const std::size_t axis = op.axis(op.constant_integer(sized ? 2 : 0, "axis"), x.size());
  Integers sizes;
  if (sized) {
    sizes = op.constant_integers(1, "sizes");
    std::int64_t known = 0;
    for (const std::int64_t size : sizes) known += std::max<std::int64_t>(size, 0);
    for (std::int64_t& size : sizes) {
      if (size == -1) {
        size = x[axis] - known;
        known = x[axis];
      }
      if (size < 0) op.refuse("input 1 (sizes): expected a partition of {}", x[axis]);
    }
  } else {
    const std::int64_t count = op.integer("num_split", 1);
    if (count < 1 || count > kMaxParts || x[axis] % count != 0) {
      op.refuse("attribute 'num_split': expected a divisor of {}, found {}", x[axis], count);
    }
    sizes.assign(static_cast<std::size_t>(count), x[axis] / count);
  }
  std::vector<Slicing> parts;
  std::int64_t start = 0;
  for (const std::int64_t size : sizes) {
    if (size > x[axis] - start) op.refuse("input 1 (sizes): expected a partition of {}", x[axis]);
    parts.push_back(part_of(x, axis, start, size));
    start += size;
  }
  if (start != x[axis]) op.refuse("input 1 (sizes): expected a partition of {}", x[axis]);
  return parts;
}

std::vector<Slicing> read_unpack(const Op& op) {
  const Shape& x = op.shape(0);
  const std::size_t axis = op.axis(op.integer("axis", 0), x.size());
  const std::int64_t count = op.integer("num", x[axis]);
  if (count != x[axis] || count > kMaxParts) {
    op.refuse("attribute 'num': expected {} as in shape {} (at most {}), found {}", x[axis],
              workbench::to_string(x), kMaxParts, count);
  }
  std::vector<Slicing> parts;
  for (std::int64_t i = 0; i < count; ++i) {
    parts.push_back(part_of(x, axis, i, 1));
    parts.back().shape.erase(parts.back().shape.begin() + static_cast<std::ptrdiff_t>(axis));
  }
  return parts;
}

Shape read_reshape(const Op& op) {
  const Shape& x = op.shape(0);
  Shape shape = op.constant_integers(1, "shape");
  std::ptrdiff_t open = -1;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == -1 && open < 0) {
      open = static_cast<std::ptrdiff_t>(i);
      shape[i] = 1;
    } else if (shape[i] < 0) {
      op.refuse("input 1 (shape): expected sizes >= 0 and one -1, found {}",
                workbench::to_string(op.constant_integers(1, "shape")));
    }
  }
  check_size(shape);
  const std::int64_t count = element_count(x);
  const std::int64_t rest = element_count(shape);
  if (open >= 0 && rest > 0 && count % rest == 0) {
    shape[static_cast<std::size_t>(open)] = count / rest;
  }
  if (element_count(shape) != count) {
    op.refuse("input 1 (shape): expected {} elements as in {}, found {}", count,
              workbench::to_string(x), workbench::to_string(op.constant_integers(1, "shape")));
  }
  return shape;
}

Shape read_squeeze(const Op& op) {
  const Shape& x = op.shape(0);
  Integers axes = op.integers("squeeze_dims");
  if (axes.empty()) axes = op.integers("axis");
  std::vector<bool> dropped(x.size(), false);
  for (const std::int64_t wanted : axes) {
    const std::size_t axis = op.axis(wanted, x.size());
    if (x[axis] != 1) {
      op.refuse("attribute 'squeeze_dims': expected dimensions of size 1, found {} of {}", axis,
                workbench::to_string(x));
    }
    dropped[axis] = true;
  }
  Shape shape;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const bool drop = axes.empty() ? x[i] == 1 : dropped[i];
    if (!drop) shape.push_back(x[i]);
  }
  return shape;
}

Shape read_expand_dims(const Op& op) {
  Shape shape = op.shape(0);
  const std::size_t axis = op.axis(op.constant_integer(1, "dim"), shape.size() + 1);
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), 1);
  return shape;
}

Shape read_tile(const Op& op) {
  Shape shape = op.shape(0);
  const Integers repeats = op.constant_integers(1, "multiples");
  if (repeats.size() != shape.size()) {
    op.refuse("input 1 (multiples): expected {} entries, found {}", shape.size(), repeats.size());
  }
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (repeats[i] < 0) op.refuse("input 1 (multiples): expected values >= 0");
    if (shape[i] > (std::int64_t{1} << 31))
      op.refuse("input 0: found shape {}", workbench::to_string(shape));
    shape[i] *= repeats[i];
  }
  check_size(shape);
  return shape;
}

std::vector<std::size_t> read_permutation(const Op& op) {
  const std::size_t rank = op.shape(0).size();
  const Integers wanted = op.constant_integers(1, "perm");
  std::vector<bool> seen(rank, false);
  std::vector<std::size_t> order;
  for (const std::int64_t entry : wanted) {
    const std::size_t axis = op.axis(entry, rank);
    if (seen[axis]) op.refuse("input 1 (perm): expected each axis once, found {} twice", axis);
    seen[axis] = true;
    order.push_back(axis);
  }
  if (order.size() != rank) {
    op.refuse("input 1 (perm): expected {} entries, found {}", rank, order.size());
  }
  return order;
}

Joining read_concat(const Op& op) {
  const bool axis_first = op.kind() == "Concat";
  if (op.input_count() < 2) op.refuse("expected operands and an axis, found {}", op.input_count());
  Joining joining{.first = axis_first ? std::size_t{1} : std::size_t{0},
                  .count = op.input_count() - 1,
                  .axis = 0};
  const Shape& front = op.shape(joining.first);
  joining.axis =
      op.axis(op.constant_integer(axis_first ? 0 : op.input_count() - 1, "axis"), front.size());
  for (std::size_t i = 0; i < joining.count; ++i) {
    Shape shape = op.shape(joining.first + i);
    if (shape.size() == front.size()) shape[joining.axis] = front[joining.axis];
    if (shape != front) {
      op.refuse("expected operands that differ in dimension {} alone, found {} and {}",
                joining.axis, workbench::to_string(front),
                workbench::to_string(op.shape(joining.first + i)));
    }
  }
  return joining;
}

Joining read_pack(const Op& op) {
  if (op.input_count() == 0) op.refuse("expected operands, found none");
  for (std::size_t i = 1; i < op.input_count(); ++i) {
    if (op.shape(i) != op.shape(0)) {
      op.refuse("expected operands of one shape, found {} and {}",
                workbench::to_string(op.shape(0)), workbench::to_string(op.shape(i)));
    }
  }
  return {.first = 0,
          .count = op.input_count(),
          .axis = op.axis(op.integer("axis", 0), op.shape(0).size() + 1)};
}

Reduction read_reduction(const Op& op) {
  const Shape& x = op.shape(0);
  Reduction reduction{.reduced = std::vector<bool>(x.size(), false),
                      .keep_dims = op.flag("keep_dims", op.flag("keepdims", false)),
                      .shape = {}};
  for (const std::int64_t wanted : op.constant_integers(1, "axes")) {
    reduction.reduced[op.axis(wanted, x.size())] = true;
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (!reduction.reduced[i]) {
      reduction.shape.push_back(x[i]);
    } else if (reduction.keep_dims) {
      reduction.shape.push_back(1);
    }
  }
  return reduction;
}

}  // namespace workbench::importer::tensorflow
