// Products of matrices.
#include "compiler/pulp/c_text.h"
#include "compiler/pulp/fabric/elements.h"
#include "compiler/pulp/fabric/moves.h"

namespace workbench::pulp {

namespace {

// Which matrix of an operand belongs to matrix `at` of the result.
std::string matrix(const Shape& shape, const Shape& batch) {
  if (shape.size() < 3) return "0";
  const Shape own(shape.begin(), shape.end() - 2);
  const std::vector<std::int64_t> steps = row_major_steps(own);
  std::vector<std::pair<std::string, std::int64_t>> terms;
  for (std::size_t d = 0; d < own.size(); ++d) {
    if (own[d] == 1) continue;
    terms.emplace_back(c_digit("at", batch, batch.size() - own.size() + d), steps[d]);
  }
  return offset_text(terms);
}

}  // namespace

bool write_element(ElementWriter& w, const Gemm& op) {
  if (!w.all_real()) return false;
  const std::int64_t m = w.out()[0], n = w.out()[1], k = w.in(0)[op.transpose_a ? 0 : 1];
  w.body.line("double sum = 0;");
  w.body.line(fmt::format("const int32_t row = i / {0}, column = i % {0};", n));
  w.body.loop("k", k);
  w.body.line(fmt::format(
      "sum += (double){} * (double){};",
      w.read(0, op.transpose_a ? fmt::format("k * {} + row", m) : fmt::format("row * {} + k", k)),
      w.read(1, op.transpose_b ? fmt::format("column * {} + k", k)
                               : fmt::format("k * {} + column", n))));
  w.body.close();
  std::string x = fmt::format("{} * sum", c_double(static_cast<double>(op.alpha)));
  if (w.has(2)) {
    x += fmt::format(" + {} * (double){}", c_double(static_cast<double>(op.beta)),
                     w.read(2, w.broadcast(2)));
  }
  return w.finish(op.activation, x, "column");
}
bool write_element(ElementWriter& w, const MatMul&) {
  if (!w.all_real()) return false;
  const Shape &a = w.in(0), &b = w.in(1);
  const bool row = a.size() == 1, column = b.size() == 1;
  const std::int64_t m = row ? 1 : a[a.size() - 2], n = column ? 1 : b.back(), k = a.back();
  Shape batch = w.out();
  if (!row) batch.pop_back();
  if (!column) batch.pop_back();
  w.body.line("double sum = 0;");
  w.body.line(fmt::format("const int32_t row = i / {0} % {1}, column = i % {0}, at = i / {2};", n,
                          m, m * n));
  w.body.loop("k", k);
  w.body.line(fmt::format(
      "sum += (double){} * (double){};",
      w.read(0, fmt::format("({}) * {} + row * {} + k", matrix(a, batch), m * k, k)),
      w.read(1, fmt::format("({}) * {} + k * {} + column", matrix(b, batch), k * n, n))));
  w.body.close();
  w.body.line("return (float)sum;");
  return true;
}

}  // namespace workbench::pulp
