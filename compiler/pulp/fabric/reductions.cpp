// Elements of many: reductions, and what has a sum or a mean of a line or a map in it.
#include "compiler/pulp/c_text.h"
#include "compiler/pulp/fabric/elements.h"
#include "compiler/pulp/fabric/moves.h"

namespace workbench::pulp {

namespace {

bool reduced_to(ElementWriter& w, Reduce::Kind kind, std::int64_t count, const std::string& first,
                const std::string& type, const std::function<void()>& loops) {
  using Kind = Reduce::Kind;
  if (kind == Kind::Max || kind == Kind::Min) {
    w.body.line(fmt::format("{} best = {};", type, first));
    loops();
    w.body.line(fmt::format("best = x {} best ? x : best;", kind == Kind::Max ? ">" : "<"));
    w.body.close_all();
    w.body.line("return best;");
    return true;
  }
  if (kind == Kind::LogSumExp) {
    w.body.line(fmt::format("double most = {};", first));
    loops();
    w.body.line("most = most < x ? x : most;");
    w.body.close_all();
    w.body.line("if (isinf(most)) return (float)most;");
  }
  w.body.line(fmt::format("double sum = {};", kind == Kind::Prod ? 1 : 0));
  loops();
  w.body.line(kind == Kind::Prod                            ? "sum *= x;"
              : kind == Kind::L1                            ? "sum += fabs(x);"
              : kind == Kind::L2 || kind == Kind::SumSquare ? "sum += x * x;"
              : kind == Kind::LogSumExp                     ? "sum += exp(x - most);"
                                                            : "sum += x;");
  w.body.close_all();
  w.body.line(kind == Kind::Mean        ? fmt::format("return (float)(sum / {});", count)
              : kind == Kind::L2        ? "return (float)sqrt(sum);"
              : kind == Kind::LogSum    ? "return (float)log(sum);"
              : kind == Kind::LogSumExp ? "return (float)(most + log(sum));"
                                        : "return (float)sum;");
  return true;
}

// Of integers: sums and products in 64 bits, squares and absolute values as numbers.
bool reduced_integers(ElementWriter& w, Reduce::Kind kind, std::int64_t count,
                      const std::function<void()>& loops) {
  using Kind = Reduce::Kind;
  const bool squares = kind == Kind::L2 || kind == Kind::SumSquare;
  if (kind == Kind::LogSum || kind == Kind::LogSumExp) return false;
  const std::string sum = kind == Kind::Prod            ? "uint64_t"
                          : squares || kind == Kind::L1 ? "double"
                                                        : "int64_t";
  w.body.line(fmt::format("{} sum = {};", sum, kind == Kind::Prod ? 1 : 0));
  loops();
  w.body.line(kind == Kind::Prod ? "sum *= (uint64_t)(int64_t)x;"
              : kind == Kind::L1 ? "sum += fabs((double)x);"
              : squares          ? "sum += (double)x * (double)x;"
                                 : "sum += x;");
  w.body.close_all();
  const std::string whole = kind == Kind::Mean ? fmt::format("sum / {}", count)
                            : kind == Kind::L2 ? "sqrt(sum)"
                                               : "sum";
  w.body.line(fmt::format("return ({})({})({});", c_integer(w.result().type),
                          sum == "double" ? "int32_t" : sum, whole));
  return true;
}

// Lines of elements that have sums in common: `count` elements `step` apart. The sums of the line
// that was asked for last are kept; they hold for one turn.
void line_of(ElementWriter& w, std::int64_t count, std::int64_t step,
             const std::vector<std::string>& sums) {
  w.tables += fmt::format("static int32_t {}_line = -1;\n", w.name);
  for (const std::string& sum : sums)
    w.tables += fmt::format("static double {}_{};\n", w.name, sum);
  w.at_begin += fmt::format("  {}_line = -1;\n", w.name);
  w.body.line(fmt::format("const int32_t first = i / {0} * {0} + i % {1};", count * step, step));
  w.body.open(fmt::format("if ({}_line != first)", w.name));
  w.body.line(fmt::format("{}_line = first;", w.name));
}

std::string at_line(const ElementWriter& w, std::int64_t step) {
  return w.read(0, step == 1 ? "first + k" : fmt::format("first + k * {}", step));
}

// Mean and deviation of a line of `count` elements.
void moments(ElementWriter& w, std::int64_t count, float epsilon, bool centred) {
  line_of(w, count, 1, {"mean", "deviation"});
  w.body.line("double mean = 0, squares = 0;");
  if (centred) {
    w.body.line(
        fmt::format("for (int32_t k = 0; k < {}; ++k) mean += (double){};", count, at_line(w, 1)));
    w.body.line(fmt::format("mean /= {};", count));
  }
  w.body.loop("k", count);
  w.body.line(fmt::format("const double distance = (double){} - mean;", at_line(w, 1)));
  w.body.line("squares += distance * distance;");
  w.body.close();
  w.body.line(fmt::format("{}_mean = mean;", w.name));
  w.body.line(fmt::format("{}_deviation = sqrt(squares / {} + {});", w.name, count,
                          c_double(static_cast<double>(epsilon))));
  w.body.close();
  w.body.line(fmt::format("const double normal = ((double){0} - {1}_mean) / {1}_deviation;",
                          w.read(0, "i"), w.name));
}

}  // namespace

bool write_element(ElementWriter& w, const Reduce& op) {
  const std::string type = c_type(w.operand(0));
  const bool picks = op.kind == Reduce::Kind::Max || op.kind == Reduce::Kind::Min;
  const bool integers = w.operand(0).type == w.result().type && !c_integer(w.result().type).empty();
  if (!w.all_real() && !(picks && type == c_type(w.result())) && !integers) return false;
  const Shape& shape = w.in(0);
  std::vector<bool> reduced(shape.size(), false);
  for (const std::int64_t axis : op.axes) {
    const auto rank = static_cast<std::int64_t>(shape.size());
    reduced[static_cast<std::size_t>(axis < 0 ? axis + rank : axis)] = true;
  }
  Shape kept;
  std::int64_t count = 1;
  for (std::size_t d = 0; d < shape.size(); ++d) {
    reduced[d] ? static_cast<void>(count *= shape[d]) : kept.push_back(shape[d]);
  }
  if (count == 0) return false;
  const std::vector<std::int64_t> steps = row_major_steps(shape);
  std::vector<std::pair<std::string, std::int64_t>> first, rest;
  for (std::size_t d = 0, k = 0; d < shape.size(); ++d) {
    if (reduced[d]) {
      rest.emplace_back(fmt::format("d{}", d), steps[d]);
    } else {
      first.emplace_back(c_digit("i", kept, k++), steps[d]);
    }
  }
  w.body.line(fmt::format("const int32_t first = {};", offset_text(first)));
  const std::string x = w.read(0, fmt::format("first + {}", offset_text(rest)));
  const auto loops = [&] {
    if (rest.empty()) w.body.loop("only", 1);
    for (std::size_t d = 0; d < shape.size(); ++d) {
      if (reduced[d]) w.body.loop(fmt::format("d{}", d), shape[d]);
    }
    w.body.line(fmt::format("const {} x = {};", picks || integers ? type : "double", x));
  };
  if (integers && !picks) return reduced_integers(w, op.kind, count, loops);
  return reduced_to(w, op.kind, count, w.read(0, "first"), type, loops);
}

bool write_element(ElementWriter& w, const Lrn& op) {
  if (!w.all_real()) return false;
  const std::int64_t channels = w.out()[1], step = row_major_steps(w.out())[1];
  w.body.line("double sum = 0;");
  w.body.line(fmt::format("const int32_t channel = {};", w.digit(1)));
  w.body.open(fmt::format("for (int32_t c = channel - {}; c <= channel + {}; ++c)",
                          (op.size - 1) / 2, op.size / 2));
  w.body.line(fmt::format("if (c < 0 || c >= {}) continue;", channels));
  w.body.line(
      fmt::format("const double x = {};", w.read(0, fmt::format("i + (c - channel) * {}", step))));
  w.body.line("sum += x * x;");
  w.body.close();
  const double factor = static_cast<double>(op.alpha) / static_cast<double>(op.size);
  w.body.line(fmt::format("const double base = {} + {} * sum;",
                          c_double(static_cast<double>(op.bias)), c_double(factor)));
  w.body.line(fmt::format("return (float)((double){} / pow(base, {}));", w.read(0, "i"),
                          c_double(static_cast<double>(op.beta))));
  return true;
}

bool write_element(ElementWriter& w, const Softmax& op) {
  if (!w.all_real()) return false;
  const std::size_t axis = w.axis(op.axis);
  const std::int64_t count = w.out()[axis], step = row_major_steps(w.out())[axis];
  line_of(w, count, step, {"most", "sum"});
  w.body.line(fmt::format("double most = {}, sum = 0;", w.read(0, "first")));
  w.body.loop("k", count);
  w.body.line(fmt::format("const double x = {};", at_line(w, step)));
  w.body.line("if (most < x) most = x;");
  w.body.close();
  w.body.line(fmt::format("for (int32_t k = 0; k < {}; ++k) sum += exp((double){} - most);", count,
                          at_line(w, step)));
  w.body.line(fmt::format("{0}_most = most, {0}_sum = {1};", w.name, op.log ? "log(sum)" : "sum"));
  w.body.close();
  const std::string x = fmt::format("(double){}", w.read(0, "i"));
  w.body.line(op.log ? fmt::format("return (float)({0} - {1}_most - {1}_sum);", x, w.name)
                     : fmt::format("return (float)(exp({0} - {1}_most) / {1}_sum);", x, w.name));
  return true;
}

bool write_element(ElementWriter& w, const InstanceNorm& op) {
  if (!w.all_real()) return false;
  moments(w, row_major_steps(w.out())[1], op.epsilon, true);
  const std::string c = w.digit(1);
  w.body.line(
      fmt::format("return (float)(normal * (double){} + (double){});", w.read(1, c), w.read(2, c)));
  return true;
}
bool write_element(ElementWriter& w, const LayerNorm& op) {
  if (!w.all_real()) return false;
  const std::size_t axis = w.axis(op.axis);
  moments(w, row_major_steps(w.out())[axis] * w.out()[axis], op.epsilon, !op.rms);
  const std::string bias = w.has(2) ? fmt::format("(double){}", w.read(2, w.broadcast(2))) : "-0.0";
  w.body.line(
      fmt::format("return (float)(normal * (double){} + {});", w.read(1, w.broadcast(1)), bias));
  return true;
}

}  // namespace workbench::pulp
