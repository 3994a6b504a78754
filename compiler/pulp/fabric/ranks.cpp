// Elements by their order along a dimension: the index of the greatest, the greatest few, running
// sums.
#include "compiler/pulp/fabric/elements.h"

namespace workbench::pulp {

namespace {

// Element i lies in a line along `axis` of an operand of `shape`: `count` elements that are `step`
// apart, from "first" on. `own`: elements of the result's line.
struct Line {
  std::int64_t count = 0, step = 1;
};
Line line_of(ElementWriter& w, const Shape& shape, std::size_t axis, std::int64_t own) {
  const Line line{shape[axis], row_major_steps(shape)[axis]};
  w.body.line(fmt::format("const int32_t first = i / {0} * {1} + i % {2};", line.step * own,
                          line.step * line.count, line.step));
  return line;
}

std::string at(ElementWriter& w, const Line& line, const std::string& k) {
  return w.read(0, offset_text({{"first", 1}, {k, line.step}}));
}

}  // namespace

bool write_element(ElementWriter& w, const ArgReduce& op) {
  const auto rank = static_cast<std::int64_t>(w.in(0).size());
  const auto axis = static_cast<std::size_t>(op.axis < 0 ? op.axis + rank : op.axis);
  const std::string type = c_type(w.operand(0));
  if (type.empty()) return false;
  const Line line = line_of(w, w.in(0), axis, 1);
  w.body.line(fmt::format("{} best = {};", type, at(w, line, "0")));
  w.body.line("int32_t index = 0;");
  w.body.open(fmt::format("for (int32_t k = 1; k < {}; ++k)", line.count));
  w.body.line(fmt::format("const {} x = {};", type, at(w, line, "k")));
  w.body.line(
      fmt::format("if (!(x {}{} best)) continue;", op.least ? "<" : ">", op.last ? "=" : ""));
  w.body.line("best = x;");
  w.body.line("index = k;");
  w.body.close();
  w.body.line("return index;");
  return true;
}

// Of as many elements as come before it an element's rank is made, and looked for: no order is
// kept.
bool write_element(ElementWriter& w, const TopK& op) {
  const std::string type = c_type(w.operand(0));
  const bool wants_index = w.result_number == 1;
  if (type.empty() || (!wants_index && type != c_type(w.result()))) return false;
  const std::size_t axis = w.axis(op.axis);
  const Line line = line_of(w, w.in(0), axis, op.count);
  w.body.line(fmt::format("const int32_t rank = {};", w.digit(axis)));
  w.body.loop("k", line.count);
  w.body.line(fmt::format("const {} x = {};", type, at(w, line, "k")));
  w.body.line("int32_t before = 0;");
  w.body.loop("j", line.count);
  w.body.line(fmt::format("const {} y = {};", type, at(w, line, "j")));
  w.body.line(fmt::format("before += y == x ? j < k : y {} x;", op.least ? "<" : ">"));
  w.body.close();
  w.body.line(wants_index ? "if (before == rank) return k;" : "if (before == rank) return x;");
  w.body.close();
  w.body.line("return 0;");
  return true;
}

bool write_element(ElementWriter& w, const CumSum& op) {
  const std::string_view integer = c_integer(w.result().type);
  if (w.operand(0).type != w.result().type || (!w.is_real(0) && integer.empty())) return false;
  const std::size_t axis = w.axis(op.axis);
  const Line line = line_of(w, w.in(0), axis, w.in(0)[axis]);
  w.body.line(fmt::format("const int32_t at = {};", w.digit(axis)));
  const std::string sum = integer.empty() ? "double" : "int64_t";
  w.body.line(fmt::format("{} sum = 0;", sum));
  const std::string x = at(w, line, "k");
  if (op.reverse) {
    w.body.open(fmt::format("for (int32_t k = {}; k {} at; --k)", line.count - 1,
                            op.exclusive ? ">" : ">="));
  } else {
    w.body.open(fmt::format("for (int32_t k = 0; k {} at; ++k)", op.exclusive ? "<" : "<="));
  }
  w.body.line(fmt::format("sum += ({}){};", sum, x));
  w.body.close();
  w.body.line(fmt::format("return ({})sum;", integer.empty() ? "float" : integer));
  return true;
}

}  // namespace workbench::pulp
