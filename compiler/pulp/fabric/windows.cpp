// Elements of a window of an operand: pools, convolutions, transposed convolutions.
#include <algorithm>

#include "compiler/pulp/fabric/elements.h"
#include "core/error.h"
#include "core/eval/window.h"

namespace workbench::pulp {

namespace {

// Spatial dimension d: o{d} of the result, k{d} of the kernel, x{d} of the operand.
void positions(ElementWriter& w, std::size_t rank) {
  for (std::size_t d = 0; d < rank; ++d) {
    w.body.line(fmt::format("const int32_t o{} = {};", d, w.digit(d + 2)));
  }
}
// Loops over the cells of the window that lie in the operand.
void cells(ElementWriter& w, const Window& window, const Shape& x) {
  for (std::size_t d = 0; d < window.kernel.size(); ++d) {
    w.body.loop(fmt::format("k{}", d), window.kernel[d]);
    w.body.line(fmt::format("const int32_t x{0} = o{0} * {1} + k{0} * {2} - {3};", d,
                            window.strides[d], window.dilations[d], window.pads_begin[d]));
    w.body.line(fmt::format("if (x{0} < 0 || x{0} >= {1}) continue;", d, x[d + 2]));
  }
}
// `plane`: index among the planes of `sizes`, whose positions are called PREFIX0, ...
std::string cell(const std::string& plane, const std::vector<std::int64_t>& sizes,
                 const std::string& prefix) {
  std::string text = plane;
  for (std::size_t d = 0; d < sizes.size(); ++d) {
    text = fmt::format("({}) * {} + {}{}", text, sizes[d], prefix, d);
  }
  return text;
}
std::vector<std::int64_t> spatial(const Shape& shape) { return {shape.begin() + 2, shape.end()}; }
// Index of image and channel together.
std::string plane(const ElementWriter& w) {
  return fmt::format("i / {}", row_major_steps(w.out())[1]);
}

// Loop over the cells of the kernel that bring an element of the operand to o{d}.
void reaching(ElementWriter& w, const Window& window, std::size_t d, std::int64_t size) {
  const std::int64_t stride = window.strides[d], pad = window.pads_begin[d];
  if (window.dilations[d] == 1) {
    w.body.open(fmt::format("for (int32_t k{0} = (o{0} + {1}) % {2}; k{0} < {3}; k{0} += {2})", d,
                            pad, stride, window.kernel[d]));
    w.body.line(
        fmt::format("const int32_t r{0} = o{0} + {1} - k{0}, x{0} = r{0} / {2};", d, pad, stride));
    w.body.line(fmt::format("if (r{0} < 0 || x{0} >= {1}) continue;", d, size));
    return;
  }
  w.body.loop(fmt::format("k{}", d), window.kernel[d]);
  w.body.line(fmt::format("const int32_t r{0} = o{0} + {1} - k{0} * {2}, x{0} = r{0} / {3};", d,
                          pad, window.dilations[d], stride));
  w.body.line(
      fmt::format("if (r{0} < 0 || r{0} % {1} != 0 || x{0} >= {2}) continue;", d, stride, size));
}
// What any element is not below.
std::string lowest(ElementType type) {
  switch (type) {
    case ElementType::Float32:
      return "-INFINITY";
    case ElementType::Int8:
      return "-128";
    case ElementType::Int16:
      return "-32768";
    case ElementType::Int32:
    case ElementType::Int64:
      return "INT32_MIN";
    default:
      return "0";
  }
}

}  // namespace

namespace {

// Where in the whole operand the greatest cell of the window is, the first of equal ones; -1: the
// window lies in the padding.
bool greatest_at(ElementWriter& w, const MaxPool& op) {
  const std::string type = c_type(w.operand(0));
  if (type.empty()) return false;
  const Shape& in = w.in(0);
  w.body.line(fmt::format("{} best = 0;", type));
  w.body.line("int32_t index = -1;");
  positions(w, op.window.kernel.size());
  cells(w, op.window, in);
  const std::string row_major = cell(plane(w), spatial(in), "x");
  w.body.line(fmt::format("const {} x = {};", type, w.read(0, row_major)));
  w.body.line("if (index >= 0 && !(x > best)) continue;");
  w.body.line("best = x;");
  std::string place = row_major;
  if (op.storage_order != 0) {  // counts the spatial dimensions backwards
    place = fmt::format("({}) * {}", plane(w), row_major_steps(in)[1]);
    std::int64_t step = 1;
    for (std::size_t d = 2; d < in.size(); step *= in[d++]) {
      place += fmt::format(" + x{} * {}", d - 2, step);
    }
  }
  w.body.line(fmt::format("index = {};", place));
  w.body.close_all();
  w.body.line("return index;");
  return true;
}

}  // namespace

bool write_element(ElementWriter& w, const MaxPool& op) {
  if (w.result_number == 1) return greatest_at(w, op);
  const std::string type = c_type(w.result());
  if (type != c_type(w.operand(0))) return false;
  const std::string least = lowest(w.result().type);
  w.body.line(fmt::format("{} best = {};", type, least));
  positions(w, op.window.kernel.size());
  cells(w, op.window, w.in(0));
  w.body.line(
      fmt::format("const {} x = {};", type, w.read(0, cell(plane(w), spatial(w.in(0)), "x"))));
  w.body.line("if (x > best) best = x;");
  w.body.close_all();
  w.body.line("return best;");
  return true;
}
bool write_element(ElementWriter& w, const AveragePool& op) {
  if (!w.all_real()) return false;
  const eval::Window3 window = eval::window3(op.window, w.in(0), w.out());
  const std::size_t rank = op.window.kernel.size();
  w.body.line("double sum = 0;");
  positions(w, rank);
  std::string count;
  for (std::size_t d = 0; d < rank; ++d) {
    const std::size_t of3 = 3 - rank + d;
    std::vector<double> counts;
    for (std::int64_t o = 0; o < window.out[of3]; ++o) {
      // padding is part of the padded input, what ceil_mode adds behind it is not
      const auto [first, last] = window.valid_kernel(
          of3, o, window.in[of3] + (op.count_include_pad ? window.pad_end[of3] : 0));
      const std::int64_t cells = op.count_include_pad ? last : last - first;
      counts.push_back(static_cast<double>(std::max<std::int64_t>(cells, 1)));
    }
    count += count.empty() ? "" : " * ";
    count += w.chosen(fmt::format("cells{}", d), counts, fmt::format("o{}", d));
  }
  cells(w, op.window, w.in(0));
  w.body.line(fmt::format("sum += (double){};", w.read(0, cell(plane(w), spatial(w.in(0)), "x"))));
  w.body.close_all();
  w.body.line(fmt::format("return (float)(sum / ({}));", count));
  return true;
}

bool write_element(ElementWriter& w, const Conv& op) {
  if (!w.all_real()) return false;
  const std::int64_t channels = w.in(1)[1], filters = w.out()[1] / op.groups;
  w.body.line("double sum = 0;");
  w.body.line(fmt::format("const int32_t filter = {}, image = {};", w.digit(1), w.digit(0)));
  positions(w, op.window.kernel.size());
  w.body.loop("c", channels);
  cells(w, op.window, w.in(0));
  const std::string from =
      fmt::format("image * {} + filter / {} * {} + c", op.groups * channels, filters, channels);
  const std::string weight = fmt::format("filter * {} + c", channels);
  w.body.line(fmt::format("sum += (double){} * (double){};",
                          w.read(0, cell(from, spatial(w.in(0)), "x")),
                          w.read(1, cell(weight, op.window.kernel, "k"))));
  w.body.close_all();
  if (w.has(2)) w.body.line(fmt::format("sum += (double){};", w.read(2, "filter")));
  return w.finish(op.activation, "sum", "filter");
}
bool write_element(ElementWriter& w, const ConvTranspose& op) {
  if (!w.all_real()) return false;
  const Window& window = op.window;
  const std::int64_t channels = w.in(0)[1] / op.groups, filters = w.out()[1] / op.groups;
  w.body.line("double sum = 0;");
  w.body.line(fmt::format("const int32_t filter = {}, image = {};", w.digit(1), w.digit(0)));
  positions(w, window.kernel.size());
  w.body.loop("c", channels);
  for (std::size_t d = 0; d < window.kernel.size(); ++d) reaching(w, window, d, w.in(0)[d + 2]);
  const std::string from =
      fmt::format("image * {} + filter / {} * {} + c", op.groups * channels, filters, channels);
  // Constants come by filter (elements.h).
  const std::string weight =
      w.operand(1).constant
          ? fmt::format("filter * {} + c", channels)
          : fmt::format("(filter / {0} * {1} + c) * {0} + filter % {0}", filters, channels);
  w.body.line(fmt::format("sum += (double){} * (double){};",
                          w.read(0, cell(from, spatial(w.in(0)), "x")),
                          w.read(1, cell(weight, window.kernel, "k"))));
  w.body.close_all();
  if (w.has(2)) w.body.line(fmt::format("sum += (double){};", w.read(2, "filter")));
  return w.finish(op.activation, "sum", "filter");
}

}  // namespace workbench::pulp
