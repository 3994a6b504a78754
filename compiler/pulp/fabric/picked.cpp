// Elements that are chosen, or lie between others: joins, gathers and scatters by indices that are
// known when it runs, resizing with means.
#include <algorithm>
#include <tuple>

#include "compiler/pulp/c_text.h"
#include "compiler/pulp/fabric/elements.h"
#include "compiler/pulp/fabric/moves.h"
#include "core/error.h"
#include "core/eval/resize.h"

namespace workbench::pulp {

bool write_element(ElementWriter& w, const Concat& op) {
  const std::size_t axis = w.axis(op.axis);
  const std::int64_t inner = row_major_steps(w.out())[axis];
  w.body.line(fmt::format("const int32_t at = {};", w.digit(axis)));
  w.body.line(
      fmt::format("const int32_t before = i / {}, behind = i % {};", inner * w.out()[axis], inner));
  std::int64_t begin = 0;
  for (std::size_t k = 0; k < w.node.inputs.size(); ++k) {
    if (c_type(w.operand(k)) != c_type(w.result())) return false;
    const std::int64_t size = w.in(k)[axis];
    const std::string from =
        w.read(k, fmt::format("(before * {} + at - {}) * {} + behind", size, begin, inner));
    begin += size;
    const bool last = k + 1 == w.node.inputs.size();
    w.body.line(last ? fmt::format("return {};", from)
                     : fmt::format("if (at < {}) return {};", begin, from));
  }
  return true;
}

namespace {

// "index": that of operand 1 at `at`, from the front.
void index_line(ElementWriter& w, const std::string& at, std::int64_t size) {
  w.body.line(fmt::format("const int32_t given = {};", w.read(1, at)));
  w.body.line(fmt::format("const int32_t index = given < 0 ? given + {} : given;", size));
}

// Element `at` of a tensor of `shape`, its index along `axis` replaced by "index", in one of `in`.
std::string replaced(const std::string& at, const Shape& shape, const Shape& in, std::size_t axis) {
  const std::vector<std::int64_t> steps = row_major_steps(in);
  std::vector<std::pair<std::string, std::int64_t>> terms;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    terms.emplace_back(d == axis ? "index" : c_digit(at, shape, d), steps[d]);
  }
  return offset_text(terms);
}

// An element "x" of a scatter and its "update".
std::string_view updated(ScatterReduction reduction) {
  switch (reduction) {
    case ScatterReduction::None:
      return "update";
    case ScatterReduction::Add:
      return "x + update";
    case ScatterReduction::Mul:
      return "x * update";
    case ScatterReduction::Max:
      return "update > x ? update : x";
    case ScatterReduction::Min:
      return "update < x ? update : x";
  }
  CHECK(false, "reduction {}", static_cast<int>(reduction));
}

std::size_t axis_of(const ElementWriter& w, std::int64_t axis) {
  return static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(w.in(0).size())
                                           : axis);
}

}  // namespace

bool write_element(ElementWriter& w, const Gather& op) {
  if (c_type(w.operand(0)) != c_type(w.result())) return false;
  const std::size_t axis = axis_of(w, op.axis);
  const std::int64_t size = w.in(0)[axis], inner = row_major_steps(w.in(0))[axis];
  const std::int64_t count = element_count(w.in(1));
  w.body.line(fmt::format("const int32_t block = i / {};", inner));
  index_line(w, fmt::format("block % {}", count), size);
  w.body.line(
      fmt::format("return {};", w.read(0, fmt::format("(block / {} * {} + index) * {} + i % {}",
                                                      count, size, inner, inner))));
  return true;
}

bool write_element(ElementWriter& w, const GatherElements& op) {
  if (c_type(w.operand(0)) != c_type(w.result())) return false;
  const std::size_t axis = axis_of(w, op.axis);
  index_line(w, "i", w.in(0)[axis]);
  w.body.line(fmt::format("return {};", w.read(0, replaced("i", w.in(1), w.in(0), axis))));
  return true;
}

// All updates are looked at for each element: those of its own place, in their order.
bool write_element(ElementWriter& w, const ScatterElements& op) {
  const std::string type = c_type(w.result());
  if (type != "float" || !w.is_real(0) || !w.is_real(2)) return false;
  const std::size_t axis = axis_of(w, op.axis);
  w.body.line(fmt::format("float x = {};", w.read(0, "i")));
  w.body.loop("u", element_count(w.in(1)));
  index_line(w, "u", w.in(0)[axis]);
  w.body.line(fmt::format("if ({} != i) continue;", replaced("u", w.in(1), w.in(0), axis)));
  w.body.line(fmt::format("const float update = {};", w.read(2, "u")));
  w.body.line(fmt::format("x = {};", updated(op.reduction)));
  w.body.close();
  w.body.line("return x;");
  return true;
}

namespace {

// "begin": of row `row` of operand 1, the first element of operand 0 that it points to.
void pointed(ElementWriter& w, const std::string& row, std::size_t batches) {
  const std::vector<std::int64_t> steps = row_major_steps(w.in(0));
  const std::int64_t depth = w.in(1).back();
  w.body.line("int32_t begin = 0;");
  for (std::int64_t k = 0; k < depth; ++k) {
    const std::size_t d = batches + static_cast<std::size_t>(k);
    w.body.line(fmt::format("const int32_t at{} = {};", k,
                            w.read(1, fmt::format("({}) * {} + {}", row, depth, k))));
    w.body.line(
        fmt::format("begin += (at{0} < 0 ? at{0} + {1} : at{0}) * {2};", k, w.in(0)[d], steps[d]));
  }
}
// Elements that each row points to.
std::int64_t slice_size(const ElementWriter& w, std::size_t batches) {
  std::int64_t size = 1;
  for (std::size_t d = batches + static_cast<std::size_t>(w.in(1).back()); d < w.in(0).size();
       ++d) {
    size *= w.in(0)[d];
  }
  return size;
}

}  // namespace

bool write_element(ElementWriter& w, const GatherNd& op) {
  if (c_type(w.operand(0)) != c_type(w.result())) return false;
  const auto batches = static_cast<std::size_t>(op.batch_dims);
  const std::int64_t size = slice_size(w, batches);
  std::int64_t rows_per_batch = 1;
  for (std::size_t d = batches; d + 1 < w.in(1).size(); ++d) rows_per_batch *= w.in(1)[d];
  const std::int64_t batch_size =
      batches == 0 ? element_count(w.in(0)) : row_major_steps(w.in(0))[batches - 1];
  w.body.line(fmt::format("const int32_t row = i / {};", size));
  pointed(w, "row", batches);
  w.body.line(fmt::format("return {};", w.read(0, fmt::format("row / {} * {} + begin + i % {}",
                                                              rows_per_batch, batch_size, size))));
  return true;
}

// As of elements.
bool write_element(ElementWriter& w, const ScatterNd& op) {
  const std::string type = c_type(w.result());
  if (c_type(w.operand(0)) != type || c_type(w.operand(2)) != type) return false;
  if (type != "float" && op.reduction != ScatterReduction::None) return false;
  const std::int64_t size = slice_size(w, 0), rows = element_count(w.in(1)) / w.in(1).back();
  w.body.line(fmt::format("{} x = {};", type, w.read(0, "i")));
  w.body.loop("row", rows);
  pointed(w, "row", 0);
  w.body.line(fmt::format("if (i < begin || i >= begin + {}) continue;", size));
  w.body.line(fmt::format("const {} update = {};", type,
                          w.read(2, fmt::format("row * {} + i - begin", size))));
  w.body.line(fmt::format("x = {};", updated(op.reduction)));
  w.body.close();
  w.body.line("return x;");
  return true;
}

namespace {

void tap_tables(ElementWriter& w, std::size_t d, const std::vector<eval::Taps>& taps) {
  std::string begins, indices;
  std::vector<double> weights;
  for (const eval::Taps& here : taps) {
    begins += fmt::format("{}, ", weights.size());
    for (const eval::Tap& tap : here) {
      indices += fmt::format("{}, ", tap.index);
      weights.push_back(tap.weight);
    }
  }
  w.tables += fmt::format("static const int32_t {}_begin{}[] = {{{}{}}};\n", w.name, d, begins,
                          weights.size());
  w.tables += fmt::format("static const int32_t {}_index{}[] = {{{}}};\n", w.name, d,
                          indices.empty() ? "0" : indices);
  w.doubles(fmt::format("weight{}", d), weights.empty() ? std::vector<double>{0} : weights);
}

void outside(ElementWriter& w, const Interpolate& op, const std::vector<std::size_t>& along,
             const std::vector<std::vector<eval::Taps>>& taps) {
  for (const std::size_t d : along) {
    if (std::ranges::none_of(taps[d], [](const eval::Taps& t) { return t.empty(); })) continue;
    w.body.line(fmt::format("if ({0}_begin{1}[{2}] == {0}_begin{1}[{2} + 1]) return {3};", w.name,
                            d, w.digit(d), c_float(op.resize.extrapolation_value)));
  }
}

}  // namespace

// Taps along each dimension that is resized; the others are read where they are.
bool write_element(ElementWriter& w, const Interpolate& op) {
  if (!w.all_real()) return false;
  const std::vector<std::int64_t> steps = row_major_steps(w.in(0));
  std::vector<std::pair<std::string, std::int64_t>> terms;
  std::vector<std::size_t> along;
  std::vector<std::vector<eval::Taps>> taps(w.out().size());
  for (std::size_t d = 0; d < w.out().size(); ++d) {
    bool same = true;
    for (std::int64_t o = 0; o < w.out()[d]; ++o) {
      taps[d].push_back(eval::taps_of(op, d, o, w.in(0)[d]));
      const eval::Taps& here = taps[d].back();
      same = same && here.size() == 1 && here[0].index == o && here[0].weight == 1;
    }
    terms.emplace_back(same ? w.digit(d) : fmt::format("x{}", d), steps[d]);
    if (!same) along.push_back(d);
  }
  for (const std::size_t d : along) tap_tables(w, d, taps[d]);
  outside(w, op, along, taps);
  std::string weight;
  w.body.line("double s0 = 0;");
  for (std::size_t n = 0; n < along.size(); ++n) {
    const std::size_t d = along[n];
    w.body.line(fmt::format("const int32_t o{} = {};", d, w.digit(d)));
    w.body.open(
        fmt::format("for (int32_t k{0} = {1}_begin{0}[o{0}]; k{0} < {1}_begin{0}[o{0} + 1]; "
                    "++k{0})",
                    d, w.name));
    w.body.line(fmt::format("const int32_t x{0} = {1}_index{0}[k{0}];", d, w.name));
    const std::string own = fmt::format("{1}_weight{0}[k{0}]", d, w.name);
    w.body.line(fmt::format("const double w{} = {};", n + 1,
                            n == 0 ? own : fmt::format("w{} * {}", n, own)));
    if (n + 1 < along.size()) w.body.line(fmt::format("double s{} = 0;", n + 1));
  }
  const std::string x = fmt::format("(double){}", w.read(0, offset_text(terms)));
  if (along.empty()) {
    w.body.line(fmt::format("s0 = {};", x));
  } else {
    w.body.line(fmt::format("s{} += w{} * {};", along.size() - 1, along.size(), x));
  }
  for (std::size_t n = along.size(); n-- > 0;) {
    w.body.close();
    if (n > 0) w.body.line(fmt::format("s{} += s{};", n - 1, n));
  }
  w.body.line("return (float)s0;");
  return true;
}

namespace {

std::string_view c_mode(GridSample::Mode mode) {  // runtime/pulp/network/fabric.h
  switch (mode) {
    case GridSample::Mode::Linear:
      return "kLinear";
    case GridSample::Mode::Nearest:
      return "kNearest";
    case GridSample::Mode::Cubic:
      return "kCubic";
  }
  CHECK(false, "mode {}", static_cast<int>(mode));
}
std::string_view c_outside(GridSample::Outside outside) {
  switch (outside) {
    case GridSample::Outside::Zeros:
      return "kZeros";
    case GridSample::Outside::Border:
      return "kBorder";
    case GridSample::Outside::Reflection:
      return "kReflection";
  }
  CHECK(false, "outside {}", static_cast<int>(outside));
}

}  // namespace

// The taps of a pixel are kept for its other channels.
bool write_element(ElementWriter& w, const GridSample& op) {
  if (!w.all_real()) return false;
  const std::int64_t pixels = w.out()[2] * w.out()[3], plane = w.in(0)[2] * w.in(0)[3];
  w.tables += fmt::format(
      "static int32_t {0}_pixel = -1;\nstatic fabric_taps_t {0}_columns, {0}_rows;\n", w.name);
  w.at_begin += fmt::format("  {}_pixel = -1;\n", w.name);
  w.body.line(fmt::format("const int32_t map = i / {0}, pixel = map / {1} * {0} + i % {0};", pixels,
                          w.out()[1]));
  w.body.open(fmt::format("if ({}_pixel != pixel)", w.name));
  w.body.line(fmt::format("{}_pixel = pixel;", w.name));
  for (const auto& [what, k, size] :
       {std::tuple("columns", 0, w.in(0)[3]), std::tuple("rows", 1, w.in(0)[2])}) {
    w.body.line(fmt::format("fabric_sample(&{}_{}, {}, {}, {}, {}, {});", w.name, what,
                            w.read(1, fmt::format("2 * pixel + {}", k)), size, c_mode(op.mode),
                            c_outside(op.outside), op.align_corners ? 1 : 0));
  }
  w.body.close();
  w.body.line("double sum = 0;");
  w.body.open(fmt::format("for (int32_t r = 0; r < {}_rows.count; ++r)", w.name));
  w.body.line("double line = 0;");
  w.body.open(fmt::format("for (int32_t c = 0; c < {}_columns.count; ++c)", w.name));
  w.body.line(
      fmt::format("const int32_t from = map * {1} + {0}_rows.index[r] * {2} + "
                  "{0}_columns.index[c];",
                  w.name, plane, w.in(0)[3]));
  w.body.line(fmt::format("line += {0}_rows.weight[r] * {0}_columns.weight[c] * (double){1};",
                          w.name, w.read(0, "from")));
  w.body.close();
  w.body.line("sum += line;");
  w.body.close();
  w.body.line("return (float)sum;");
  return true;
}

}  // namespace workbench::pulp
